"""The weights of `mir`'s hypotheses, from `weights.yaml`, which `python -m benchmarks.music_fit` writes."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field

from soundseam.annotators.music.spectra import Array
from soundseam.schemas.record import Record

WEIGHTS_FILE = Path(__file__).with_name("weights.yaml")

Degrees = tuple[float, ...]
"""Twelve weights, by semitones over a root or a tonic."""


class ChordWeights(Record):
    """Weights for a chord of one quality: pitch classes of bass and treble relative to its root."""

    treble: Degrees = Field(min_length=12, max_length=12)
    bass: Degrees = Field(min_length=12, max_length=12)

    @property
    def vector(self) -> Array:
        return np.array([*self.treble, *self.bass])


class KeyWeights(ChordWeights):
    """Weights for a key of one mode: pitch classes, and the share of time of each chord, relative to its tonic."""

    chords: dict[str, Degrees]
    bias: float

    @property
    def vector(self) -> Array:
        return np.array([*self.treble, *self.bass, *(weight for degrees in self.chords.values() for weight in degrees)])


class Weights(Record):
    """Weights of beat and bar hypotheses by the name of the evidence; of chords by quality, of keys by mode.

    They are fitted one after the other; during fitting the later ones are still empty.
    """

    pulse: dict[str, float]
    bars: dict[str, float] = Field(default_factory=dict)
    chords: dict[str, ChordWeights] = Field(default_factory=dict)
    key: dict[str, KeyWeights] = Field(default_factory=dict)

    @property
    def pulse_vector(self) -> Array:
        return np.array(list(self.pulse.values()))

    @property
    def bars_vector(self) -> Array:
        return np.array(list(self.bars.values()))


@cache
def load_weights() -> Weights:
    return Weights.model_validate(yaml.safe_load(WEIGHTS_FILE.read_text()))


def weights_key() -> str:
    """Changes with the weights."""
    return hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()[:8]

"""The key: correlation of the mean chroma with profiles of the 24 major and minor keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotators.music.spectra import Array
from schemas.music import Mode

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Distributions of scale degrees in a large corpus of Western music: Albrecht & Shanahan, The use of large corpora
# to train a new type of key-finding algorithm, Music Perception 31 (2013).
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_LEAST_CORRELATION = 0.6
_MARGIN = 0.2
"""A correlation that stands this far over the next counts as certain."""


@dataclass(frozen=True)
class Key:
    """`tonic` is a pitch class, 0 = C."""

    tonic: int
    mode: Mode

    @property
    def text(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"


@dataclass(frozen=True)
class KeyEstimate:
    """The best key, the next best, and how far the best stands over it, in [0, 1]."""

    best: Key
    runner_up: Key
    confidence: float


KEYS = tuple(Key(tonic, mode) for mode in (Mode.MAJOR, Mode.MINOR) for tonic in range(12))


def find_key(chroma: Array) -> KeyEstimate | None:
    """`chroma` is (12,), C first; None where it is flat or like no key."""
    if float(np.std(chroma)) <= 1e-9:
        return None
    correlations = key_correlations(chroma)
    first, second = (int(i) for i in np.argsort(-correlations, kind="stable")[:2])
    if correlations[first] < _LEAST_CORRELATION:
        return None
    margin = float(correlations[first] - correlations[second])
    return KeyEstimate(KEYS[first], KEYS[second], round(min(1.0, margin / _MARGIN), 3))


def key_correlations(chroma: Array) -> Array:
    """Pearson correlation of `chroma` (12,) with each of `KEYS`."""
    profiles = np.array([np.roll(profile, tonic) for profile in (_MAJOR, _MINOR) for tonic in range(12)])
    profiles = profiles - profiles.mean(axis=1, keepdims=True)
    centred = chroma - chroma.mean()
    scale = np.linalg.norm(profiles, axis=1) * np.linalg.norm(centred)
    correlations: Array = profiles @ centred / np.maximum(scale, 1e-12)
    return correlations

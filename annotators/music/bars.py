"""Bars: chooses the length and phase whose first beats stand out by bass, onsets and changes of harmony."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.music.fitted import load_weights
from soundseam.annotators.music.pulse import harmonic_change
from soundseam.annotators.music.spectra import Array, Onsets

_LENGTHS = (2, 3, 4)
_FEWEST_BARS = 3
_MIN_CONFIDENCE = 0.2

EVIDENCE = (
    "onsets",
    "bass",
    "change",
    "largest_change",
    "mid_bar_bass",
    "mid_bar_change",
    "onsets_repeat",
    "bass_repeats",
    "change_repeats",
    "pattern_repeats",
    "three_beats",
    "four_beats",
)
"""Evidence for or against a hypothesis; its weights are in `weights.yaml`."""


@dataclass(frozen=True)
class Bars:
    """Bars of `beats_per_bar`; beat `phase` is the first downbeat. `confidence`: its probability minus the next
    best's.
    """

    beats_per_bar: int
    phase: int
    confidence: float


@dataclass(frozen=True)
class BeatSeries:
    """Measures per beat, mean 0 and deviation 1 (num_beats,); `shapes` (num_beats, 8): distribution of onsets in it."""

    full: Array
    bass: Array
    change: Array
    shapes: Array


def find_bars(beats: Array, onsets: Onsets, harmony: Array) -> Bars | None:
    """None if no bar stands out or under three bars. `beats` are frames; `harmony` as in `Chroma.harmony`."""
    hypotheses = bar_hypotheses(beats, onsets, harmony)
    if not hypotheses:
        return None
    weights = load_weights().bars_vector
    scores = np.array([evidence @ weights for _, _, evidence in hypotheses])
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    confidence = float(probabilities[first] - probabilities[second])
    if confidence < _MIN_CONFIDENCE:
        return None
    return Bars(hypotheses[first][0], hypotheses[first][1], confidence)


def bar_hypotheses(beats: Array, onsets: Onsets, harmony: Array) -> list[tuple[int, int, Array]]:
    """(beats per bar, phase, evidence in the order of EVIDENCE) of each bar length that fits three times into
    `beats`.
    """
    if len(beats) < _FEWEST_BARS * _LENGTHS[0]:
        return []
    patterns = np.stack([_pattern(beats, onsets.full), _pattern(beats, onsets.bass)])
    full, bass = (_standard(one[:, 0]) for one in patterns)
    sums = np.concatenate([np.zeros((1, harmony.shape[1])), np.cumsum(harmony, axis=0)])
    change = _standard(np.concatenate([[0.0], harmonic_change(beats, sums), [0.0]]))
    shapes = np.concatenate([_unit_rows(one) for one in patterns], axis=1)
    series = BeatSeries(full, bass, change, shapes)
    return [
        (length, phase, _evidence(length, phase, series))
        for length in _LENGTHS
        if len(beats) >= _FEWEST_BARS * length
        for phase in range(length)
    ]


def _evidence(length: int, phase: int, series: BeatSeries) -> Array:
    full, bass, change, shapes = series.full, series.bass, series.change, series.shapes
    place = (np.arange(len(full)) - phase) % length
    middle = [_contrast(one, place == 2) if length == 4 else 0.0 for one in (bass, change)]
    return np.array(
        [
            _contrast(full, place == 0),
            _contrast(bass, place == 0),
            _contrast(change, place == 0),
            _contrast(np.maximum(change, 0) ** 2, place == 0),
            *middle,
            _repeats(full, length),
            _repeats(bass, length),
            _repeats(change, length),
            float((shapes[length:] * shapes[:-length]).sum(axis=1).mean()),
            float(length == 3),
            float(length == 4),
        ]
    )


def _pattern(beats: Array, strength: Array) -> Array:
    """Onset strength on each beat and at its quarters (num_beats, 4); the last beat is as long as the previous one."""
    gaps = np.diff(beats, append=2 * beats[-1] - beats[-2])
    frames = np.round(beats[:, None] + gaps[:, None] * np.arange(4) / 4).astype(np.int64)
    near = [strength[np.clip(frames + shift, 0, len(strength) - 1)] for shift in (-1, 0, 1)]
    strongest: Array = np.max(near, axis=0)
    return strongest


def _contrast(values: Array, chosen: NDArray[np.bool_]) -> float:
    return float(values[chosen].mean() - values[~chosen].mean())


def _repeats(values: Array, length: int) -> float:
    """Autocorrelation at `length` beats; `values` have mean 0 and deviation 1, or are all 0."""
    return float((values[length:] * values[:-length]).mean())


def _standard(values: Array) -> Array:
    spread = float(values.std())
    standard: Array = (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
    return standard


def _unit_rows(values: Array) -> Array:
    unit: Array = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    return unit

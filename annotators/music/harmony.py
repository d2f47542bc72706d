"""Chords and keys: templates on beat-synchronous chroma, with Viterbi decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from soundseam.annotators.music.fitted import load_weights
from soundseam.annotators.music.spectra import FRAME_MS, SLOW_FRAME_MS, Array, Chroma, Indices
from soundseam.schemas.music import PITCH_CLASSES, Mode

# Distributions of scale degrees in a large corpus of Western music: Albrecht & Shanahan, The use of large corpora
# to train a new type of key-finding algorithm, Music Perception 31 (2013).
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_MIN_CORRELATION = 0.5
_MIN_CHORD_SHARE = 0.5
_FEWEST_PITCHES = 3
_SHORTEST_MS = 8_000.0
_FEWEST_CHORDS, _CHORD_SHARE = 3, 0.04
"""A key needs several chords: a held tone, a hum, a dial tone or a cymbal has none."""


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
    """The best key, the second best, and the difference of their probabilities, in [0, 1]."""

    best: Key
    runner_up: Key
    confidence: float


KEYS = tuple(Key(tonic, mode) for mode in (Mode.MAJOR, Mode.MINOR) for tonic in range(12))


def find_key(features: Array, chord_shares: Array, duration_ms: float) -> KeyEstimate | None:
    """`features` (24,) are `ChordPath.mean_features`, `chord_shares` (37,) the share of time of each chord, N last.

    None under 8 s, if chords fill less than half of the time or are fewer than three, if there are fewer than three
    pitch classes, or if they fit no key.
    """
    if duration_ms < _SHORTEST_MS or np.count_nonzero(chord_shares[:-1] >= _CHORD_SHARE) < _FEWEST_CHORDS:
        return None
    pitches = np.square(features[:12]) + np.square(features[12:])
    sounding = int((pitches > 0.1 * pitches.max(initial=0.0)).sum())
    if chord_shares[:-1].sum() < _MIN_CHORD_SHARE or sounding < _FEWEST_PITCHES:
        return None
    evidence = key_evidence(features, chord_shares)
    weights = load_weights().key
    scores = np.array([evidence[key.tonic] @ weights[key.mode].vector + weights[key.mode].bias for key in KEYS])
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    first, second = (int(index) for index in np.argsort(-probabilities, kind="stable")[:2])
    if _profile_correlation(pitches, KEYS[first]) < _MIN_CORRELATION:
        return None
    confidence = float(probabilities[first] - probabilities[second])
    return KeyEstimate(KEYS[first], KEYS[second], round(confidence, 3))


def key_evidence(features: Array, chord_shares: Array) -> Array:
    """Features relative to each tonic: (12, 60), pitch classes of treble and bass minus their mean, then chords."""
    treble, bass = features[:12] - features[:12].mean(), features[12:] - features[12:].mean()
    parts = [treble, bass, *chord_shares[:-1].reshape(-1, 12)]
    return np.array([np.concatenate([np.roll(part, -tonic) for part in parts]) for tonic in range(12)])


def _profile_correlation(pitches: Array, key: Key) -> float:
    """Pearson correlation with the published profile of the key: a check independent of the fitted weights."""
    profile = np.roll(_MAJOR if key.mode is Mode.MAJOR else _MINOR, key.tonic)
    return float(np.corrcoef(pitches, profile)[0, 1]) if pitches.std() > 0 else 0.0


QUALITIES = ("maj", "min", "7")
LABELS = (*(f"{tonic}:{quality}" for quality in QUALITIES for tonic in PITCH_CLASSES), "N")
NO_CHORD = len(LABELS) - 1
_NO_CHORD_SCORE = 2.0
"""Noise and drums score 1 to 1.6, speech about 2, 95 % of rendered chords at least 2.8."""
_CHANGE_COST = 2.0
_STEP_MS = 400.0
"""Step length if there are no beats."""
_LONGEST_STEP_MS = 700.0


@dataclass(frozen=True)
class ChordPath:
    """`edges_ms` (num_steps + 1,) from the clip's start; for each step an index into LABELS and its probability."""

    edges_ms: Array
    labels: Indices
    probabilities: Array
    features: Array

    @property
    def shares(self) -> Array:
        """Share of time of each of LABELS (37,)."""
        shares = np.zeros(len(LABELS))
        np.add.at(shares, self.labels, np.diff(self.edges_ms))
        return shares / max(float(shares.sum()), 1e-9)

    @property
    def mean_features(self) -> Array:
        """Time-weighted mean (24,)."""
        mean: Array = np.average(self.features, axis=0, weights=np.maximum(np.diff(self.edges_ms), 1e-6))
        return mean


def find_chords(chroma: Chroma, beats: Array | None, duration_ms: float) -> ChordPath:
    """`beats` in frames of `Spectra.fast`; None if there is no pulse."""
    edges = step_edges_ms(beats, duration_ms)
    features = step_features(chroma, edges)
    scores = chord_scores(features)
    labels, probabilities = _decode(scores)
    return ChordPath(edges, labels, probabilities, features)


def step_edges_ms(beats: Array | None, duration_ms: float) -> Array:
    """Beats (or half beats if they are over 700 ms apart), extended to both ends of the clip."""
    if beats is None or len(beats) < 2:
        inner = np.arange(_STEP_MS, duration_ms, _STEP_MS)
    else:
        times = beats * FRAME_MS
        period = float(np.median(np.diff(times)))
        before = times[0] - period * np.arange(int(times[0] // period), 0, -1)
        after = times[-1] + period * np.arange(1, int(max(0.0, duration_ms - times[-1]) // period) + 1)
        inner = np.concatenate([before, times, after])
        if period > _LONGEST_STEP_MS:
            inner = np.sort(np.concatenate([inner, (inner[1:] + inner[:-1]) / 2]))
    inner = inner[(inner > 100) & (inner < duration_ms - 100)]
    return np.concatenate([[0.0], inner, [duration_ms]])


def step_features(chroma: Chroma, edges_ms: Array) -> Array:
    """Square roots of the mean treble and bass chroma of each step, each half of unit length: (num_steps, 24)."""
    halves = []
    for half in (chroma.treble, chroma.bass):
        frames = np.clip(np.round(edges_ms / SLOW_FRAME_MS).astype(np.int64), 0, len(half))
        frames[1:] = np.maximum(frames[1:], np.minimum(frames[:-1] + 1, len(half)))
        sums = np.concatenate([np.zeros((1, 12)), np.cumsum(half, axis=0, dtype=np.float64)])
        means = (sums[frames[1:]] - sums[frames[:-1]]) / np.maximum(frames[1:] - frames[:-1], 1)[:, None]
        roots = np.sqrt(np.maximum(means, 0))
        halves.append(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 0.05))
    return np.concatenate(halves, axis=1)


def chord_scores(features: Array) -> Array:
    """The fit of each of LABELS to each step: (num_steps, 37), as log-probabilities up to a constant."""
    scores: Array = features @ _templates().T
    return np.concatenate([scores, np.full((len(features), 1), _NO_CHORD_SCORE)], axis=1)


@cache
def _templates() -> Array:
    """(36, 24): the weights of each quality rotated to each root."""
    rows = []
    for quality in QUALITIES:
        weights = load_weights().chords[quality]
        rows += [[*np.roll(weights.treble, root), *np.roll(weights.bass, root)] for root in range(12)]
    return np.array(rows)


def _decode(scores: Array) -> tuple[Indices, Array]:
    """The most likely path and, for each step, the posterior probability of its chord given the whole clip."""
    path = _viterbi(scores)
    change = np.exp(-_CHANGE_COST)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    forward, backward = np.empty_like(odds), np.empty_like(odds)
    forward[0], backward[-1] = odds[0], 1.0
    for step in range(1, len(odds)):
        forward[step] = odds[step] * _moved(forward[step - 1], change)
        forward[step] /= forward[step].sum()
    for step in range(len(odds) - 2, -1, -1):
        backward[step] = _moved(backward[step + 1] * odds[step + 1], change)
        backward[step] /= backward[step].sum()
    both = forward * backward
    return path, (both / both.sum(axis=1, keepdims=True))[np.arange(len(path)), path]


def _moved(weights: Array, change: float) -> Array:
    moved: Array = (1 - change) * weights + change * weights.sum()
    return moved


def _viterbi(scores: Array) -> Indices:
    steps, labels = scores.shape
    best = scores[0].copy()
    previous = np.zeros((steps, labels), dtype=np.int64)
    for step in range(1, steps):
        leader = int(best.argmax())
        stays = best >= best[leader] - _CHANGE_COST
        previous[step] = np.where(stays, np.arange(labels), leader)
        best = np.maximum(best, best[leader] - _CHANGE_COST) + scores[step]
    path = [int(best.argmax())]
    for step in range(steps - 1, 0, -1):
        path.append(int(previous[step, path[-1]]))
    return np.array(path[::-1], dtype=np.int64)


def merged(path: ChordPath) -> Sequence[tuple[float, float, str, float]]:
    """(start_ms, end_ms, label, mean probability) of each chord, steps of the same chord joined."""
    starts = np.flatnonzero(np.diff(path.labels, prepend=-1))
    ends = [*starts[1:], len(path.labels)]
    lengths = np.diff(path.edges_ms)
    found = []
    for start, end in zip(starts, ends, strict=True):
        weights = np.maximum(lengths[start:end], 1e-6)
        probability = float(np.average(path.probabilities[start:end], weights=weights))
        found.append((float(path.edges_ms[start]), float(path.edges_ms[end]), LABELS[path.labels[start]], probability))
    return found

"""The key: how well the pitch classes and the chords of a clip fit each of the 24 major and minor keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotators.music.spectra import Array
from annotators.music.weights import load_weights
from schemas.music import Mode

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Distributions of scale degrees in a large corpus of Western music: Albrecht & Shanahan, The use of large corpora
# to train a new type of key-finding algorithm, Music Perception 31 (2013).
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_LEAST_CORRELATION = 0.5
_LEAST_CHORD_SHARE = 0.5
_FEWEST_PITCHES = 3


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
    """The best key, the next best, and the probability of the best less that of the next, in [0, 1]."""

    best: Key
    runner_up: Key
    confidence: float


KEYS = tuple(Key(tonic, mode) for mode in (Mode.MAJOR, Mode.MINOR) for tonic in range(12))


def find_key(features: Array, chord_shares: Array) -> KeyEstimate | None:
    """`features` (24,) are `ChordPath.mean_features`, `chord_shares` (37,) the share of time of each chord, N last.

    None where chords fill under half of the time, under three pitch classes sound, or those that do fit no key.
    """
    pitches = np.square(features[:12]) + np.square(features[12:])
    sounding = int((pitches > 0.1 * pitches.max(initial=0.0)).sum())
    if chord_shares[:-1].sum() < _LEAST_CHORD_SHARE or sounding < _FEWEST_PITCHES:
        return None
    evidence = key_evidence(features, chord_shares)
    weights = load_weights().key
    scores = np.array([evidence[key.tonic] @ weights[key.mode].vector + weights[key.mode].bias for key in KEYS])
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    first, second = (int(index) for index in np.argsort(-probabilities, kind="stable")[:2])
    if _profile_correlation(pitches, KEYS[first]) < _LEAST_CORRELATION:
        return None
    confidence = float(probabilities[first] - probabilities[second])
    return KeyEstimate(KEYS[first], KEYS[second], round(confidence, 3))


def key_evidence(features: Array, chord_shares: Array) -> Array:
    """What is heard, seen from each tonic: (12, 60), pitch classes of treble and bass less their mean, then chords."""
    treble, bass = features[:12] - features[:12].mean(), features[12:] - features[12:].mean()
    parts = [treble, bass, *chord_shares[:-1].reshape(-1, 12)]
    return np.array([np.concatenate([np.roll(part, -tonic) for part in parts]) for tonic in range(12)])


def _profile_correlation(pitches: Array, key: Key) -> float:
    """Pearson correlation with the published profile of the key: a check by another source than the weights."""
    profile = np.roll(_MAJOR if key.mode is Mode.MAJOR else _MINOR, key.tonic)
    return float(np.corrcoef(pitches, profile)[0, 1]) if pitches.std() > 0 else 0.0

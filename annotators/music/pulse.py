"""The pulse: of several tempi and phases, each with its beats, the one that the music supports best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotators.music.beats import off_beats, track_beats
from annotators.music.onsets import Onsets
from annotators.music.spectra import HOP, SLOW_HOP, Array, Indices
from annotators.music.tempo import autocorrelation, candidate_tempi, lags_of, pulse_strength
from annotators.music.weights import load_weights

_FEWEST_BEATS = 5
_LEAST_STRENGTH = 0.12

EVIDENCE = (
    "octaves_over_105",
    "octaves_over_105_squared",
    "onsets_on_beats",
    "onsets_between",
    "bass_between",
    "bass_at_thirds",
    "onsets_at_quarters",
    "bass_alternation",
    "change_on_beats",
    "change_between",
    "strength",
    "correlation",
)
"""What speaks for or against a hypothesis; how much is in `weights.yaml`."""


@dataclass(frozen=True)
class Hypothesis:
    """Beats (frames of `Spectra.fast`, ascending) at a tempo, and what speaks for them, in the order of EVIDENCE."""

    tempo_bpm: float
    beats: Indices
    strength: float
    evidence: Array


@dataclass(frozen=True)
class Pulse:
    """`beats` in frames, to fractions; `strength` in [0, 1]; `alternatives_bpm` likelier first."""

    tempo_bpm: float
    beats: Array
    strength: float
    alternatives_bpm: tuple[float, ...]


def find_pulse(onsets: Onsets, harmony: Array) -> Pulse | None:
    """None where no steady pulse is found. `harmony` is (num_slow_frames, n), what sounds in each, of unit length."""
    hypotheses = [one for one in beat_hypotheses(onsets, harmony) if one.strength >= _LEAST_STRENGTH]
    if not hypotheses:
        return None
    weights = load_weights().pulse_vector
    ordered = sorted(hypotheses, key=lambda one: -float(one.evidence @ weights))
    best = ordered[0]
    beats = _refined(best.beats, onsets.full)
    tempo = beat_tempo(beats)
    return Pulse(tempo, beats, min(1.0, best.strength), _alternatives(tempo, ordered[1:]))


def beat_hypotheses(onsets: Onsets, harmony: Array) -> list[Hypothesis]:
    """Every candidate tempo with its best beats, and with the best beats between those."""
    correlation = autocorrelation(onsets.full)
    tempi = candidate_tempi(correlation)
    full, bass = _unit_mean(onsets.full), _unit_mean(onsets.bass)
    if not tempi or not full.any():
        return []
    salience = full + 0.5 * bass
    paths = track_beats([salience] * len(tempi), tempi)
    between = track_beats([off_beats(salience, path) for path in paths], tempi)
    sums = np.concatenate([np.zeros((1, harmony.shape[1])), np.cumsum(harmony, axis=0)])
    found = []
    for tempo, beats in zip([*tempi, *tempi], [*paths, *between], strict=True):
        if len(beats) >= _FEWEST_BEATS:
            lag = float(lags_of(np.array([tempo]))[0])
            strength = float(pulse_strength(correlation, np.array([tempo]))[0])
            at_lag = float(np.interp(lag, np.arange(len(correlation)), correlation))
            evidence = np.array([*_tempo_evidence(tempo), *_beat_evidence(beats, full, bass, sums), strength, at_lag])
            found.append(Hypothesis(tempo, beats, strength, evidence))
    return found


def harmonic_change(beats: Array, sums: Array) -> Array:
    """How much the harmony differs before and after each beat but the first and last, in [0, 2]; (num_beats - 2,).

    `beats` are frames of `Spectra.fast`; `sums` (num_slow_frames + 1, n) the running sum of the harmony.
    """
    places = np.clip(np.round(beats * HOP / SLOW_HOP).astype(np.int64), 0, len(sums) - 1)
    parts = sums[places[1:]] - sums[places[:-1]]
    parts = parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-9)
    change: Array = 1 - (parts[1:] * parts[:-1]).sum(axis=1)
    return change


def beat_tempo(beats: Array) -> float:
    """Beats a minute: of the median over stretches of up to four beats, so that frames do not show."""
    step = min(4, len(beats) - 1)
    period = float(np.median((beats[step:] - beats[:-step]) / step))
    return float(60 / (period * HOP / 22_050))


def _tempo_evidence(tempo: float) -> list[float]:
    octaves = float(np.log2(tempo / 105))
    return [octaves, octaves**2]


def _beat_evidence(beats: Indices, full: Array, bass: Array, sums: Array) -> list[float]:
    gaps = np.diff(beats)

    def mean_at(strength: Array, *places: float) -> float:
        frames = [np.round(beats[:-1] + place * gaps).astype(np.int64) for place in places]
        return float(np.mean(strength[np.clip(np.concatenate(frames), 0, len(strength) - 1)]))

    on_beats = bass[beats[:-1]]
    change = np.square(harmonic_change(beats.astype(np.float64), sums)).mean()
    change_between = np.square(harmonic_change(beats[:-1] + gaps / 2, sums)).mean()
    return [
        mean_at(full, 0),
        mean_at(full, 1 / 2),
        mean_at(bass, 1 / 2),
        mean_at(bass, 1 / 3, 2 / 3),
        mean_at(full, 1 / 4, 3 / 4),
        abs(float(on_beats[::2].mean() - on_beats[1::2].mean())),
        10 * float(change),
        10 * float(change_between),
    ]


def _refined(beats: Indices, strength: Array) -> Array:
    """Each beat moved to the peak of the parabola through the onset strength around it, within two frames."""
    windows = np.clip(beats[:, None] + np.arange(-2, 3), 1, len(strength) - 2)
    peaks = windows[np.arange(len(beats)), strength[windows].argmax(axis=1)]
    left, top, right = strength[peaks - 1], strength[peaks], strength[peaks + 1]
    curve = left - 2 * top + right
    shift = np.where(curve < 0, 0.5 * (left - right) / np.minimum(curve, -1e-9), 0.0)
    refined: Array = np.where((top > 0) & (np.abs(shift) <= 1), peaks + shift, beats)
    return np.maximum.accumulate(refined)


def _alternatives(tempo: float, others: list[Hypothesis]) -> tuple[float, ...]:
    found: list[float] = []
    for other in others:
        if all(abs(other.tempo_bpm / known - 1) > 0.08 for known in (tempo, *found)):
            found.append(other.tempo_bpm)
    return tuple(found[:2])


def _unit_mean(strength: Array) -> Array:
    mean = float(strength.mean())
    scaled: Array = strength / mean if mean > 0 else strength
    return scaled

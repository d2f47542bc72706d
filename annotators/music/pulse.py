"""The pulse: chooses among several tempi and phases, each with its beats, the one that the music supports best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundseam.annotators.music.fitted import load_weights
from soundseam.annotators.music.spectra import FRAME_MS, HOP, SLOW_HOP, Array, Indices, Onsets

SLOWEST_BPM, FASTEST_BPM = 50.0, 210.0
_PREFERRED_BPM = 110.0
_SPREAD_OCTAVES = 1.2
_COMB = (1.0, 0.7, 0.5, 0.5)
_MAX_CANDIDATES = 5
_SAME = 0.06
"""Tempi with a smaller relative difference than this are equal."""


def autocorrelation(strength: Array) -> Array:
    """Autocorrelation of the onset strength minus its slow mean, unbiased, 1 at lag 0; (num_frames,), zero without
    onsets.
    """
    around = round(500 / FRAME_MS)
    kernel = np.full(2 * around + 1, 1 / (2 * around + 1))
    mean = np.convolve(np.pad(strength, around, mode="edge"), kernel, "valid")
    excess = np.convolve(np.maximum(strength - mean, 0), gaussian(20 / FRAME_MS), mode="same")
    excess = excess - excess.mean()
    size = 1 << (2 * len(excess) - 1).bit_length()
    spectrum = np.fft.rfft(excess, size)
    correlation: Array = np.fft.irfft(np.abs(spectrum) ** 2, size)[: len(excess)]
    if correlation[0] <= 0:
        return np.zeros(len(excess))
    correlation /= correlation[0] * np.maximum(1 - np.arange(len(excess)) / len(excess), 0.05)
    return correlation


def candidate_tempi(correlation: Array) -> tuple[float, ...]:
    """Candidate tempi in beats per minute from the onset autocorrelation, with their halves and doubles."""
    longest_lag = len(correlation) // 2
    tempi = SLOWEST_BPM * 2 ** np.arange(0, np.log2(FASTEST_BPM / SLOWEST_BPM), 1 / 96)
    tempi = tempi[2 * lags_of(tempi) < longest_lag]
    if not tempi.size:
        return ()
    comb = pulse_strength(correlation, tempi)
    score = comb * np.exp(-0.5 * (np.log2(tempi / _PREFERRED_BPM) / _SPREAD_OCTAVES) ** 2)
    peaks = np.flatnonzero((score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:]) & (comb[1:-1] > 0)) + 1
    strongest = tempi[peaks[np.argsort(-score[peaks], kind="stable")][:_MAX_CANDIDATES]]
    found: list[float] = []
    for tempo in [*strongest, *(strongest[:2] * 2), *(strongest[:2] / 2)]:
        allowed = tempi[0] <= tempo <= FASTEST_BPM
        if allowed and all(abs(tempo / other - 1) > _SAME for other in found):
            found.append(float(tempo))
    return tuple(found)


def pulse_strength(correlation: Array, tempi: Array) -> Array:
    """Strength of the pulse at each tempo: mean of the correlation at lags of one to four beats."""
    limit = max(2, len(correlation) // 2)
    multiples = np.outer(np.arange(1, len(_COMB) + 1), lags_of(tempi))
    weights = np.where(multiples < limit - 1, np.array(_COMB)[:, None], 0.0)
    values = np.interp(multiples, np.arange(limit), correlation[:limit])
    mean: Array = (weights * values).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
    return mean


def lags_of(tempi: Array) -> Array:
    """Frames per beat."""
    lags: Array = 60_000 / np.asarray(tempi) / FRAME_MS
    return lags


def gaussian(sigma: float) -> Array:
    """A Gaussian window of `sigma` samples with sum 1."""
    reach = max(1, round(4 * sigma))
    kernel: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    kernel /= kernel.sum()
    return kernel


_TIGHTNESS = 120.0
_DISTANCES = 36
_STRETCH = 1.35
"""A beat may be longer or shorter than the tempo's by this factor."""


def track_beats(strengths: Sequence[Array], tempi: Sequence[float]) -> list[Indices]:
    """One sequence of beats (frames, ascending) for each tempo, through its own onset strength (num_frames,)."""
    local = np.stack([_local_score(s, tempo) for s, tempo in zip(strengths, tempi, strict=True)])
    periods = lags_of(np.asarray(tempi))
    ratios = np.geomspace(1 / _STRETCH, _STRETCH, _DISTANCES)
    distances = np.maximum(1, np.round(periods[:, None] * ratios).astype(np.int64))
    penalties = -_TIGHTNESS * np.log(distances / periods[:, None]) ** 2
    best, previous = _best_paths(local, distances, penalties)
    return [_trace(best[k], previous[k], local[k]) for k in range(len(tempi))]


def off_beats(strength: Array, beats: Indices) -> Array:
    """The strength without the onsets near `beats`, so that a second path runs between them."""
    if len(beats) < 2:
        return np.zeros_like(strength)
    place = np.interp(np.arange(len(strength)), beats, np.arange(len(beats)))
    weight = 0.5 - 0.5 * np.cos(2 * np.pi * place)
    weight[: beats[0]] = weight[beats[-1] :] = 0.0
    masked: Array = strength * weight**2
    return masked


def _local_score(strength: Array, tempo: float) -> Array:
    smooth = np.convolve(strength, gaussian(float(lags_of(np.array([tempo]))[0]) / 32), mode="same")
    spread = float(np.std(smooth))
    scaled: Array = smooth / spread if spread > 0 else np.zeros(len(smooth))
    return scaled


def _best_paths(local: Array, distances: Indices, penalties: Array) -> tuple[Array, Indices]:
    count, frames = local.shape
    reach = int(distances.max())
    best = np.zeros((count, reach + frames))
    previous = np.full((count, frames), -1, dtype=np.int64)
    flat = best.reshape(-1)
    base = np.arange(count)[:, None] * (reach + frames) + reach - distances
    # Paths reach back at least the shortest distance, so that many frames depend only on earlier ones.
    step = int(distances.min())
    for first in range(0, frames, step):
        block = np.arange(first, min(first + step, frames))
        scores = flat[base[:, None, :] + block[None, :, None]] + penalties[:, None, :]
        choice = scores.argmax(axis=2)
        highest = np.take_along_axis(scores, choice[:, :, None], axis=2)[:, :, 0]
        best[:, reach + block] = local[:, block] + np.maximum(highest, 0)
        chosen = np.take_along_axis(distances, choice, axis=1)
        previous[:, block] = np.where(highest > 0, block[None, :] - chosen, -1)
    return best[:, reach:], previous


def _trace(best: Array, previous: Indices, local: Array) -> Indices:
    if not local.any():
        return np.zeros(0, dtype=np.int64)
    peaks = np.flatnonzero((best[1:-1] > best[:-2]) & (best[1:-1] >= best[2:])) + 1
    good = peaks[best[peaks] > 0.5 * np.median(best[peaks])] if peaks.size else peaks
    frame = int(good[-1]) if good.size else int(np.argmax(best))
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(previous[frame])
    found = np.asarray(beats[::-1], dtype=np.int64)
    # Before the first and after the last onset only the tempo continues: there are no beats.
    strong = np.flatnonzero(local[found] > 0.3 * np.sqrt(np.mean(local[found] ** 2)))
    return found[strong[0] : strong[-1] + 1] if strong.size else found[:0]


_FEWEST_BEATS = 8
_MIN_STRENGTH = 0.12

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
"""Evidence for or against a hypothesis; its weights are in `weights.yaml`."""


@dataclass(frozen=True)
class Hypothesis:
    """Beats (frames of `Spectra.fast`, ascending) at a tempo, and their evidence, in the order of EVIDENCE."""

    tempo_bpm: float
    beats: Indices
    strength: float
    evidence: Array


@dataclass(frozen=True)
class Pulse:
    """`beats` in fractional frames; `strength` in [0, 1]; `alternatives_bpm`, the most likely first."""

    tempo_bpm: float
    beats: Array
    strength: float
    alternatives_bpm: tuple[float, ...]


def find_pulse(onsets: Onsets, harmony: Array) -> Pulse | None:
    """None if no steady pulse is found. `harmony` is (num_slow_frames, n), vectors of unit length."""
    hypotheses = [one for one in beat_hypotheses(onsets, harmony) if one.strength >= _MIN_STRENGTH]
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
    """The change of harmony at each beat except the first and last, in [0, 2]; (num_beats - 2,).

    `beats` are frames of `Spectra.fast`; `sums` (num_slow_frames + 1, n) the running sum of the harmony.
    """
    places = np.minimum(np.round(beats * HOP / SLOW_HOP).astype(np.int64), len(sums) - 1)
    parts = sums[places[1:]] - sums[places[:-1]]
    parts = parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-9)
    change: Array = 1 - (parts[1:] * parts[:-1]).sum(axis=1)
    return change


def beat_tempo(beats: Array) -> float:
    """Beats per minute, from the median over stretches of up to four beats, which reduces the frame quantisation."""
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

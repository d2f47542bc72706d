"""Tempo from the periodicity of the onsets, and the beats that follow them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotators.music.spectra import FRAME_MS, Array, Indices

SLOWEST_BPM, FASTEST_BPM = 40.0, 220.0
_PREFERRED_BPM = 105.0
_SPREAD_OCTAVES = 0.9
_LEAST_PULSE = 0.1
_COMB = (1.0, 0.7, 0.5, 0.5)


@dataclass(frozen=True)
class Pulse:
    """A tempo and how strongly the onsets repeat at it, in [0, 1]."""

    tempo_bpm: float
    strength: float


def autocorrelation(strength: Array) -> Array:
    """Of the onset strength less its slow mean, unbiased, 1 at lag 0; (num_frames,)."""
    around = round(500 / FRAME_MS)
    kernel = np.full(2 * around + 1, 1 / (2 * around + 1), dtype=np.float32)
    mean = np.convolve(np.pad(strength, around, mode="reflect" if len(strength) > around else "edge"), kernel, "valid")
    excess = np.convolve(np.maximum(strength - mean, 0), _gaussian(20 / FRAME_MS), mode="same")
    excess = excess - excess.mean()
    size = 1 << (2 * len(excess) - 1).bit_length()
    spectrum = np.fft.rfft(excess, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[: len(excess)]
    if correlation[0] <= 0:
        return np.zeros(len(excess), dtype=np.float32)
    correlation /= correlation[0] * np.maximum(1 - np.arange(len(excess)) / len(excess), 0.05)
    return correlation.astype(np.float32)


def find_pulses(strength: Array) -> tuple[Pulse, ...]:
    """Candidate tempi, best first; empty where the onsets do not repeat."""
    correlation = autocorrelation(strength)
    longest_lag = len(correlation) // 2
    tempi = SLOWEST_BPM * 2 ** np.arange(0, np.log2(FASTEST_BPM / SLOWEST_BPM), 1 / 96)
    lags = 60_000 / tempi / FRAME_MS
    usable = 2 * lags < longest_lag
    if not usable.any():
        return ()
    tempi, lags = tempi[usable], lags[usable]
    comb = _comb(correlation[:longest_lag], lags)
    prior = np.exp(-0.5 * (np.log2(tempi / _PREFERRED_BPM) / _SPREAD_OCTAVES) ** 2)
    score = comb * prior
    peaks = np.flatnonzero((score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:]) & (comb[1:-1] > _LEAST_PULSE)) + 1
    ordered = peaks[np.argsort(-score[peaks], kind="stable")]
    return tuple(Pulse(float(tempi[i]), float(min(1.0, max(0.0, comb[i])))) for i in ordered)


def _comb(correlation: Array, lags: Array) -> Array:
    """Weighted mean of the correlation at one to four times each lag; multiples past its end do not count."""
    multiples = np.outer(np.arange(1, len(_COMB) + 1), lags)
    weights = np.where(multiples < len(correlation) - 1, np.array(_COMB)[:, None], 0.0)
    values = np.interp(multiples, np.arange(len(correlation)), correlation)
    mean: Array = (weights * values).sum(axis=0) / weights.sum(axis=0)
    return mean


def track_beats(strength: Array, tempo_bpm: float, tightness: float = 100.0) -> Array:
    """Beat times in frames, by dynamic programming (Ellis 2007): strong onsets at distances near the tempo's."""
    period = 60_000 / tempo_bpm / FRAME_MS
    local = np.convolve(strength, _gaussian(period / 32), mode="same")
    spread = float(np.std(local))
    if spread <= 0:
        return np.zeros(0, dtype=np.float32)
    local = local / spread
    distances = np.arange(round(period * 0.5), round(period * 2) + 1)
    penalty = -tightness * np.log(distances / period) ** 2
    best, previous = _best_paths(local, distances, penalty)
    frame = _last_beat(best)
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(previous[frame])
    found = np.asarray(beats[::-1])
    # Beats before the first and after the last onset are carried on only by the tempo: not heard.
    heard = np.flatnonzero(local[found] > 0.5 * float(np.sqrt(np.mean(local[found] ** 2))))
    return found[heard[0] : heard[-1] + 1].astype(np.float32) if heard.size else np.zeros(0, dtype=np.float32)


def _best_paths(local: Array, distances: Indices, penalty: Array) -> tuple[Array, Indices]:
    reach = int(distances[-1])
    best = np.concatenate([np.zeros(reach), local])
    previous = np.full(len(local), -1)
    threshold = 0.01 * float(local.max())
    started = False
    for frame in range(len(local)):
        scores = best[frame + reach - distances] + penalty
        choice = int(np.argmax(scores))
        best[frame + reach] = local[frame] + scores[choice]
        if started or local[frame] >= threshold:
            source = frame - int(distances[choice])
            previous[frame] = source if started and source >= 0 else -1
            started = True
    return best[reach:], previous


def _last_beat(best: Array) -> int:
    peaks = np.flatnonzero((best[1:-1] > best[:-2]) & (best[1:-1] >= best[2:])) + 1
    if not peaks.size:
        return int(np.argmax(best))
    good = peaks[best[peaks] * 2 > np.median(best[peaks])]
    return int(good[-1])


def _gaussian(sigma: float) -> Array:
    reach = max(1, round(4 * sigma))
    kernel: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    kernel /= kernel.sum()
    return kernel

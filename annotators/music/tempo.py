"""Tempi at which the onsets repeat."""

from __future__ import annotations

import numpy as np

from annotators.music.spectra import FRAME_MS, Array

SLOWEST_BPM, FASTEST_BPM = 50.0, 210.0
_PREFERRED_BPM = 110.0
_SPREAD_OCTAVES = 1.2
_COMB = (1.0, 0.7, 0.5, 0.5)
_MOST = 5
_SAME = 0.06
"""Tempi nearer to each other than this, as a share, are one."""


def autocorrelation(strength: Array) -> Array:
    """Of the onset strength less its slow mean, unbiased, 1 at lag 0; (num_frames,), all zero without onsets."""
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
    """Tempi in beats a minute that the autocorrelation of the onsets allows, with their halves and doubles."""
    longest_lag = len(correlation) // 2
    tempi = SLOWEST_BPM * 2 ** np.arange(0, np.log2(FASTEST_BPM / SLOWEST_BPM), 1 / 96)
    tempi = tempi[2 * lags_of(tempi) < longest_lag]
    if tempi.size < 3:
        return ()
    comb = pulse_strength(correlation, tempi)
    score = comb * np.exp(-0.5 * (np.log2(tempi / _PREFERRED_BPM) / _SPREAD_OCTAVES) ** 2)
    peaks = np.flatnonzero((score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:]) & (comb[1:-1] > 0)) + 1
    strongest = tempi[peaks[np.argsort(-score[peaks], kind="stable")][:_MOST]]
    found: list[float] = []
    for tempo in [*strongest, *(strongest[:2] * 2), *(strongest[:2] / 2)]:
        allowed = tempi[0] <= tempo <= FASTEST_BPM
        if allowed and all(abs(tempo / other - 1) > _SAME for other in found):
            found.append(float(tempo))
    return tuple(found)


def pulse_strength(correlation: Array, tempi: Array) -> Array:
    """How strongly the onsets repeat at each tempo: mean of the correlation at one to four beats' distance."""
    limit = max(2, len(correlation) // 2)
    multiples = np.outer(np.arange(1, len(_COMB) + 1), lags_of(tempi))
    weights = np.where(multiples < limit - 1, np.array(_COMB)[:, None], 0.0)
    values = np.interp(multiples, np.arange(limit), correlation[:limit])
    mean: Array = (weights * values).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-9)
    return mean


def lags_of(tempi: Array) -> Array:
    """Frames a beat."""
    lags: Array = 60_000 / np.asarray(tempi) / FRAME_MS
    return lags


def gaussian(sigma: float) -> Array:
    """A bell of `sigma` samples whose sum is 1."""
    reach = max(1, round(4 * sigma))
    kernel: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    kernel /= kernel.sum()
    return kernel

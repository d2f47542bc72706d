"""Audio fingerprints: the highest peaks of the spectrogram, and triples of them as index keys.

Peaks survive changes of level, codecs, resampling and noise, and triples of them contain no absolute time, so that a
shift does not matter (the idea of Wang, "An Industrial-Strength Audio Search Algorithm", ISMIR 2003; triples instead of
pairs make keys rare enough for large corpora).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.spectra import Array, frames_of, power_spectra

VERSION = 1
"""Changes whenever fingerprints do: those of two versions cannot be compared."""
RATE_HZ = 16_000
HOP = 320
FRAME_MS = 20
FFT = 1024
FIRST_BIN, BINS = 10, 250
"""156 to 4050 Hz: the range that low-quality codecs also preserve."""
NEIGHBOUR_FRAMES, NEIGHBOUR_BINS = 9, 15
"""Size of the neighbourhood in which a peak is the highest, in frames and bins."""
PEAKS_A_SECOND = 20
HALF_DB, LEVEL_OFFSET = 20, 120
"""Half decibels per power of ten, and the offset of levels."""
RANGE, FLOOR = 1e-8, 4e-6
"""Power limits: peaks are within 80 dB of the loudest, and above 16-bit rounding noise."""
FAN_OUT, TOKENS_A_PEAK = 6, 11
"""A triple is a peak and two of the next FAN_OUT, within REACH_FRAMES and REACH_BINS: about this many per peak."""
REACH_FRAMES, REACH_BINS = 60, 80
BLOCK = 60 * RATE_HZ
FRAME_SHIFT, BIN_SHIFT = 16, 8

Peaks = NDArray[np.uint64]
"""frame << 16 | bin << 8 | level in half decibels, in order of time."""


def peaks_of(samples: Samples) -> Peaks:
    """The peaks of 16 kHz mono `samples` in [-1, 1]; none for silence."""
    power = _power_spectrum(samples)
    floor = max(float(power.max(initial=0.0)) * RANGE, FLOOR)
    frames, bins = np.nonzero((power > floor) & (power == _highest_around(power)))
    seconds = frames * HOP // RATE_HZ
    order = np.lexsort((-power[frames, bins], seconds))
    rank = np.arange(len(order)) - np.searchsorted(seconds[order], seconds[order])
    selected = np.sort(order[rank < PEAKS_A_SECOND])
    frames, bins = frames[selected], bins[selected]
    level = np.clip(np.round(HALF_DB * np.log10(power[frames, bins]) + LEVEL_OFFSET), 0, 255).astype(np.int64)
    return ((frames << FRAME_SHIFT) | (bins << BIN_SHIFT) | level).astype(np.uint64)


def peaks_of_blocks(blocks: Iterable[Samples]) -> Peaks:
    """The peaks of a long sound given in blocks of BLOCK samples, the last one shorter."""
    found = []
    for number, block in enumerate(blocks):
        shift = np.uint64(number * (BLOCK // HOP) << FRAME_SHIFT)
        found.append(peaks_of(block) + shift)
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def frames_and_bins(peaks: Peaks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    whole = peaks.astype(np.int64)
    return whole >> FRAME_SHIFT, (whole >> BIN_SHIFT) & 255


def levels_of(peaks: Peaks) -> NDArray[np.int64]:
    """Levels in half decibels relative to an arbitrary zero."""
    return peaks.astype(np.int64) & 255


def tokens_of(peaks: Peaks) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """(keys, frames): a key for each triple of nearby peaks, and the frame of its first."""
    frames, bins = frames_and_bins(peaks)
    here = np.arange(len(peaks))
    targets = []
    for ahead in range(1, FAN_OUT + 1):
        there = np.minimum(here + ahead, max(len(peaks) - 1, 0))
        apart = frames[there] - frames
        near = (here + ahead < len(peaks)) & (apart <= REACH_FRAMES) & (abs(bins[there] - bins) <= REACH_BINS)
        targets.append((bins[there], apart, near))
    keys, starts = [], []
    for first, (first_bin, first_apart, first_near) in enumerate(targets):
        for second_bin, second_apart, second_near in targets[first + 1 :]:
            both = first_near & second_near
            key = (((bins << 8 | first_bin) << 8 | second_bin) << 6 | first_apart) << 6 | second_apart
            keys.append(key[both])
            starts.append(frames[both])
    if not keys:
        return np.empty(0, np.uint64), np.empty(0, np.uint32)
    return _mixed(np.concatenate(keys).astype(np.uint64)), np.concatenate(starts).astype(np.uint32)


def audio_sha256(samples: NDArray[np.int16]) -> str:
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def _power_spectrum(samples: Samples) -> Array:
    """(frames, BINS)."""
    padded = np.pad(samples, FFT // 2)
    return power_spectra(frames_of(padded, FFT, HOP), np.hanning(FFT), bins=slice(FIRST_BIN, FIRST_BIN + BINS))


def _highest_around(power: Array) -> Array:
    """Of NEIGHBOUR_FRAMES and NEIGHBOUR_BINS around each cell, itself among them."""
    by_frame = _highest_in_a_row(power, NEIGHBOUR_FRAMES)
    return _highest_in_a_row(by_frame.T, NEIGHBOUR_BINS).T


def _highest_in_a_row(values: Array, size: int) -> Array:
    """The highest of the `size` (odd) rows around each; by stretches that double, so in log `size` steps."""
    highest = np.pad(values, ((size // 2, size // 2), (0, 0)))
    length = 1
    while length < size:
        step = min(length, size - length)
        highest = np.maximum(highest[:-step], highest[step:])
        length += step
    return highest


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Keys hashed evenly over 64 bits, so that their low bits choose a partition."""
    mixed: NDArray[np.uint64] = keys * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32))

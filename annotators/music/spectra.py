"""The two spectrograms that every measure of the music branch shares: computed once a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples, checked_samples

RATE_HZ = 22_050
HOP = 256
"""Samples between frames of `fast`: 11.6 ms, a sixth of the window in which a beat counts as right."""
WINDOW = 2048
SLOW_HOP = 1024
SLOW_WINDOW = 8192
"""372 ms, bins 2.7 Hz apart: neighbouring semitones stand apart from 80 Hz up."""
HIGHEST_PITCH_HZ = 5_000.0
FRAME_MS = 1000 * HOP / RATE_HZ
SLOW_FRAME_MS = 1000 * SLOW_HOP / RATE_HZ

Array = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Spectra:
    """Magnitudes, a full-scale sine being 1; frame i is centred at i hops.

    `fast` is (num_frames, 1025), for what happens in time; `slow` is (num_slow_frames, 1858), up to 5 kHz, for pitch.
    """

    samples: Array
    fast: Array
    slow: Array

    @property
    def duration_ms(self) -> float:
        return 1000 * self.samples.size / RATE_HZ


def measure_spectra(samples: Samples) -> Spectra:
    """`samples` is (num_samples,) at 22.05 kHz; a constant offset is taken off.

    Raises AnnotationError for a clip without samples or with values that are no numbers.
    """
    samples = checked_samples(samples)
    centred = (samples - np.mean(samples, dtype=np.float64)).astype(np.float32)
    return Spectra(
        samples=centred,
        fast=_magnitudes(centred, WINDOW, HOP, WINDOW // 2 + 1),
        slow=_magnitudes(centred, SLOW_WINDOW, SLOW_HOP, int(HIGHEST_PITCH_HZ * SLOW_WINDOW / RATE_HZ) + 1),
    )


def _magnitudes(samples: Array, window_samples: int, hop: int, bins: int) -> Array:
    window = np.hanning(window_samples + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    padded = np.pad(samples, (window_samples // 2, window_samples // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_samples)[::hop]
    magnitudes = np.empty((len(frames), bins), dtype=np.float32)
    # In blocks, so that a long piece needs little more memory than its spectra.
    for first in range(0, len(frames), 256):
        block = np.fft.rfft(frames[first : first + 256] * window, axis=1)[:, :bins]
        magnitudes[first : first + 256] = np.abs(block)
    return magnitudes

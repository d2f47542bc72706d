"""The one short-time Fourier transform, and what its users share: frames, Hann windows, mel filters."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_BLOCK_SAMPLES = 1 << 17
"""Windowed at a time, so that a block fits in the processor's cache: three times as fast as all at once."""
_MIN_BLOCK = 64


def frames_of(samples: Array, length: int, hop: int) -> Array:
    """A view (num_frames, length) of `samples` (num_samples,): each frame `hop` samples after the one before, as many
    as lie whole in `samples`."""
    if len(samples) < length:
        return np.zeros((0, length), dtype=samples.dtype)
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]


def power_spectra(frames: Array, window: Array, fft_samples: int | None = None, bins: slice = slice(None)) -> Array:
    """Powers (..., num_frames, num_bins) of `frames` (..., num_frames, length), each multiplied by `window` (length,)
    and filled up with zeros to `fft_samples`; only those of `bins`. As precise as `frames`."""
    from scipy.fft import rfft

    size = fft_samples or frames.shape[-1]
    window = window.astype(frames.dtype, copy=False)
    powers = np.empty((*frames.shape[:-1], len(range(size // 2 + 1)[bins])), dtype=frames.dtype)
    step = max(_MIN_BLOCK, _BLOCK_SAMPLES // size)
    for first in range(0, frames.shape[-2], step):
        block = rfft(frames[..., first : first + step, :] * window, size)[..., bins]
        powers[..., first : first + step, :] = np.square(block.real) + np.square(block.imag)
    return powers


def magnitude_spectra(frames: Array, window: Array, fft_samples: int | None = None, bins: slice = slice(None)) -> Array:
    """The square roots of `power_spectra`."""
    powers = power_spectra(frames, window, fft_samples, bins)
    return np.sqrt(powers, out=powers)


@cache
def hann(length: int) -> Array:
    """The periodic Hann window (length,)."""
    window: Array = np.hanning(length + 1)[:-1]
    return window


@cache
def level_hann(length: int) -> Array:
    """The same, scaled so that a full-scale sine has a magnitude of 1."""
    window: Array = hann(length) * (2 / hann(length).sum())
    return window


@cache
def mel_filters(bands: int, lowest_hz: float, highest_hz: float, fft_samples: int, rate_hz: int) -> NDArray[np.float32]:
    """(fft_samples // 2 + 1, bands): triangles of equal width on HTK's mel scale, as Kaldi and TensorFlow make them."""
    edges = np.linspace(_mels(np.array(lowest_hz)), _mels(np.array(highest_hz)), bands + 2)
    bins = _mels(np.arange(fft_samples // 2 + 1) * rate_hz / fft_samples)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def _mels(hertz: NDArray[np.floating]) -> NDArray[np.float64]:
    mels: NDArray[np.float64] = 1127.0 * np.log1p(hertz / 700.0)
    return mels

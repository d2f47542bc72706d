"""Pictures of a segment, computed in advance: the peaks of its waveform and its spectrogram."""

from __future__ import annotations

import base64
import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from soundseam.annotators.base import Samples
from soundseam.annotators.spectra import frames_of, power_spectra

PEAKS = 600
"""Pairs of lowest and highest sample: about one per pixel of the widest timeline."""
MAX_COLUMNS = 900
BANDS = 96
WINDOW, FFT = 640, 1024
"""40 ms of 16 kHz, zero-padded."""
MIN_HOP = 160
RANGE_DB = 72.0
SHADES = 64
"""Few enough to compress well, too many to be visible."""
_ANCHORS = ((8, 10, 22), (44, 20, 94), (124, 32, 116), (205, 60, 92), (246, 130, 70), (252, 205, 120), (255, 250, 226))
"""Of the colour map: lightness rises evenly from dark to light, so that it also works inverted, and in grey."""


def peaks_of(samples: Samples) -> str:
    """Base64 of PEAKS int8 pairs (lowest, highest) in 1/127 of full scale; fewer for fewer samples."""
    if not len(samples):
        return ""
    edges = np.linspace(0, len(samples), min(PEAKS, len(samples)), endpoint=False).astype(np.intp)
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    pairs = np.stack([low, high], axis=1) * 127
    return base64.b64encode(np.clip(np.round(pairs), -127, 127).astype(np.int8).tobytes()).decode()


def spectrogram_png(samples: Samples, rate_hz: int) -> bytes:
    """Log-mel power of `samples` as a PNG: time to the right, low frequencies below, RANGE_DB under the loudest."""
    power = _mel_power(samples, rate_hz)
    level = 10 * np.log10(power + 1e-10)
    floor = max(float(level.max()) - RANGE_DB, -95.0)
    shade = np.clip((level - floor) / RANGE_DB, 0, 1) * (SHADES - 1)
    return _indexed_png(np.round(shade).astype(np.uint8)[::-1])


def _mel_power(samples: Samples, rate_hz: int) -> NDArray[np.float32]:
    """Mel power: (BANDS, columns)."""
    hop = max(MIN_HOP, -(-len(samples) // MAX_COLUMNS))
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    frames = frames_of(padded, WINDOW, hop)[: -(-max(len(samples), 1) // hop)]
    power: NDArray[np.float32] = _mel_bands(rate_hz) @ power_spectra(frames, np.hanning(WINDOW), FFT).T
    return power


@cache
def _mel_bands(rate_hz: int) -> csr_array:
    """(BANDS, FFT / 2 + 1): triangles even in mel (HTK) up to half the rate, of equal area.

    Sparse, since few bins are in a band; and a product of full matrices would wake as many threads as there are cores.
    """
    top_mel = 2595 * np.log10(1 + rate_hz / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top_mel, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(FFT, 1 / rate_hz)[:, None]
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    weights = np.maximum(0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    # The lowest bands are narrower than a bin: they take the nearest one.
    empty = weights.sum(axis=0) == 0
    weights[np.abs(bins - centre).argmin(axis=0)[empty], np.flatnonzero(empty)] = 1
    return csr_array((weights / weights.sum(axis=0)).T.astype(np.float32))


@cache
def _palette() -> bytes:
    anchors = np.array(_ANCHORS, dtype=float)
    places = np.linspace(0, len(anchors) - 1, SHADES)
    channels = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8).tobytes()


def _indexed_png(shades: NDArray[np.uint8]) -> bytes:
    """An 8-bit PNG with a palette (W3C PNG, third edition) of `shades` (height, width)."""
    height, width = shades.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), shades], axis=1)  # each row's filter: none
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _png_chunk(b"PLTE", _palette()),
            _png_chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)),
            _png_chunk(b"IEND", b""),
        ]
    )


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


LOUDNESS_STEPS = 12
"""Steps of a recording's waveform per segment."""


def loudness_of(samples: Samples) -> tuple[int, ...]:
    """The largest sample of each of LOUDNESS_STEPS parts, in percent of full scale."""
    parts = np.array_split(np.abs(samples), LOUDNESS_STEPS)
    return tuple(round(100 * float(part.max(initial=0.0))) for part in parts)

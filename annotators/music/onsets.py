"""Where notes and drum strokes begin: spectral flux in logarithmic bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from annotators.music.spectra import FRAME_MS, RATE_HZ, WINDOW, Array, Indices

_LAG = 3
"""Frames (35 ms) over which a rise is taken: about the window's effective half."""
_LOW_HZ, _HIGH_HZ = 35.0, 10_000.0
_LOW_BAND_HZ = 150.0
"""Bass drum and bass notes lie below."""


@dataclass(frozen=True)
class Onsets:
    """Onset strength in each frame of `Spectra.fast` (num_frames,), >= 0, of the whole spectrum and of its bass."""

    full: Array
    bass: Array


def onset_strength(fast: Array) -> Onsets:
    """`fast` is (num_frames, 1025). Not changed by the clip's gain; all zero for silence."""
    edges = _band_edges()
    bands = np.add.reduceat(fast, edges[:-1], axis=1)[:, : len(edges) - 1]
    reference = float(np.percentile(bands, 99)) if bands.size else 0.0
    if reference <= 1e-5:
        nothing = np.zeros(len(fast), dtype=np.float32)
        return Onsets(full=nothing, bass=nothing)
    logs = np.log10(1 + 100 * bands / reference)
    # Against the loudest of three neighbouring bands, so that vibrato is no onset (Boeck & Widmer 2013, SuperFlux).
    before = sliding_window_view(np.pad(logs, ((_LAG, 0), (1, 1)), mode="edge"), 3, axis=1).max(axis=2)[:-_LAG]
    rises = np.maximum(logs - before, 0)
    rises[:_LAG] = 0
    bass_bands = int(np.searchsorted(edges * RATE_HZ / WINDOW, _LOW_BAND_HZ))
    return Onsets(full=rises.mean(axis=1), bass=rises[:, :bass_bands].mean(axis=1))


def _band_edges() -> Indices:
    octaves = np.log2(_HIGH_HZ / _LOW_HZ)
    frequencies = _LOW_HZ * 2 ** (np.arange(int(24 * octaves) + 1) / 24)
    return np.unique(np.round(frequencies * WINDOW / RATE_HZ).astype(np.int64))


def onset_frames(strength: Array) -> Indices:
    """Frames of the onsets: peaks well over the strength around them, 50 ms apart at least."""
    if not strength.any():
        return np.zeros(0, dtype=np.int64)
    reach, around = round(50 / FRAME_MS), round(400 / FRAME_MS)
    padded = np.pad(strength, reach)
    is_peak = strength >= sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    kernel = np.full(2 * around + 1, 1 / (2 * around + 1), dtype=np.float32)
    mean = np.convolve(np.pad(strength, around), kernel, mode="valid")
    threshold = np.maximum(1.5 * mean, 0.1 * float(np.percentile(strength, 99.5)))
    return np.flatnonzero(is_peak & (strength > threshold) & (strength > 0.02))

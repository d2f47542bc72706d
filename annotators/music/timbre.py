"""Brightness, and how much of the energy is percussive."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from annotators.music.spectra import RATE_HZ, WINDOW, Array
from schemas.music import Timbre

_TAPS = 17
"""Length of the medians, as in Fitzgerald, Harmonic/percussive separation using median filtering (2010)."""
_TIME_STEP = 2
"""Frames between taps in time: 17 taps reach over 0.4 s."""
_EVERY = 16
"""Energy is shared out in every 16th frame (186 ms): the whole separation costs 16 times as much and says the same."""
_SILENCE = 1e-5


def measure_timbre(fast: Array) -> Timbre:
    """`fast` is (num_frames, 1025) magnitudes."""
    energy = np.square(fast).sum(axis=1)
    if float(np.sqrt(energy.max(initial=0.0))) <= _SILENCE:
        return Timbre(brightness_hz=0.0, percussive_share=0.0)
    return Timbre(brightness_hz=_brightness_hz(fast, energy), percussive_share=percussive_share(fast))


def _brightness_hz(fast: Array, energy: Array) -> float:
    sounding = fast[energy >= energy.max() * 1e-4]
    frequencies = np.arange(fast.shape[1], dtype=np.float32) * (RATE_HZ / WINDOW)
    return round(float(np.median(sounding @ frequencies / sounding.sum(axis=1))), 1)


def percussive_share(fast: Array) -> float:
    """Share of the energy that medians over frequency hold rather than medians over time, with soft masks."""
    reach = _TAPS // 2 * _TIME_STEP
    padded = np.pad(fast, ((reach, reach), (0, 0)), mode="edge")
    centres = np.arange(_EVERY // 2 if len(fast) > _EVERY // 2 else 0, len(fast), _EVERY)
    in_time = padded[centres[:, None] + np.arange(0, 2 * reach + 1, _TIME_STEP)[None, :]]
    harmonic = np.median(in_time, axis=1)
    frames = fast[centres]
    across = np.pad(frames, ((0, 0), (_TAPS // 2, _TAPS // 2)), mode="edge")
    percussive = np.median(sliding_window_view(across, _TAPS, axis=1), axis=2)
    mask = percussive**2 / np.maximum(percussive**2 + harmonic**2, 1e-20)
    power = np.square(frames)
    total = float(power.sum())
    return round(float((mask * power).sum()) / total, 3) if total > 0 else 0.0

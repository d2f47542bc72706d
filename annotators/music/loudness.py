"""Loudness, its range and its trend."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from annotators.music.spectra import RATE_HZ, Array
from schemas.music import Dynamics

LoudnessMeter = Callable[[NDArray[np.float64]], float]
"""Integrated loudness in LUFS of samples (num_samples,), 22.05 kHz; -inf where all of it is gated out."""

_BLOCK = RATE_HZ * 2 // 5
_SHORTEST = 3 * RATE_HZ
_SILENCE_DBFS = -70.0
"""The absolute gate of ITU-R BS.1770-4 is at -70 LUFS."""


def load_meter() -> LoudnessMeter:
    """The meter of pyloudnorm, K-weighted as in ITU-R BS.1770-4."""
    import pyloudnorm

    meter = pyloudnorm.Meter(RATE_HZ)

    def integrated(samples: NDArray[np.float64]) -> float:
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(meter.integrated_loudness(samples))

    return integrated


def measure_dynamics(samples: Array, meter: LoudnessMeter) -> Dynamics:
    """`samples` is (num_samples,) at 22.05 kHz."""
    return Dynamics(
        loudness_lufs=_loudness_lufs(samples, meter),
        loudness_range_db=_range_db(samples),
        trend_db=_trend_db(samples),
    )


def _loudness_lufs(samples: Array, meter: LoudnessMeter) -> float | None:
    # pyloudnorm wants strictly more than one block of 400 ms.
    if samples.size <= _BLOCK:
        return None
    loudness = meter(samples.astype(np.float64))
    return round(loudness, 2) + 0.0 if np.isfinite(loudness) else None


def _range_db(samples: Array) -> float | None:
    if samples.size < _SHORTEST:
        return None
    blocks = np.square(samples[: samples.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)).mean(axis=1)
    levels = 10 * np.log10(np.maximum(blocks, 10 ** (_SILENCE_DBFS / 10)))
    if levels.max() <= _SILENCE_DBFS:
        return None
    return round(float(np.percentile(levels, 95) - np.percentile(levels, 10)), 2)


def _trend_db(samples: Array) -> float | None:
    if samples.size < _SHORTEST:
        return None
    third = samples.size // 3
    first, last = (float(np.mean(np.square(part), dtype=np.float64)) for part in (samples[:third], samples[-third:]))
    if min(first, last) <= 10 ** (_SILENCE_DBFS / 10):
        return None
    return round(10 * float(np.log10(last / first)), 2) + 0.0

"""Syllable nuclei as peaks of the level, after de Jong and Wempe (Behavior Research Methods 41, 2009)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples
from annotators.speech.pitch import FRAME_MS, RATE_HZ

_WINDOW_MS = 64
"""Praat's intensity at a minimum pitch of 50 Hz, as in their script."""
_BELOW_LOUDEST_DB = 25.0
_LEAST_DIP_DB = 2.0


def count_nuclei(samples: Samples, in_speech: NDArray[np.bool_], voiced: NDArray[np.bool_]) -> int:
    """Nuclei in the frames of 16 kHz mono `samples` that are `in_speech`; both masks as in `track_pitch`.

    A nucleus is a voiced peak of the level, at most 25 dB under the loudest (the 99th percentile), after a dip of at
    least 2 dB.
    """
    if not in_speech.any():
        return 0
    from scipy.signal import find_peaks

    level_db = np.where(in_speech, _level_db(samples, len(in_speech)), -200.0)
    loudest = float(np.percentile(level_db[in_speech], 99))
    peaks, _ = find_peaks(level_db, height=loudest - _BELOW_LOUDEST_DB, prominence=_LEAST_DIP_DB)
    return int(np.count_nonzero(voiced[peaks]))


def _level_db(samples: Samples, num_frames: int) -> NDArray[np.float64]:
    """Level of each frame under a Gaussian-like window centred on it: (num_frames,)."""
    from scipy.signal import fftconvolve

    window = np.kaiser(RATE_HZ * _WINDOW_MS // 1000, 20.0)
    power = np.square(samples, dtype=np.float64)
    smooth = fftconvolve(power, window / window.sum(), mode="same")
    hop = RATE_HZ * FRAME_MS // 1000
    at_frames = np.minimum(np.arange(num_frames) * hop, max(0, len(samples) - 1))
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(smooth[at_frames], 1e-14))
    return level

"""Log-mel spectrogram of a stream, and its contrast over a noise floor tracked by minimum statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.onnx import Floats
from soundseam.annotators.spectra import frames_of, level_hann, power_spectra

MELS = 48
WINDOW_SAMPLES = 512
HOP_SAMPLES = 256
"""Two frames in each 32 ms frame of the detector."""
LOWEST_HZ = 50.0
POWER_FLOOR = 1e-9
"""About -90 dBFS in one band, so that dither and digital silence look the same."""

SMOOTHING_FRAMES = 15
"""240 ms: averaging time of the power before its minimum is taken."""
FLOOR_FRAMES = 625
"""10 s, centred: the minimum of the averaged power in this time is the floor."""
FLOOR_REACH = FLOOR_FRAMES // 2 + SMOOTHING_FRAMES // 2
"""Number of frames on either side that affect the contrast of a frame."""


def mel_filters() -> NDArray[np.float32]:
    """Triangular filters (WINDOW_SAMPLES // 2 + 1, MELS) evenly spaced on the mel scale of O'Shaughnessy, peak 1."""
    top_mel = 2595.0 * np.log10(1.0 + DETECTION_RATE_HZ / 2 / 700.0)
    low_mel = 2595.0 * np.log10(1.0 + LOWEST_HZ / 700.0)
    centres = 700.0 * (10.0 ** (np.linspace(low_mel, top_mel, MELS + 2) / 2595.0) - 1.0)
    bins = np.arange(WINDOW_SAMPLES // 2 + 1) * DETECTION_RATE_HZ / WINDOW_SAMPLES
    # Low filters may be narrower than a bin; each keeps at least the width of one on either side.
    width = np.maximum(np.diff(centres), DETECTION_RATE_HZ / WINDOW_SAMPLES)
    rise = (bins[:, None] - (centres[1:-1] - width[:-1])) / width[:-1]
    fall = ((centres[1:-1] + width[1:]) - bins[:, None]) / width[1:]
    filters: NDArray[np.float32] = np.clip(np.minimum(rise, fall), 0.0, 1.0).astype(np.float32)
    return filters


class MelStream:
    """The log-mel spectrogram of one stream, block by block; the frames do not depend on the block size."""

    def __init__(self) -> None:
        margin = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
        self._held = np.zeros(margin, dtype=np.float32)
        self._last: Floats | None = None
        self._filters = mel_filters()

    def push(self, samples: Samples) -> Floats:
        """Frames (num_frames, MELS), log10 of power, one per 16 ms completed by `samples` (num_samples,)."""
        held = np.concatenate((self._held, samples))
        count = max(0, (len(held) - WINDOW_SAMPLES) // HOP_SAMPLES + 1)
        if count == 0:
            self._held = held
            return np.zeros((0, MELS), dtype=np.float32)
        # A full-scale sine has a power of about 1 in its band.
        power = power_spectra(frames_of(held, WINDOW_SAMPLES, HOP_SAMPLES), level_hann(WINDOW_SAMPLES))
        self._held = held[count * HOP_SAMPLES :]
        frames: Floats = np.log10(power @ self._filters + POWER_FLOOR)
        self._last = frames[-1:]
        return frames

    def finish(self, num_frames: int) -> Floats:
        """`num_frames` more frames, repeating the last whole one.

        Padding with silence would lower the noise floor of the last seconds, and steady noise would stand out from it.
        """
        if self._last is None:
            self._last = self.push(np.zeros(WINDOW_SAMPLES, dtype=np.float32))[:1]
        return np.repeat(self._last, num_frames, axis=0)


def contrast(mel: Floats) -> Floats:
    """The level of each band over its noise floor: (num_frames, MELS), as log10 of power, 0 or more.

    The floor is the minimum over `FLOOR_FRAMES`, centred, of the power averaged over `SMOOTHING_FRAMES` (minimum
    statistics after Martin, IEEE Trans. SAP 9(5), 2001, without its bias compensation). Edges repeat.
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    averaged = uniform_filter1d(mel, SMOOTHING_FRAMES, axis=0, mode="nearest")
    floor = minimum_filter1d(averaged, FLOOR_FRAMES, axis=0, mode="nearest")
    above: Floats = np.maximum(mel - floor, 0.0, dtype=np.float32)
    return above

"""The front end: log-mel frames as MOSS-Audio hears them, which are Whisper's, without its padding to 30 s."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 160
"""10 ms: 100 frames a second."""
WINDOW_SAMPLES = 400
SHORTEST_SAMPLES = 201
"""Half a window and one more: what mirroring the edges needs."""


def log_mel(samples: Samples, num_mels: int = 128) -> NDArray[np.float32]:
    """Frames (num_mels, num_samples // 160) of 16 kHz mono `samples` (num_samples,), about -1 to 1.5.

    Whisper's: Slaney's mel filters over the power of a periodic Hann window, log10, no more than 8 below the loudest
    value of the clip, shifted and scaled by 4. The reference calls `WhisperFeatureExtractor._np_extract_fbank_features`
    (https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/models/whisper/feature_extraction_whisper.py).
    The reference rounds the frames to bfloat16 whatever the weights are; vLLM does not, and this does not either.

    Raises ValueError under 201 samples, of which no frame can be made.
    """
    if samples.ndim != 1 or len(samples) < SHORTEST_SAMPLES:
        raise ValueError(f"audio of shape {samples.shape} has no mel frame: it takes {SHORTEST_SAMPLES} mono samples")
    edged = np.pad(samples.astype(np.float64), WINDOW_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(edged, WINDOW_SAMPLES)[::HOP_SAMPLES]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)
    spectrum = np.fft.rfft(windows * hann, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    logarithms = np.log10(np.maximum(_filters(num_mels) @ power.T, 1e-10))[:, :-1]
    frames: NDArray[np.float32] = ((np.maximum(logarithms, logarithms.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return frames


@cache
def _filters(num_mels: int) -> NDArray[np.float64]:
    import librosa

    filters: NDArray[np.float64] = librosa.filters.mel(
        sr=SAMPLE_RATE_HZ, n_fft=WINDOW_SAMPLES, n_mels=num_mels, dtype=np.float64
    )
    return filters

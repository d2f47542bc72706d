"""The one codec of segments' audio: 16-bit samples to FLAC and back, and WAV for readers without FLAC support."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples


def encode_flac(samples: Samples, rate_hz: int = DETECTION_RATE_HZ) -> bytes:
    """`samples` (num_samples,) or (channels, num_samples) in [-1, 1] as a 16-bit FLAC file; beyond, they are clipped.

    What 16 bits hold comes back from `decode_flac` exactly: the scale is 32768, where soundfile's own is 32767.
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, to_pcm16(samples.T), rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def to_pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """`samples` of any shape in [-1, 1] as 16-bit integers; beyond, they are clipped."""
    pcm: NDArray[np.int16] = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return pcm


def decode_flac(flac: bytes) -> Samples:
    """The samples (num_samples,) of a mono file, or the first channel of another one's.

    Raises soundfile.LibsndfileError for bytes that are no audio file.
    """
    return read_flac(flac)[0]


def read_flac(flac: bytes) -> tuple[Samples, int]:
    """(samples, rate): the same, and how many samples a second has."""
    import soundfile

    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples[:, 0]), int(rate_hz)


def num_flac_samples(flac: bytes) -> int:
    """How many samples a channel of the file holds, by its head."""
    import soundfile

    return int(soundfile.info(io.BytesIO(flac)).frames)


def wav_of(flac: bytes) -> bytes:
    """The file `flac` as a 16-bit WAV file with equal samples."""
    import soundfile

    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()

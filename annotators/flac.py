"""A segment's audio as WAV, for readers without FLAC support."""

from __future__ import annotations

import io


def wav_of(flac: bytes) -> bytes:
    """The file `flac` as a 16-bit WAV file with equal samples."""
    import soundfile

    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()

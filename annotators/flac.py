"""A segment's sound as WAV, for readers that know no FLAC."""

from __future__ import annotations

import io


def wav_of(flac: bytes) -> bytes:
    """The file `flac` as a 16-bit WAV file, equal sample for sample."""
    import soundfile

    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()

"""How a sound stands in a message: servers differ in which files they take, and under which name.

OpenAI's own interface, and llama.cpp after it, take WAV and MP3 alone. SGLang knew no `input_audio` before August 2026
(https://github.com/sgl-project/sglang/pull/33606), and OpenMOSS's fork of it is older.
"""

from __future__ import annotations

from functools import lru_cache

from annotators.chat.endpoint import Dialect
from annotators.wav import wav_of

_AS_WAV: frozenset[Dialect] = frozenset({"openai", "plain"})
KEPT_WAVS = 32
_kept_wav_of = lru_cache(maxsize=KEPT_WAVS)(wav_of)
"""Kept for the other questions about the same sound."""


def sound_part(data: str, dialect: Dialect) -> dict[str, object]:
    """The part of a message that holds a sound, whose bytes `data` is in base64."""
    if dialect == "sglang":
        return {"type": "audio_url", "audio_url": {"url": f"data:audio/flac;base64,{data}"}}
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav" if dialect in _AS_WAV else "flac"}}


def sound_file(flac: bytes, dialect: Dialect) -> bytes:
    """What goes out for a sound: its FLAC file, or the same samples as WAV."""
    return _kept_wav_of(flac) if dialect in _AS_WAV else flac

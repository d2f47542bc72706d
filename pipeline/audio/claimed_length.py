"""What a file's first bytes claim it to be and to hold, where decoding libraries silently correct it."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

# WAV, RF64, FLAC, Ogg, MP3 with tags, AIFF, Matroska, ASF, AU, CAF.
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef", b".snd", b"caff")
_MAX_CHUNKS = 1000
# Writers to a pipe cannot know the size: they leave 0 or something near the largest number.
_UNKNOWN_FROM = 0x7FFFF000


def is_known_container(path: Path) -> bool:
    """Whether the first bytes are those of a common audio or video container, whole or not."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


def wav_missing_ratio(path: Path) -> float | None:
    """Claimed bytes of a WAV's data chunk over those that are there; None unless more is claimed than is there."""
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            return None
        found = _data_chunk(file)
    if found is None:
        return None
    claimed, offset = found
    available = path.stat().st_size - offset
    return claimed / available if 0 < available < claimed else None


def _data_chunk(file: BinaryIO) -> tuple[int, int] | None:
    """Claimed size and offset of the data chunk; None where there is none or it claims nothing."""
    long_size = 0
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            if size == 0xFFFFFFFF and long_size:
                return long_size, file.tell()
            return (size, file.tell()) if 0 < size < _UNKNOWN_FROM else None
        if name == b"ds64" and size >= 16:
            # EBU Tech 3306: sizes of RIFF and data as 64-bit numbers, where the 32-bit ones say 0xFFFFFFFF.
            body = file.read(16)
            long_size = struct.unpack("<Q", body[8:16])[0] if len(body) == 16 else 0
            size -= 16
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def mp3_states_length(path: Path) -> bool:
    """Whether the first frame of an MP3 holds a Xing, Info or VBRI header; without one, lengths are guesses."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            size = 0
            for byte in head[6:]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        frame = file.read(2048)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))

"""Locates the samples of a WAV without trusting sizes that the file does not confirm.

RIFF, its big-endian form RIFX, and RF64 for more than 4 GiB (EBU Tech 3306). If a header claims too little, reading
continues: an interrupted recorder left an old size, or a size has wrapped at 2^32. Chunks and tags after the samples
are not audio.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from soundseam.pipeline.audio.file_view import Extent, id3_end
from soundseam.pipeline.audio.stream import DecodeError

_FORMS = (b"RIFF", b"RIFX", b"RF64")
_MAX_CHUNKS = 1_000_000
_MAX_DATA_CHUNKS = 10_000
_MAX_FORMAT_BYTES = 2**16
# Writers to a pipe cannot know the size: they write 0 or something near the largest number.
_UNKNOWN_FROM = 0x7FFFF000
_WRAP = 2**32
_PLAIN = (1, 3, 6, 7)
_EXTENSIBLE = 0xFFFE
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_MIN_REST_S = 0.1
"""Less than this after the samples is padding."""
_ZEROS_BYTES = 2**16


@dataclass(frozen=True)
class WavFormat:
    """The chunk `fmt `."""

    chunk: bytes
    tag: int
    """1 integers, 3 floats, 6 A-law, 7 u-law, else a codec; for the extensible form the wrapped one."""
    channels: int
    sample_rate_hz: int
    frame_bytes: int
    bits: int
    bytes_per_second: int


@dataclass(frozen=True)
class WavHeader:
    """The result of `read_wav_header`."""

    order: str
    """"<" or ">", as in struct."""
    format: WavFormat
    extents: Sequence[Extent]
    """The positions of the samples, in order."""
    claimed_bytes: int | None
    """The size claimed by the chunks, if it is more than is present; else None."""
    damage: str | None = None

    @property
    def present_bytes(self) -> int:
        return sum(extent.end - extent.start for extent in self.extents)


def is_wav(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    head = file.read(12)
    return head[:4] in _FORMS and head[8:] == b"WAVE"


def read_wav_header(file: BinaryIO) -> WavHeader:
    """The header of a WAV, after ID3 tags if any. Raises DecodeError if it has no format or no samples."""
    start = id3_end(file)
    if not is_wav(file, start):
        raise DecodeError("not_audio", "no WAV")
    return _Walk(file, start).header()


class _Walk:
    """Walks from chunk to chunk."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start
        self._end = file.seek(0, 2)
        self._order = ">" if self._bytes(start, 4) == b"RIFX" else "<"
        self._format: WavFormat | None = None
        self._extents: list[Extent] = []
        self._claimed = 0
        self._long_size = 0
        self._damage: str | None = None

    def header(self) -> WavHeader:
        at: int | None = self._start + 12
        for _ in range(_MAX_CHUNKS):
            if at is None or len(self._extents) > _MAX_DATA_CHUNKS:
                break
            at = self._past_chunk(at)
        if self._format is None:
            raise DecodeError("undecodable", "a WAV whose header does not say how its samples are stored")
        if not self._extents:
            raise DecodeError("undecodable", "a WAV without samples: there is no chunk data in it")
        present = sum(extent.end - extent.start for extent in self._extents)
        # Some writers include the header in the size of the samples.
        claimed = self._claimed if self._claimed > present + self._extents[0].start - self._start else None
        return WavHeader(self._order, self._format, self._extents, claimed, self._damage)

    def _past_chunk(self, at: int) -> int | None:
        """Reads the chunk at `at`; returns the position of the next one, None after the last."""
        header = self._bytes(at, 8)
        if len(header) < 8:
            return None
        name = header[:4]
        size: int = struct.unpack(self._order + "4xI", header)[0]
        body = at + 8
        if name == b"data":
            return self._past_samples(body, size)
        if name in _FORMS and self._bytes(body, 4) == b"WAVE":
            # Another WAV after the first one.
            return body + 4
        if name == b"fmt ":
            self._take_format(self._bytes(body, min(size, _MAX_FORMAT_BYTES)))
        elif name == b"ds64" and size >= 16:
            sizes = self._bytes(body, 16)
            self._long_size = int.from_bytes(sizes[8:], "little")
        if body + size > self._end and not self._extents:
            return self._lost_data_chunk(body)
        return body + size + size % 2

    def _lost_data_chunk(self, at: int) -> int | None:
        """The chunk of samples after a chunk with a wrong size, if it is nearby."""
        place = self._bytes(at, 2**20).find(b"data")
        return None if place < 0 else at + place

    def _take_format(self, chunk: bytes) -> None:
        found = _format_of(chunk, self._order)
        if found is None:
            return
        if self._format is None:
            self._format = found
        elif self._extents and replace(found, chunk=b"") != replace(self._format, chunk=b""):
            self._damage = "another WAV with another format follows; it is left out"

    def _past_samples(self, at: int, size: int) -> int | None:
        if self._damage or self._format is None:
            return None
        if size == 0xFFFFFFFF and self._long_size:
            size = self._long_size
        elif size == 0 or size >= _UNKNOWN_FROM:
            if size == 0 and self._follows_no_audio(at):
                self._extents.append(Extent(at, at))
                return at
            self._extents.append(Extent(at, self._end))
            return None
        self._claimed += size
        end = min(at + size, self._end)
        for wrapped in range(at + size + _WRAP, self._end + 1, _WRAP):
            end = wrapped if self._follows_no_audio(wrapped) or wrapped + _WRAP > self._end else end
        if end < self._end and not self._follows_no_audio(end):
            self._extents.append(Extent(at, self._end))
            return None
        self._extents.append(Extent(at, end))
        return end + (end - at) % 2 if self._is_chunk(end + (end - at) % 2) else end

    def _follows_no_audio(self, at: int) -> bool:
        """Whether a chunk, a tag, padding or nothing follows at `at`."""
        assert self._format is not None
        rest = self._bytes(at, _ZEROS_BYTES)
        return (
            self._end - at < _MIN_REST_S * self._format.bytes_per_second
            or rest.startswith(_TAGS)
            or not any(rest)
            or self._is_chunk(at)
            or self._is_chunk(at + 1)
        )

    def _is_chunk(self, at: int) -> bool:
        header = self._bytes(at, 8)
        if len(header) < 8 or not all(0x20 <= byte < 0x7F for byte in header[:4]):
            return False
        size: int = struct.unpack(self._order + "4xI", header)[0]
        return header[:4] == b"data" or header[:4] in _FORMS or at + 8 + size <= self._end + 1

    def _bytes(self, at: int, count: int) -> bytes:
        self._file.seek(at)
        return self._file.read(count)


def _format_of(chunk: bytes, order: str) -> WavFormat | None:
    if len(chunk) < 14:
        return None
    tag, channels, rate_hz, bytes_per_second, frame_bytes = struct.unpack_from(order + "HHIIH", chunk)
    bits = struct.unpack_from(order + "H", chunk, 14)[0] if len(chunk) >= 16 else 8 * frame_bytes // max(1, channels)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from(order + "H", chunk, 24)[0]
    least = channels * -(-bits // 8)
    if frame_bytes < least or (channels and frame_bytes % channels):
        frame_bytes = least
    if tag in _PLAIN or bytes_per_second == 0:
        bytes_per_second = frame_bytes * rate_hz
    return WavFormat(chunk, tag, channels, rate_hz, frame_bytes, bits, bytes_per_second)

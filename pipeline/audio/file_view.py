"""The view of a file for a decoder: without tags, one link of a chain, or with a new header."""

from __future__ import annotations

import errno
import mmap
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

_MAX_TAGS = 1000
_MAX_BLOCKS = 10_000
_STREAMINFO_BYTES = 34
# RFC 9639, section 8: the marker, then STREAMINFO, the last block or not.
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
# Stream version 0, and a page that begins a logical stream: RFC 3533, section 6.
_OGG_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")
_OGG_HEADER_BYTES = 27


@dataclass(frozen=True)
class Extent:
    """Some bytes of a file."""

    start: int
    end: int


class FileView:
    """`head`, then the bytes of `extent`, as an unnamed file, so that probing does not use a suffix."""

    def __init__(self, file: BinaryIO, extent: Extent, head: bytes = b"") -> None:
        self._file = file
        self._extent = extent
        self._head = head
        self._size = len(head) + extent.end - extent.start
        self._at = 0

    def read(self, size: int) -> bytes:
        count = max(0, min(size, self._size - self._at))
        from_head = self._head[self._at : self._at + count]
        data = from_head
        if len(from_head) < count:
            self._file.seek(self._extent.start + self._at + len(from_head) - len(self._head))
            data = from_head + self._file.read(count - len(from_head))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            # Damaged sizes can lead to positions before the beginning: FFmpeg gets an error, and handles it.
            return -errno.EINVAL
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at


def id3_end(file: BinaryIO, start: int = 0) -> int:
    """The end of ID3v2 tags at `start`; their content is not read, whatever they claim."""
    for _ in range(_MAX_TAGS):
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 0x7F:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def flac_streams(file: BinaryIO, start: int, end: int) -> Sequence[FileView]:
    """The FLAC streams of a file, one after another, each with a head that only has its parameters.

    Comments, pictures and cue sheets are irrelevant to the audio, and reading them can take longer than decoding it.
    """
    views: list[FileView] = []
    at: int | None = start
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while at is not None:
            found = _flac_head(file, at, end)
            if found is None:
                views.append(FileView(file, Extent(at, end)))
                break
            head, frames = found
            following = _FLAC_START.search(data, frames, end)
            at = following.start() if following else None
            views.append(FileView(file, Extent(frames, end if at is None else at), head))
    return views


def _flac_head(file: BinaryIO, start: int, end: int) -> tuple[bytes, int] | None:
    """A header with STREAMINFO only, and the offset of the first frame; None if the blocks extend past `end`."""
    at = start + 4
    info = b""
    for _ in range(_MAX_BLOCKS):
        file.seek(at)
        header = file.read(4)
        if len(header) < 4:
            return None
        size = int.from_bytes(header[1:])
        if header[0] & 0x7F == 0 and size == _STREAMINFO_BYTES and not info:
            info = file.read(size)
        at += 4 + size
        if at > end:
            return None
        if header[0] & 0x80:
            return (b"fLaC\x80" + _STREAMINFO_BYTES.to_bytes(3) + info, at) if info else None
    return None


def ogg_links(file: BinaryIO, start: int, end: int) -> Sequence[Extent]:
    """The links of a chained Ogg file, one after another: each has headers of its own."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        starts: list[int] = []
        next_page = -1
        for match in _OGG_FIRST_PAGE.finditer(data, start, end):
            at = match.start()
            if at < next_page:
                continue
            lacing = at + _OGG_HEADER_BYTES
            segments = data[lacing - 1] if lacing <= end else 0
            if at != next_page:
                starts.append(at)
            next_page = lacing + segments + sum(data[lacing : lacing + segments])
    if not starts:
        return [Extent(start, end)]
    return [Extent(at, following) for at, following in zip([start, *starts[1:]], [*starts[1:], end], strict=True)]

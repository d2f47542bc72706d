"""Files that are followed by another one when they are full."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from pipeline.export.base import Place


class RollingName:
    """Names of the shards of one part and split: `<folder>/<stem>-<part>-00000.<suffix>`, and so on."""

    def __init__(self, place: Place, folder: str, stem: str, suffix: str) -> None:
        self._place, self._folder, self._stem, self._suffix = place, folder, stem, suffix
        self._count = 0
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= self._place.options.shard_mb * 2**20

    def next_path(self) -> Path:
        path = self._place.path(self._folder, f"{self._stem}-{self._place.part}-{self._count:05d}.{self._suffix}")
        self._count += 1
        self.bytes = 0
        return path


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Adds a file to a tar, the same bytes for the same content; returns its size."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
    return len(data)

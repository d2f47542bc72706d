"""A Beam filesystem in memory: `mem://` stands for every remote filesystem."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, ClassVar

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

CLOCK_S = 1_700_000_000.0


class MemoryFileSystem(FileSystem):
    """An object store: no folders, files appear when they are closed, renaming replaces."""

    contents: ClassVar[dict[str, bytes]] = {}
    modified: ClassVar[dict[str, float]] = {}

    @classmethod
    def scheme(cls) -> str:
        return "mem"

    @classmethod
    def put(cls, uri: str, data: bytes, modified_s: float = CLOCK_S) -> str:
        cls.contents[uri] = data
        cls.modified[uri] = modified_s
        return uri

    @classmethod
    def clear(cls) -> None:
        cls.contents.clear()
        cls.modified.clear()

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        raise AssertionError("an object store has no folders to make")

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for uri in list(self.contents):
            if uri.startswith(dir_or_prefix):
                yield self.metadata(uri)

    def create(self, path: str, *args: Any, **kwargs: Any) -> io.BytesIO:
        return _Upload(path)

    def open(self, path: str, *args: Any, **kwargs: Any) -> io.BytesIO:
        if path not in self.contents:
            raise BeamIOError(f"no object {path}", {path: KeyError(path)})
        return io.BytesIO(self.contents[path])

    def copy(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            self.put(target, self.contents[source])

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        self.copy(source_file_names, destination_file_names)
        self.delete(source_file_names)

    def exists(self, path: str) -> bool:
        return path in self.contents

    def size(self, path: str) -> int:
        return len(self.contents[path])

    def last_updated(self, path: str) -> float:
        return self.modified[path]

    def checksum(self, path: str) -> str:
        return str(hash(self.contents[path]))

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(self.contents[path]), self.modified[path])

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            del self.contents[path]


class _Upload(io.BytesIO):
    def __init__(self, uri: str) -> None:
        super().__init__()
        self._uri = uri

    def close(self) -> None:
        if not self.closed:
            MemoryFileSystem.put(self._uri, self.getvalue())
        super().close()

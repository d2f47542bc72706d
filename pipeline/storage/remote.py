"""What is asked of remote storage, whatever its kind, and what its kinds share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

COPY_BYTES = 8 * 2**20
WHOLE_BYTES = 8 * 2**20
"""Up to this size a remote file is read whole; of larger ones only what is asked for."""
TEMPORARY_PREFIX = ".tmp-"
"""Prefix of unfinished files: hidden, so that no reader of a table treats them as data."""
OBJECT_STORES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
"""The schemes of `object_store`."""

_requests: Counter[str] = Counter()
_counting = Lock()


def count_requests(kind: str, number: int = 1) -> None:
    """Counts requests of this process to object stores: get, put, list, head or delete. From any thread."""
    with _counting:
        _requests[kind] += number


def has_requests() -> bool:
    """Whether there are counts to take."""
    return bool(_requests)


def take_requests() -> Counter[str]:
    """The counts since the last call, without what was sent again after a failure."""
    with _counting:
        taken = _requests.copy()
        _requests.clear()
    return taken


@dataclass(frozen=True)
class FileStat:
    """A file from a listing; `modified_s` is 0 and `version` empty if the filesystem does not provide them."""

    uri: str
    size_bytes: int
    modified_s: float
    version: str = ""
    """Changes with the content: an object store's ETag."""


class UnsupportedSchemeError(OSError):
    """A URI that no available filesystem can open."""


class RemoteFiles(Protocol):
    """The files of one kind of storage, by their URIs. Errors are OSErrors whose text contains no secret of a URI."""

    def stat(self, uri: str) -> FileStat:
        """Raises FileNotFoundError."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is such a file."""
        ...

    def is_file(self, uri: str) -> bool:
        """Whether `uri` is a file, not a folder."""
        ...

    def list_under(self, folder: str) -> Iterator[FileStat]:
        """The files under `folder`, at any depth, in any order; none if there is no such folder."""
        ...

    def match(self, pattern: str) -> Iterator[FileStat]:
        """The files that match a glob (`*` within a folder, `**` across), in any order."""
        ...

    def open(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """The raw bytes of `uri`, never decompressed. Raises FileNotFoundError."""
        ...

    def chunks(self, uri: str) -> Iterator[bytes]:
        """The same from beginning to end, a few MB in memory at a time."""
        ...

    def write(self, source: bytes | Path, uri: str) -> str:
        """Writes bytes, or those of a local file, so that a reader sees all of them or nothing; returns the version."""
        ...

    def delete(self, uris: Iterable[str]) -> None:
        """Deletes files; missing ones are not an error."""
        ...

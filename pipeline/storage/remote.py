"""What is asked of remote storage: object stores through `object_store`, the rest through Beam's filesystems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

COPY_BYTES = 8 * 2**20
WHOLE_BYTES = 8 * 2**20
"""Up to this size a remote file is read whole; of larger ones only what is asked for."""
TEMPORARY_PREFIX = ".tmp-"
"""Prefix of unfinished files: hidden, so that no reader of a table treats them as data."""
OBJECT_STORES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
"""The schemes of `object_store`."""

requests: Counter[str] = Counter()
"""Number of requests to object stores by this process since `take_requests`, by kind: get, put, list, head or delete.

Without what is sent again after a failure.
"""


def take_requests() -> Counter[str]:
    """The counts since the last call."""
    taken = Counter(requests)
    requests.subtract(taken)
    return +taken


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


def remote_files(uri: str) -> RemoteFiles:
    """The storage of a remote `uri`."""
    return _of_kind(uri.partition("://")[0].lower() in OBJECT_STORES)


@cache
def _of_kind(is_object_store: bool) -> RemoteFiles:
    if is_object_store:
        from soundseam.pipeline.storage.object_store import ObjectStoreFiles

        return ObjectStoreFiles()
    from soundseam.pipeline.storage.beam_files import BeamFiles

    return BeamFiles()


def use_options(options: PipelineOptions | None) -> None:
    """Passes options such as regions and endpoints, if any, to all remote storage; called once in each process."""
    if options is None:
        return
    from apache_beam.io.filesystems import FileSystems

    from soundseam.pipeline.storage.object_store import use_settings

    FileSystems.set_options(options)
    use_settings(options.get_all_options(drop_default=True))

"""What is known of files that were read before: their hashes, so that unchanged ones are not read again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.storage.files import FileStat
from soundseam.schemas.record import Record
from soundseam.schemas.tables import arrow_schema, records_of, table_of

INDEX_FILE = "sources.parquet"
"""In `_run`: what local runs know."""
INDEX_FOLDER = "sources"
"""In `_run`: what parts and jobs on a runner know, in files of their own."""
BUCKETS = 256
"""A job on a runner divides its files by a hash of their addresses: a bucket is read and indexed by one worker."""


class IndexedSource(Record):
    """One row of the index: a file's state when its bytes were hashed."""

    uri_key: str
    """Hash of the complete URI; of the absolute path if it is local."""
    size_bytes: int
    modified_s: float
    version: str = ""
    """The store's own checksum; empty if there is none."""
    recording_id: str

    def is_of(self, stat: FileStat) -> bool:
        """Whether the file has not changed since."""
        if self.version and stat.version:
            return (self.version, self.size_bytes) == (stat.version, stat.size_bytes)
        return (self.size_bytes, self.modified_s) == (stat.size_bytes, stat.modified_s)


class SourceIndex:
    """Hashes by address and state, in one Parquet file. It contains no URIs, and so no secrets."""

    def __init__(self, uri: str, others: Sequence[str] = ()) -> None:
        """Reads the index at `uri`; it is empty if the file is missing or has another format.

        What the index files at `others` know is added, and saved with it.
        """
        self._uri = uri
        self._entries = {entry.uri_key: entry for entry in read_index(uri)}
        self._changed = False
        for other in others:
            self.add(read_index(other))

    def add(self, entries: Iterable[IndexedSource]) -> None:
        """Takes in what another index knows of files that are unknown here."""
        for entry in entries:
            self._changed |= self._entries.setdefault(entry.uri_key, entry) is entry

    def recording_id(self, stat: FileStat) -> str | None:
        """The id of a file that has not changed since; None if unknown."""
        entry = self._entries.get(uri_key(stat.uri))
        return entry.recording_id if entry is not None and entry.is_of(stat) else None

    def remember(self, stat: FileStat, recording_id: str) -> None:
        """Stores the id of a file with its `stat` from before its bytes were read."""
        if stat.modified_s == 0.0 and not stat.version:
            return  # a filesystem without modification times
        entry = IndexedSource(
            uri_key=uri_key(stat.uri),
            size_bytes=stat.size_bytes,
            modified_s=stat.modified_s,
            version=stat.version,
            recording_id=recording_id,
        )
        self._changed |= self._entries.get(entry.uri_key) != entry
        self._entries[entry.uri_key] = entry

    def save(self) -> None:
        """Writes the index atomically, if anything was added."""
        if not self._changed:
            return
        buffer = io.BytesIO()
        rows = [self._entries[key] for key in sorted(self._entries)]
        pq.write_table(table_of(rows, IndexedSource), buffer, compression="zstd")
        files.write_atomically(self._uri, buffer.getvalue())
        self._changed = False


def index_uri(output: str) -> str:
    """The index of local runs."""
    return files.join(output, RUN_FOLDER, INDEX_FILE)


def index_folder(output: str) -> str:
    return files.join(output, RUN_FOLDER, INDEX_FOLDER)


def bucket_uri(output: str, bucket: int) -> str:
    """The index of one bucket."""
    return files.join(index_folder(output), f"bucket-{bucket:03d}.parquet")


def bucket_of(key: str) -> int:
    """The bucket of a file, by its `uri_key`."""
    return int(key[:8], 16) % BUCKETS


def other_indexes(output: str) -> list[str]:
    """The index files in OUT that are no bucket's."""
    own = {bucket_uri(output, bucket) for bucket in range(BUCKETS)}
    return [index_uri(output), *(stat.uri for stat in files.list_files(index_folder(output)) if stat.uri not in own)]


def read_index(uri: str) -> list[IndexedSource]:
    """The rows of an index file; none if it is missing or has another format."""
    try:
        table = pq.read_table(io.BytesIO(files.read_bytes(uri)))
    except (pa.ArrowException, FileNotFoundError):
        return []
    if not table.schema.equals(arrow_schema(IndexedSource)):
        return []
    return records_of(table, IndexedSource)


def uri_key(uri: str) -> str:
    name = str(files.local_path(uri).absolute()) if files.is_local(uri) and not files.is_plain_path(uri) else uri
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]

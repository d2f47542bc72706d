"""What a run remembers of its sources' content hashes, so that a rerun need not read every byte."""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.storage import files
from pipeline.storage.files import FileStat
from schemas.arrow import arrow_schema, records_of, table_of
from schemas.record import Record


class IndexedSource(Record):
    """One line of the index: the file as it was when its bytes were hashed."""

    uri_key: str
    """Hash of the URI with all that it carries; of the absolute path where it is local."""
    size_bytes: int
    modified_s: float
    recording_id: str


class SourceIndex:
    """Hashes by (URI, size, modification time), in one Parquet file. Holds no URI, so no secret of one."""

    def __init__(self, uri: str) -> None:
        """Reads the index at `uri`; one that is missing or of another form is empty."""
        self._uri = uri
        self._entries: dict[str, IndexedSource] = {}
        self._changed = False
        if files.exists(uri):
            try:
                table = pq.read_table(io.BytesIO(files.read_bytes(uri)))
            except pa.ArrowException:
                return
            if table.schema.equals(arrow_schema(IndexedSource)):
                self._entries = {entry.uri_key: entry for entry in records_of(table, IndexedSource)}

    def recording_id(self, stat: FileStat) -> str | None:
        """The id of a file that has not changed since; None where that cannot be told."""
        entry = self._entries.get(_uri_key(stat.uri))
        if entry is None or (entry.size_bytes, entry.modified_s) != (stat.size_bytes, stat.modified_s):
            return None
        return entry.recording_id

    def remember(self, stat: FileStat, recording_id: str) -> None:
        """Remembers the id of a file as `stat` showed it before its bytes were read."""
        if stat.modified_s == 0.0:
            return  # a filesystem that does not tell when a file changed
        entry = IndexedSource(
            uri_key=_uri_key(stat.uri),
            size_bytes=stat.size_bytes,
            modified_s=stat.modified_s,
            recording_id=recording_id,
        )
        self._changed |= self._entries.get(entry.uri_key) != entry
        self._entries[entry.uri_key] = entry

    def save(self) -> None:
        """Writes the index if anything was added, whole or not at all."""
        if not self._changed:
            return
        buffer = io.BytesIO()
        rows = [self._entries[key] for key in sorted(self._entries)]
        pq.write_table(table_of(rows, IndexedSource), buffer, compression="zstd")
        files.write_atomically(self._uri, buffer.getvalue())
        self._changed = False


def _uri_key(uri: str) -> str:
    name = str(files.local_path(uri).absolute()) if files.is_local(uri) else uri
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]

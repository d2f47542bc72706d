"""Tables as Parquet files: written row by row in constant memory, read back a few columns at a time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field

from soundseam.pipeline.storage import files
from soundseam.schemas.record import Record
from soundseam.schemas.tables import AnyTable, Table, record_of, table_schema

ROW_GROUP_ROWS = 200
ROW_GROUP_BYTES = 16 * 2**20
"""A row group ends at either limit: small enough to stream, and to bound memory (three copies of it exist while it is
written)."""

SCHEMA_FILE = "schema.parquet"
"""An empty file in every table's folder, so that a table without rows still has its columns."""


_TABLE_FILE = re.compile(r"\d{4,}-[0-9a-f]{16}-[0-9a-f]{16}\.parquet|[0-9a-f]{32}\.parquet")
_TEMPORARY_FILE = re.compile(re.escape(files.TEMPORARY_PREFIX) + "[0-9a-f]{32}")


def is_table_file(name: str) -> bool:
    """Whether a file's name follows the pattern of commits or of the table of duplicates, or of unfinished files.

    Other files in a table's folder must not be deleted.
    """
    return _TABLE_FILE.fullmatch(name) is not None or is_temporary_file(name)


def shard_in_name(name: str) -> int | None:
    """The shard of a commit's file, by its name; None for a file that is of no shard."""
    shard = name.partition("-")[0]
    return int(shard) if shard.isdigit() and not is_temporary_file(name) else None


def is_temporary_file(name: str) -> bool:
    """Whether a name is that of an unfinished file."""
    return _TEMPORARY_FILE.fullmatch(name) is not None


class FileEntry(Record):
    """A committed file: its table, its name in the table's folder, and its content."""

    table: AnyTable
    name: str = Field(pattern=r"^[^/\x00]+\.parquet$")
    sha256: str
    rows: int
    bytes: int


class TableWriter:
    """Writes rows of one table to a local file, with at most one row group in memory.

    Use it as a context manager; afterwards `rows` is the number of rows.
    """

    def __init__(self, table: Table | str, path: Path) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._schema = table_schema(table)
        self._record = record_of(table)
        self._pending: list[dict[str, object]] = []
        self._pending_bytes = 0
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def append(self, row: BaseModel, size_bytes: int = 0) -> None:
        """Adds one row; `size_bytes` is the size of its binary columns, if any."""
        if not isinstance(row, self._record):
            raise TypeError(f"a row of {self.table} must be a {self._record.__name__}, not a {type(row).__name__}")
        self._pending.append(row.model_dump(mode="python"))
        self._pending_bytes += size_bytes
        self.rows += 1
        if len(self._pending) >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
        self._pending.clear()
        self._pending_bytes = 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def entry_of(table: Table | str, path: Path, stem: str) -> FileEntry:
    """The entry of a finished file; its name ends in the hash of its content, so equal content has equal names."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(
        table=table,
        name=f"{stem}-{sha256[:16]}.parquet",
        sha256=sha256,
        rows=pq.read_metadata(path).num_rows,
        bytes=path.stat().st_size,
    )


def read_rows(source: Path | BinaryIO, columns: Sequence[str] | None = None) -> Iterator[dict[str, object]]:
    """The rows of a file in order, one row group in memory at a time."""
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS, columns=columns):
            yield from batch.to_pylist()


def write_schema_file(table: Table | str, path: Path) -> None:
    """Writes a file of `table` without rows."""
    with TableWriter(table, path):
        pass


def drop_recordings(source: Path, target: Path, table: Table | str, recording_ids: frozenset[str]) -> None:
    """Copies `source` to `target` without the rows of `recording_ids`, a row group at a time."""
    ids = pa.array(sorted(recording_ids), pa.string())
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, table_schema(table), compression="zstd") as writer:
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
            rows = pa.Table.from_batches([batch])
            known = pa.compute.is_in(rows["recording_id"], value_set=ids)
            writer.write_table(rows.filter(pa.compute.invert(known)).cast(table_schema(table)))

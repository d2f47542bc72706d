"""Where fingerprints and duplicates are kept: Parquet files, and a marker that says which are valid."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipeline.dedup.fingerprint import VERSION
from pipeline.errors import SetupError
from pipeline.storage import files
from pipeline.storage.commits import RUN_FOLDER
from schemas.arrow import arrow_schema, records_of, table_of
from schemas.duplicate import Duplicate, Fingerprint
from schemas.record import Record, content_key

DUPLICATES_FOLDER = "duplicates"
MARKER = "duplicates.json"
VERSION_KEY = b"soundseam.fingerprint"
ROWS_AT_ONCE = 1000


class DuplicatesMarker(Record):
    """What `_run/duplicates.json` holds: the one valid file of the table, and what it was made of."""

    key: str
    """Of the segments, the evaluation sets and the algorithm."""
    name: str
    rows: int


def read_marker(output: str) -> DuplicatesMarker | None:
    """None where duplicates were never looked for, or by another version."""
    uri = files.join(output, RUN_FOLDER, MARKER)
    if not files.exists(uri):
        return None
    try:
        return DuplicatesMarker.model_validate_json(files.read_bytes(uri))
    except ValidationError:
        return None


def read_duplicates(output: str) -> Iterator[Duplicate]:
    """The valid rows of OUT/duplicates, in order of segment; none where duplicates were never looked for."""
    marker = read_marker(output)
    if marker is None:
        return
    with files.local_copy(files.join(output, DUPLICATES_FOLDER, marker.name)) as path, pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from records_of(pa.Table.from_batches([batch]), Duplicate)


def write_duplicates(output: str, key: str, rows: Iterable[Duplicate]) -> DuplicatesMarker:
    """Puts `rows` in the place of all earlier ones: a new file, then the marker that names it, then the old file."""
    folder = files.join(output, DUPLICATES_FOLDER)
    files.make_folder(folder)
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as scratch:
        path = Path(scratch) / "rows"
        count = _write(path, Duplicate, rows, None)
        name = f"{content_key([key, count])}.parquet"
        files.publish(path, files.join(folder, name))
    marker = DuplicatesMarker(key=key, name=name, rows=count)
    files.write_atomically(files.join(output, RUN_FOLDER, MARKER), marker.model_dump_json(indent=1).encode())
    files.delete([stat.uri for stat in files.list_files(folder) if files.name_of(stat.uri) != name])
    return marker


def write_fingerprints(path: Path, rows: Iterable[Fingerprint]) -> int:
    """Writes a fingerprint file; returns its number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{files.TEMPORARY_PREFIX}{path.name}")
    count = _write(unfinished, Fingerprint, rows, {VERSION_KEY: str(VERSION).encode()})
    unfinished.rename(path)
    return count


def read_fingerprints(path: Path) -> Iterator[Fingerprint]:
    """Raises SetupError for what is no fingerprint file of this version."""
    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(VERSION_KEY) != str(VERSION).encode():
                raise SetupError(f"{path} holds no fingerprints of version {VERSION}: make it anew by --fingerprints")
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield from records_of(pa.Table.from_batches([batch]), Fingerprint)
    except (OSError, pa.ArrowInvalid) as error:
        raise SetupError(f"{path} is no Parquet file: {error}") from error


def _write(path: Path, record: type[BaseModel], rows: Iterable[BaseModel], metadata: dict[bytes, bytes] | None) -> int:
    schema = arrow_schema(record).with_metadata(metadata)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for some in _batched(rows):
            writer.write_table(table_of(some, record).replace_schema_metadata(metadata))
            count += len(some)
    return count


def _batched(rows: Iterable[BaseModel]) -> Iterator[list[BaseModel]]:
    batch: list[BaseModel] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch

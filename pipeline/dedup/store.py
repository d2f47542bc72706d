"""The stored table of duplicates: a Parquet file, and a marker that names the valid one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from soundseam.pipeline.dedup.fingerprint_files import ROWS_AT_ONCE, write_table
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.storage.tables import is_table_file
from soundseam.schemas.duplicate import Duplicate
from soundseam.schemas.record import Record
from soundseam.schemas.tables import DUPLICATES_FOLDER, records_of

MARKER = "duplicates.json"


class Found(Record):
    """The table in numbers."""

    segments: int
    """Segments that were compared."""
    duplicates: int
    """Segments that occur again in the corpus."""
    clusters: int
    contaminated: int
    """Segments that are also in an evaluation set."""

    @classmethod
    def of(cls, segments: int, rows: Sequence[Duplicate]) -> Found:
        return cls(
            segments=segments,
            duplicates=sum(row.corpus is not None for row in rows),
            clusters=len({row.cluster for row in rows if row.cluster}),
            contaminated=sum(row.evaluation is not None for row in rows),
        )


class MadeOf(Record):
    """The inputs of a table of duplicates."""

    key: str
    """Key of the segments, the evaluation sets and the algorithm."""
    segments_key: str
    """Key of the segments alone, to see whether the corpus has changed since."""
    against: tuple[str, ...]
    """Names of the evaluation sets."""


class DuplicatesMarker(MadeOf):
    """The content of `_run/duplicates.json`: the valid file of the table, and its inputs."""

    name: str
    found: Found


def read_marker(output: str) -> DuplicatesMarker | None:
    """The marker; None if `dedup` never ran, or in another version."""
    uri = files.join(output, RUN_FOLDER, MARKER)
    if not files.exists(uri):
        return None
    try:
        return DuplicatesMarker.model_validate_json(files.read_bytes(uri))
    except ValidationError:
        return None


def read_duplicates(output: str) -> Iterator[Duplicate]:
    """The valid rows of OUT/duplicates, in order of segment; none if `dedup` never ran."""
    marker = read_marker(output)
    if marker is None:
        return
    with files.local_copy(files.join(output, DUPLICATES_FOLDER, marker.name)) as path, pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from records_of(pa.Table.from_batches([batch]), Duplicate)


def write_duplicates(output: str, made_of: MadeOf, segments: int, rows: Sequence[Duplicate]) -> DuplicatesMarker:
    """Replaces all earlier rows by `rows`: writes a new file, then the marker that names it, then removes the old file.

    `segments` is the number of segments compared.
    """
    folder = files.join(output, DUPLICATES_FOLDER)
    files.make_folder(folder)
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as scratch:
        path = Path(scratch) / "rows"
        write_table(path, Duplicate, rows, None)
        with path.open("rb") as file:
            name = f"{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}.parquet"
        files.publish(path, files.join(folder, name))
    marker = DuplicatesMarker(**dict(made_of), name=name, found=Found.of(segments, rows))
    files.write_atomically(files.join(output, RUN_FOLDER, MARKER), marker.model_dump_json(indent=1).encode())
    names = (files.name_of(stat.uri) for stat in files.list_files(folder))
    files.delete([files.join(folder, old) for old in names if is_table_file(old) and old != name])
    return marker

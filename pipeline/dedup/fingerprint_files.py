"""Fingerprint files: Parquet that can be published without the audio, and that is read with distrust."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipeline.dedup.fingerprint import FRAME_MS, FRAME_SHIFT, PEAKS_A_SECOND, VERSION
from pipeline.errors import SetupError
from pipeline.storage import files
from schemas.arrow import arrow_schema, table_of
from schemas.duplicate import Fingerprint

VERSION_KEY = b"soundseam.fingerprint"
ROWS_AT_ONCE = 1000
ROOM_MS = 2000
"""A file may say that peaks lie so far after its end: frames and lengths are rounded."""


def write_fingerprints(path: Path, rows: Iterable[Fingerprint]) -> int:
    """Writes a fingerprint file, whole or not at all; returns its number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{files.TEMPORARY_PREFIX}{path.name}")
    count = write_table(unfinished, Fingerprint, rows, {VERSION_KEY: str(VERSION).encode()})
    unfinished.rename(path)
    return count


def read_fingerprints(path: Path) -> Iterator[Fingerprint]:
    """Raises SetupError for what is no fingerprint file of this version, and for rows that cannot be true."""
    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(VERSION_KEY) != str(VERSION).encode():
                raise SetupError(f"{path} holds no fingerprints of version {VERSION}: make it anew by --fingerprints")
            columns = arrow_schema(Fingerprint).names
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                yield from map(_checked, batch.to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise SetupError(f"{path} is no Parquet file that can be read: {' '.join(str(error).split())}") from error
    except (ValidationError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise SetupError(f"{path} has a row that is no fingerprint: {first}") from error


def _checked(row: object) -> Fingerprint:
    fingerprint = Fingerprint.model_validate(row)
    peaks = np.frombuffer(fingerprint.peaks, "<u8")
    if len(peaks) > 2 * PEAKS_A_SECOND * (fingerprint.duration_ms + ROOM_MS) / 1000:
        raise ValueError(f"{fingerprint.name} has {len(peaks)} peaks in {fingerprint.duration_ms} ms")
    if len(peaks) and (int(peaks.max()) >> FRAME_SHIFT) * FRAME_MS > fingerprint.duration_ms + ROOM_MS:
        raise ValueError(f"{fingerprint.name} has peaks after its end")
    return fingerprint


def write_table(
    path: Path, record: type[BaseModel], rows: Iterable[BaseModel], metadata: dict[bytes, bytes] | None
) -> int:
    """Writes `rows`, some at a time; returns how many there were."""
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

"""Fingerprint files: Parquet that can be published without the audio; untrusted when read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from pydantic import BaseModel, ValidationError

from soundseam.annotators.flac import read_flac, to_pcm16
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.fingerprint import (
    BLOCK,
    FRAME_MS,
    FRAME_SHIFT,
    PEAKS_A_SECOND,
    RATE_HZ,
    VERSION,
    audio_sha256,
    peaks_of_blocks,
)
from soundseam.pipeline.local.pool import in_order
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.duplicate import Fingerprint
from soundseam.schemas.record import content_key
from soundseam.schemas.tables import Table, arrow_schema, table_of

VERSION_KEY = b"soundseam.fingerprint"
ROWS_AT_ONCE = 1000
ROOM_MS = 2000
"""Peaks may be this far after the end of a file: frames and lengths are rounded."""


def check_fingerprints_target(path: Path) -> None:
    """Raises SetupError for a file without fingerprints of any version, which must not be overwritten."""
    if not path.exists():
        return
    try:
        if VERSION_KEY in (pq.read_schema(path).metadata or {}):
            return
    except (OSError, pa.ArrowException):
        pass
    raise SetupError(f"{path} exists and is not a fingerprint file: choose another --fingerprints")


def write_fingerprints(path: Path, rows: Iterable[Fingerprint]) -> int:
    """Writes a fingerprint file atomically; returns its number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{files.TEMPORARY_PREFIX}{path.name}")
    count = write_table(unfinished, Fingerprint, rows, {VERSION_KEY: str(VERSION).encode()})
    unfinished.rename(path)
    return count


def read_fingerprints(path: Path) -> Iterator[Fingerprint]:
    """Raises SetupError if it is not a fingerprint file of this version, or has invalid rows."""
    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(VERSION_KEY) != str(VERSION).encode():
                raise SetupError(f"{path} has no fingerprints of version {VERSION}: write it again with --fingerprints")
            columns = arrow_schema(Fingerprint).names
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                yield from map(_checked, batch.to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise SetupError(f"{path} is not a readable Parquet file: {' '.join(str(error).split())}") from error
    except (ValidationError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        raise SetupError(f"{path} has an invalid row: {first}") from error


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
    """Writes `rows` in batches; returns their number."""
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


FINGERPRINTS_FOLDER = "fingerprints"
AUDIO_ROWS = 16
"""Segments in memory at once."""
ALONE_BYTES = 32 * 2**20
"""Up to this size, audio is read by a single process."""


class SegmentsFile(NamedTuple):
    """A committed file of segments, and the recordings whose rows count."""

    name: str
    recording_ids: frozenset[str]
    size_bytes: int


def segment_files(corpus: Corpus) -> list[SegmentsFile]:
    """In order of name."""
    return sorted(
        SegmentsFile(entry.name, live, entry.bytes)
        for commit, live in corpus.live(SEGMENTS_STAGE)
        for entry in commit.files
        if live and entry.table == Table.SEGMENTS
    )


def segments_key(found: list[SegmentsFile]) -> str:
    """Changes whenever the segments do: names of files end in their content's hash."""
    return content_key([[file.name, sorted(file.recording_ids)] for file in found])


def make_fingerprints(
    output: str, found: list[SegmentsFile], workers: int, on_progress: Callable[[int, int], None]
) -> None:
    """Computes missing fingerprints, and removes those that are no longer needed.

    `on_progress` is called with the number of finished files and the total.
    """
    folder = files.join(output, RUN_FOLDER, FINGERPRINTS_FOLDER)
    there = {files.relative_to(stat.uri, folder) for stat in files.list_files(folder)}
    missing = [file for file in found if _cache_name(file.name) not in there]
    # Processes take seconds to start.
    many = sum(file.size_bytes for file in missing) > ALONE_BYTES
    made = in_order(_make_file, [(output, file.name) for file in missing], workers if many else 1)
    for done, _ in enumerate(made, len(found) - len(missing) + 1):
        on_progress(done, len(found))
    needed = {_cache_name(file.name) for file in found}
    files.delete(files.join(folder, name) for name in there - needed)


def corpus_fingerprints(output: str, found: list[SegmentsFile]) -> Iterator[Fingerprint]:
    """The fingerprint of each committed segment, from the files of `make_fingerprints`."""
    for file in found:
        with files.local_copy(_cache_uri(output, file.name)) as path:
            try:
                yield from (one for one in read_fingerprints(path) if one.recording_id in file.recording_ids)
            except SetupError as error:
                raise SetupError(f"{error}. Delete {_cache_uri(output, file.name)}, and it will be rebuilt") from error


def _cache_name(name: str) -> str:
    return f"v{VERSION}/{name}"


def _cache_uri(output: str, name: str) -> str:
    return files.join(output, RUN_FOLDER, FINGERPRINTS_FOLDER, _cache_name(name))


def _make_file(task: tuple[str, str]) -> None:
    output, name = task
    with (
        tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as scratch,
        files.open_read(files.join(output, Table.SEGMENTS, name)) as file,
        pq.ParquetFile(file) as parquet,
    ):
        path = Path(scratch) / "fingerprints.parquet"
        write_fingerprints(path, _fingerprints_in(parquet))
        files.publish(path, _cache_uri(output, name))


def _fingerprints_in(parquet: pq.ParquetFile) -> Iterator[Fingerprint]:
    for batch in parquet.iter_batches(batch_size=AUDIO_ROWS, columns=["segment_id", "recording_id", "audio"]):
        for row in batch.to_pylist():
            yield _fingerprint(row["segment_id"], row["recording_id"], row["audio"]["bytes"])


def _fingerprint(segment_id: str, recording_id: str, flac: bytes) -> Fingerprint:
    try:
        samples, rate_hz = read_flac(flac)
    except soundfile.LibsndfileError as error:
        raise SetupError(f"the audio of segment {segment_id} cannot be decoded: {error}") from error
    if rate_hz != RATE_HZ:
        raise SetupError(f"the audio of segment {segment_id} is at {rate_hz} Hz, not {RATE_HZ}")
    pcm = to_pcm16(samples)
    blocks = (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
    return Fingerprint(
        name=segment_id,
        recording_id=recording_id,
        duration_ms=len(pcm) * 1000 // RATE_HZ,
        audio_sha256=audio_sha256(pcm),
        peaks=peaks_of_blocks(blocks).astype("<u8").tobytes(),
    )

"""Fingerprints of a corpus's segments: kept beside it, a file for each file of segments.

They are made once, by several processes; killed, what is finished stays, and a corpus that grew needs those of its new
files alone.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import soundfile

from pipeline.dedup.fingerprint import BLOCK, FULL_SCALE, RATE_HZ, VERSION, audio_sha256, peaks_of_blocks
from pipeline.dedup.fingerprint_files import read_fingerprints, write_fingerprints
from pipeline.dedup.in_order import in_order
from pipeline.errors import SetupError
from pipeline.storage import files
from pipeline.storage.commits import RUN_FOLDER, Corpus
from pipeline.work import SEGMENTS_STAGE
from schemas.duplicate import Fingerprint
from schemas.record import content_key
from schemas.tables import Table

FINGERPRINTS_FOLDER = "fingerprints"
AUDIO_ROWS = 16
"""Segments in memory at once."""
ALONE_BYTES = 32 * 2**20
"""Up to so much audio is read by one process."""


class SegmentsFile(NamedTuple):
    """A committed file of segments, and the recordings whose rows count."""

    name: str
    recording_ids: frozenset[str]
    size_bytes: int


def segment_files(corpus: Corpus) -> list[SegmentsFile]:
    """In order of name."""
    owners = corpus.owners(SEGMENTS_STAGE, {})
    return sorted(
        SegmentsFile(entry.name, live, entry.bytes)
        for commit in corpus.commits[SEGMENTS_STAGE]
        if (live := frozenset(name for name in commit.recording_ids if owners[name] is commit))
        for entry in commit.files
        if entry.table == Table.SEGMENTS
    )


def segments_key(found: list[SegmentsFile]) -> str:
    """Changes whenever the segments do: names of files end in their content's hash."""
    return content_key([[file.name, sorted(file.recording_ids)] for file in found])


def make_fingerprints(output: str, found: list[SegmentsFile], workers: int, tell: Callable[[int, int], None]) -> None:
    """Makes those that are missing, and removes those that nothing needs.

    `tell` hears how many files are done, of how many.
    """
    folder = files.join(output, RUN_FOLDER, FINGERPRINTS_FOLDER)
    there = {files.relative_to(stat.uri, folder) for stat in files.list_files(folder)}
    missing = [file for file in found if _kept_name(file.name) not in there]
    # Processes take seconds to start.
    many = sum(file.size_bytes for file in missing) > ALONE_BYTES
    made = in_order(_make_file, [(output, file.name) for file in missing], workers if many else 1)
    for done, _ in enumerate(made, len(found) - len(missing) + 1):
        tell(done, len(found))
    kept = {_kept_name(file.name) for file in found}
    files.delete(files.join(folder, name) for name in there - kept)


def corpus_fingerprints(output: str, found: list[SegmentsFile]) -> Iterator[Fingerprint]:
    """The fingerprint of each committed segment, as `make_fingerprints` left them."""
    for file in found:
        with files.local_copy(_kept_uri(output, file.name)) as path:
            try:
                yield from (one for one in read_fingerprints(path) if one.recording_id in file.recording_ids)
            except SetupError as error:
                raise SetupError(f"{error}. Delete {_kept_uri(output, file.name)}, and it will be made anew") from error


def _kept_name(name: str) -> str:
    return f"v{VERSION}/{name}"


def _kept_uri(output: str, name: str) -> str:
    return files.join(output, RUN_FOLDER, FINGERPRINTS_FOLDER, _kept_name(name))


def _make_file(work: tuple[str, str]) -> None:
    output, name = work
    with (
        tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as scratch,
        files.open_read(files.join(output, Table.SEGMENTS, name)) as file,
        pq.ParquetFile(file) as parquet,
    ):
        path = Path(scratch) / "fingerprints.parquet"
        write_fingerprints(path, _fingerprints_in(parquet))
        files.publish(path, _kept_uri(output, name))


def _fingerprints_in(parquet: pq.ParquetFile) -> Iterator[Fingerprint]:
    for batch in parquet.iter_batches(batch_size=AUDIO_ROWS, columns=["segment_id", "recording_id", "audio"]):
        for row in batch.to_pylist():
            yield _fingerprint(row["segment_id"], row["recording_id"], row["audio"]["bytes"])


def _fingerprint(segment_id: str, recording_id: str, flac: bytes) -> Fingerprint:
    try:
        decoded, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SetupError(f"the audio of segment {segment_id} cannot be decoded: {error}") from error
    if rate_hz != RATE_HZ:
        raise SetupError(f"the audio of segment {segment_id} is at {rate_hz} Hz, not {RATE_HZ}")
    pcm = np.ascontiguousarray(decoded[:, 0])
    samples = (pcm / np.float32(FULL_SCALE)).astype(np.float32)
    blocks = (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
    return Fingerprint(
        name=segment_id,
        recording_id=recording_id,
        duration_ms=len(pcm) * 1000 // RATE_HZ,
        audio_sha256=audio_sha256(pcm),
        peaks=peaks_of_blocks(blocks).astype("<u8").tobytes(),
    )

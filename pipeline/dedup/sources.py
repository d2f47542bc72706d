"""Fingerprints of whatever is compared: the segments of a corpus, the files of a folder, a fingerprint file."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from annotators.base import Samples
from annotators.detection.base import Waveform
from pipeline.audio.decode import DecodeConfig, decode_recording
from pipeline.audio.stream import DecodeError
from pipeline.dedup.fingerprint import BLOCK, RATE_HZ, audio_sha256, peaks_of_blocks
from pipeline.dedup.store import read_fingerprints
from pipeline.errors import SetupError
from pipeline.inspection import committed_rows
from pipeline.storage.commits import Corpus
from schemas.duplicate import Fingerprint
from schemas.record import content_key
from schemas.tables import Table

AUDIO_ROWS = 16
"""Segments in memory at once."""
FULL_SCALE = 32768
FINGERPRINTS_SUFFIX = ".parquet"

_log = logging.getLogger(__name__)


def corpus_fingerprints(corpus: Corpus) -> Iterator[Fingerprint]:
    """A fingerprint of each committed segment, from its audio."""
    columns = ["recording_id", "segment_id", "audio"]
    for row in committed_rows(corpus, Table.SEGMENTS, columns, AUDIO_ROWS):
        audio = row["audio"]
        data = audio["bytes"] if isinstance(audio, dict) else b""
        decoded, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
        if rate_hz != RATE_HZ:
            raise SetupError(f"the audio of segment {row['segment_id']} is at {rate_hz} Hz, not {RATE_HZ}")
        pcm = np.ascontiguousarray(decoded[:, 0])
        samples = (pcm / np.float32(FULL_SCALE)).astype(np.float32)
        blocks = (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
        yield Fingerprint(
            name=str(row["segment_id"]),
            recording_id=str(row["recording_id"]),
            duration_ms=len(pcm) * 1000 // RATE_HZ,
            audio_sha256=audio_sha256(pcm),
            peaks=peaks_of_blocks(blocks).astype("<u8").tobytes(),
        )


def evaluation_fingerprints(path: Path) -> Iterator[Fingerprint]:
    """Fingerprints of an evaluation set: a fingerprint file as it is, or every file of a folder that can be decoded."""
    if path.suffix == FINGERPRINTS_SUFFIX:
        yield from read_fingerprints(path)
        return
    for file in _files_of(path):
        try:
            yield _file_fingerprint(file, file.relative_to(path).as_posix())
        except DecodeError as error:
            _log.warning("%s of the evaluation set was left out: %s", file.name, error.detail)


def evaluation_key(path: Path) -> str:
    """Changes whenever the set does."""
    if not path.exists():
        raise SetupError(f"there is no {path}: --against names a folder of audio or a file that --fingerprints wrote")
    if path.suffix == FINGERPRINTS_SUFFIX:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    stats = [(file.relative_to(path).as_posix(), file.stat()) for file in _files_of(path)]
    return content_key([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _file_fingerprint(path: Path, name: str) -> Fingerprint:
    with decode_recording(path, DecodeConfig()) as decoded:
        digest = hashlib.sha256()

        def blocks() -> Iterator[Samples]:
            for samples in _blocks_of(decoded.waveform):
                digest.update(np.round(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes())
                yield samples

        peaks = peaks_of_blocks(blocks())
        return Fingerprint(
            name=name,
            recording_id=None,
            duration_ms=decoded.duration_ms,
            audio_sha256=digest.hexdigest(),
            peaks=peaks.astype("<u8").tobytes(),
        )


def _blocks_of(waveform: Waveform) -> Iterator[Samples]:
    for start in range(0, waveform.num_samples, BLOCK):
        yield waveform.read(start, min(BLOCK, waveform.num_samples - start))

"""Fingerprints of evaluation sets: the files of a folder, or a fingerprint file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from soundseam.annotators.base import Samples
from soundseam.annotators.flac import to_pcm16
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.fingerprint import BLOCK, peaks_of_blocks
from soundseam.pipeline.dedup.fingerprint_files import read_fingerprints
from soundseam.pipeline.local.pool import in_order
from soundseam.schemas.duplicate import Fingerprint
from soundseam.schemas.record import content_key

FINGERPRINTS_SUFFIX = ".parquet"

_log = logging.getLogger(__name__)


def evaluation_fingerprints(path: Path, workers: int) -> Iterator[Fingerprint]:
    """The fingerprints in a fingerprint file, or of all decodable files of a folder, or of one file; by `workers`
    processes.

    Raises SetupError if there is nothing to compare with.
    """
    if _is_fingerprint_file(path):
        yield from read_fingerprints(path)
        return
    names = _names_in(path)
    undecoded = []
    for name, made in zip(names, in_order(_fingerprint_of, [(path, name) for name in names], workers), strict=True):
        if isinstance(made, Fingerprint):
            yield made
        else:
            undecoded.append(f"{name}: {made}")
    if len(undecoded) == len(names):
        raise SetupError(f"{path} has no audio: give --against a folder of audio or a file written by --fingerprints")
    if undecoded:
        _log.warning(
            "%d of %d files in %s are not audio and were left out, such as %s",
            len(undecoded),
            len(names),
            path,
            undecoded[0],
        )


def evaluation_key(path: Path) -> str:
    """Changes whenever the set does."""
    if not path.exists():
        raise SetupError(f"there is no {path}: --against names a folder of audio or a file that --fingerprints wrote")
    if _is_fingerprint_file(path):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    stats = [(name, (path / name).stat()) for name in _names_in(path)]
    return content_key([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def _is_fingerprint_file(path: Path) -> bool:
    return path.suffix == FINGERPRINTS_SUFFIX and path.is_file()


def _names_in(path: Path) -> list[str]:
    """Files under a folder, hidden ones aside, as their names are in it; a file is alone in its own."""
    if path.is_file():
        return [""]
    found = (each for each in path.rglob("*") if each.is_file())
    names = sorted(each.relative_to(path).as_posix() for each in found)
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _fingerprint_of(work: tuple[Path, str]) -> Fingerprint | str:
    """The fingerprint of a file, or why there is none."""
    folder, name = work
    try:
        return _file_fingerprint(folder / name, name or folder.name)
    except DecodeError as error:
        return error.detail


def _file_fingerprint(path: Path, name: str) -> Fingerprint:
    with decode_recording(path, DecodeConfig()) as decoded:
        digest = hashlib.sha256()

        def blocks() -> Iterator[Samples]:
            for samples in decoded.waveform.blocks(BLOCK):
                digest.update(to_pcm16(samples).astype("<i2").tobytes())
                yield samples

        peaks = peaks_of_blocks(blocks())
        return Fingerprint(
            name=name,
            recording_id=None,
            duration_ms=decoded.duration_ms,
            audio_sha256=digest.hexdigest(),
            peaks=peaks.astype("<u8").tobytes(),
        )

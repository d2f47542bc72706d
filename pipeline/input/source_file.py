"""Opens the file of a source, and checks that its bytes are those that were hashed when it was listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.input.sources import recording_id_of
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.redact import redact_text
from soundseam.schemas.recording import CHANGED, MISSING_FILE, UNREADABLE, Source


@dataclass(frozen=True)
class SourceFile:
    """A local file that had the source's bytes when it was opened."""

    path: Path
    source: Source
    _state: tuple[int, int, int]

    def check(self) -> None:
        """Raises DecodeError if the file has been replaced, written to or removed since."""
        try:
            state = _state_of(self.path)
        except OSError as error:
            raise _lost(self.source, error) from error
        if state != self._state:
            raise DecodeError(CHANGED, f"{self.source.source_uri} was changed while it was read")


@contextmanager
def open_source(source: Source) -> Iterator[SourceFile]:
    """Raises DecodeError for a file that is missing, cannot be read, or has other bytes than when it was listed."""
    copy = files.local_copy(source.uri)
    try:
        path = copy.__enter__()
    except OSError as error:
        raise _lost(source, error) from error
    try:
        yield _opened(source, path)
    finally:
        copy.__exit__(None, None, None)


def _opened(source: Source, path: Path) -> SourceFile:
    try:
        opened = SourceFile(path, source, _state_of(path))
        found = recording_id_of(path.absolute().as_uri())
    except OSError as error:
        raise _lost(source, error) from error
    if found != source.recording_id:
        raise DecodeError(CHANGED, f"{source.source_uri} holds other bytes than when it was listed")
    opened.check()
    return opened


def _state_of(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - a name may hold any bytes
    return status.st_ino, status.st_size, status.st_mtime_ns


def _lost(source: Source, error: OSError) -> DecodeError:
    if isinstance(error, FileNotFoundError):
        return DecodeError(MISSING_FILE, f"{source.source_uri} was there when it was listed")
    return DecodeError(UNREADABLE, error.strerror or redact_text(str(error), source.uri))

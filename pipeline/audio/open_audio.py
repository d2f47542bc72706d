"""Which reader opens a file: decided by its first bytes, never by its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.audio.demux import open_demuxed
from pipeline.audio.pcm import is_pcm_file, open_pcm
from pipeline.audio.stream import AudioReader, DecodeError

Opener = Callable[[Path], AbstractContextManager[AudioReader]]


def openers(path: Path) -> tuple[Opener, ...]:
    """The ways to open `path`, fastest first; a later one is for what an earlier one cannot read to the end.

    Raises DecodeError where there is no file with bytes to read.
    """
    try:
        if path.stat().st_size == 0:
            raise DecodeError("empty_file", "0 bytes")
        return (open_pcm, open_demuxed) if is_pcm_file(path) else (open_demuxed,)
    except FileNotFoundError as error:
        raise DecodeError("missing_file", "the file is gone") from error
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or type(error).__name__) from error

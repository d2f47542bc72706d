"""Soundseam turns raw audio into training data for audio-language models.

Installed, everything lives under this name: `soundseam.schemas`, `soundseam.annotators`, `soundseam.pipeline`. In the
repository those are the folders at its top. The names below are the Python API; they are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundseam.pipeline.api import (
        CorpusView,
        Quiet,
        RunOptions,
        Segmented,
        SegmentView,
        build_long,
        build_samples,
        decoded,
        export,
        open_corpus,
        run,
        segment_file,
        write_audio,
    )

__all__ = [
    "CorpusView",
    "Quiet",
    "RunOptions",
    "SegmentView",
    "Segmented",
    "build_long",
    "build_samples",
    "decoded",
    "export",
    "open_corpus",
    "run",
    "segment_file",
    "write_audio",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from soundseam.pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module 'soundseam' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

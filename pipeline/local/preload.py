"""Imported once, by the process that workers are forked from: what every worker needs."""

from __future__ import annotations

import os
from importlib import import_module

_OUTPUT = (1, 2)


def _import_quietly(module: str) -> None:
    """Imports `module`. What that prints is for a worker's log, which does not exist yet, not for the terminal."""
    before = [os.dup(stream) for stream in _OUTPUT]
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - devnull is no file
        for stream in _OUTPUT:
            os.dup2(nothing.fileno(), stream)
    try:
        import_module(module)
    finally:
        for stream, kept in zip(_OUTPUT, before, strict=True):
            os.dup2(kept, stream)
            os.close(kept)


_import_quietly("soundseam.pipeline.stages.graph")

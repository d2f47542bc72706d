"""ONNX models included in the package: located, verified, opened on one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import AnnotationError, BackendUnavailableError, Clip

AnswerT = TypeVar("AnswerT")

_TOO_LITTLE = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed", "bad_alloc")
"""Out-of-memory messages of torch, CTranslate2 and cuBLAS, in lower case, on GPU and CPU."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that a smaller batch might fit."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _TOO_LITTLE)


def in_halves(run: Callable[[Sequence[Clip]], list[AnswerT]], clips: Sequence[Clip]) -> list[AnswerT]:
    """`run(clips)`; if the device runs out of memory, the two halves one after the other, down to one clip.

    Raises AnnotationError if a single clip does not fit.
    """
    try:
        return run(clips)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(clips) == 1:
            raise AnnotationError("out_of_memory", f"not even one clip fits: {error}") from error
    # Outside the handler: the error's traceback would keep the tensors of the failed attempt alive.
    middle = len(clips) // 2
    return [*in_halves(run, clips[:middle]), *in_halves(run, clips[middle:])]


Floats = NDArray[np.float32]


class Input(Protocol):
    """An input of a model."""

    @property
    def name(self) -> str: ...


class Session(Protocol):
    """The calls of an `onnxruntime.InferenceSession` that detectors use."""

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, Floats]) -> Sequence[Floats]: ...

    def get_inputs(self) -> Sequence[Input]: ...


CARRIED = Path(str(files("soundseam.annotators")))
"""What the names in a model's `carries` are relative to."""


def carried_weights(name: str, family: str = "detection") -> Path:
    """The path of a file in the `weights` folder of a family of backends."""
    return CARRIED / family / "weights" / name


def open_session(path: Path, sha256: str | None = None) -> Session:
    """The model at `path` on the CPU and one thread: workers are processes, one per core.

    Raises BackendUnavailableError if the file is missing, does not match `sha256` (hexadecimal), or cannot be opened by
    onnxruntime.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    if not path.is_file():
        raise BackendUnavailableError(f"{path} is missing: install the package again, or give the path of the weights")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise BackendUnavailableError(
            f"{path} has SHA-256 {found}, not {sha256}: it is damaged or another version; install the package again"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # 3 = errors only: exporters leave initialisers that onnxruntime would warn about at each load.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, sess_options=options, providers=["CPUExecutionProvider"])
    except (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.InvalidArgument) as error:
        raise BackendUnavailableError(f"{path} is not a model that onnxruntime can open: {error}") from error
    return cast(Session, session)

"""Running a model on as many clips at once as the device's memory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from annotators.base import AnnotationError, Clip

AnswerT = TypeVar("AnswerT")

_TOO_LITTLE = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed", "bad_alloc")
"""How torch, CTranslate2 and cuBLAS say, in small letters, that memory is short, on a GPU and on a CPU."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that less at once might fit."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _TOO_LITTLE)


def in_halves(run: Callable[[Sequence[Clip]], list[AnswerT]], clips: Sequence[Clip]) -> list[AnswerT]:
    """`run(clips)`, or, where the device runs out of memory, its halves one after the other, down to one clip.

    Raises AnnotationError where one clip alone is too much.
    """
    try:
        return run(clips)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(clips) == 1:
            raise AnnotationError("out_of_memory", f"not even one clip fits: {error}") from error
    # Outside the handler: the error's traceback would hold on to the tensors of the failed attempt.
    middle = len(clips) // 2
    return [*in_halves(run, clips[:middle]), *in_halves(run, clips[middle:])]

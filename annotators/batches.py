"""Running a model on as many clips at once as the device's memory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from annotators.base import AnnotationError, Clip

AnswerT = TypeVar("AnswerT")


def in_halves(run: Callable[[Sequence[Clip]], list[AnswerT]], clips: Sequence[Clip]) -> list[AnswerT]:
    """`run(clips)`, or, where the device runs out of memory, its halves one after the other, down to one clip.

    Raises AnnotationError where one clip alone is too much.
    """
    try:
        return run(clips)
    except RuntimeError as error:
        # torch.cuda.OutOfMemoryError is a RuntimeError; CTranslate2 raises a plain one.
        if "out of memory" not in str(error).lower():
            raise
        if len(clips) == 1:
            raise AnnotationError("out_of_memory", f"not even one clip fits: {error}") from error
    # Outside the handler: the error's traceback would hold on to the tensors of the failed attempt.
    middle = len(clips) // 2
    return [*in_halves(run, clips[:middle]), *in_halves(run, clips[middle:])]

"""Streams of questions about segments: asked as they come, answered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from annotators.chat import streams
from annotators.chat.questions import Asker, Question, Reply

ItemT = TypeVar("ItemT")


def ask_each(
    asker: Asker, items: Iterable[ItemT], questions: Callable[[ItemT], Sequence[Question]]
) -> Iterator[tuple[ItemT, list[Reply]]]:
    """Each item, whole, with the replies to its `questions`."""
    return streams.ask_each(asker, items, questions, lambda item: item)

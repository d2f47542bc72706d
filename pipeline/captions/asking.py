"""Streams of questions about segments: asked as they come, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from annotators.chat.questions import Asker, Question, Reply

ItemT = TypeVar("ItemT")


def ask_each(
    asker: Asker, items: Iterable[ItemT], questions: Callable[[ItemT], Sequence[Question]]
) -> Iterator[tuple[ItemT, list[Reply]]]:
    """Each item with the replies to its `questions`, in order; none for one about which nothing is asked.

    Items are drawn as questions are answered, so that memory holds those in flight alone.
    """
    drawn: deque[ItemT] = deque()

    def groups() -> Iterator[Sequence[Question]]:
        for item in items:
            drawn.append(item)
            yield questions(item)

    for replies in asker.ask(groups()):
        yield drawn.popleft(), replies

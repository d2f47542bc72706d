"""What asking took: counted while it goes on, from any thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from schemas.record import Record


class Usage(Record):
    """What a run asked its servers."""

    requests: int = 0
    """Sent, those that failed included."""
    retries: int = 0
    """Of these, for questions that had been sent before."""
    answers: int = 0
    """That came from a server."""
    kept_answers: int = 0
    """That an earlier run had kept: nothing was sent for them."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt tokens, those that the servers say they had in their prefix cache."""
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})

    def __bool__(self) -> bool:
        return self != Usage()


class Tally:
    """Counts for one stream of questions. `alive` is called at every sign of life, from whatever thread."""

    def __init__(self, alive: Callable[[], None] = lambda: None) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._alive = alive

    def add(self, **counts: int) -> None:
        """Adds to the fields of `Usage` that it names."""
        with self._lock:
            self._counts.update(counts)
        self._alive()

    def take(self) -> Usage:
        """What was counted since the last call."""
        with self._lock:
            usage = Usage(**self._counts)
            self._counts.clear()
        return usage

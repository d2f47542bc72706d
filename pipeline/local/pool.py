"""Work in processes of their own, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Work = TypeVar("Work")
Made = TypeVar("Made")

AHEAD = 4
"""Results of a worker that may wait for their turn."""


def in_order(make: Callable[[Work], Made], works: Sequence[Work], workers: int) -> Iterator[Made]:
    """`make` of each work. In this process for one worker or one work."""
    if workers == 1 or len(works) < 2:
        yield from map(make, works)
        return
    with ProcessPoolExecutor(min(workers, len(works)), get_context("spawn")) as pool:
        waiting: deque[Future[Made]] = deque()
        for work in works:
            waiting.append(pool.submit(make, work))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

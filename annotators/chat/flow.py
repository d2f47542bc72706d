"""Many coroutines at once behind an iterator: an event loop in a thread of its own, and a window over a stream."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

AHEAD = 0.25
"""Of those in flight, so many more lie ready, so that none has to wait for the reader of a file."""
MOST_WAITING = 8
"""Times those in flight: so many may be done and wait for a slow one before them; they hold no sound."""
LOOK_AGAIN_S = 5.0


class LoopThread:
    """An event loop that runs until it is stopped, or until nobody holds this object any more."""

    def __init__(self, at_end: Callable[[], Awaitable[None]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop, at_end), name="chat-client", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    def submit(self, coroutine: Coroutine[Any, Any, ResultT]) -> Future[ResultT]:
        if not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("the client has been closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        self._end()
        self._thread.join()


def _run(loop: asyncio.AbstractEventLoop, at_end: Callable[[], Awaitable[None]]) -> None:
    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await at_end()

    try:
        loop.run_forever()
        loop.run_until_complete(end())
    finally:
        loop.close()


class Flow(Generic[ResultT]):
    """One stream of groups through a loop: it draws them as fast as they are answered, and keeps their order."""

    def __init__(self, thread: LoopThread, in_flight: int) -> None:
        self._thread = thread
        self._most_unanswered = in_flight + max(1, round(AHEAD * in_flight))
        self._most_waiting = MOST_WAITING * in_flight
        self._pending: deque[Future[ResultT]] = deque()
        self._unanswered = 0
        self._lock = threading.Lock()
        self._moved = threading.Event()

    def run(
        self, groups: Iterable[Sequence[ItemT]], answer: Callable[[Sequence[ItemT]], Coroutine[Any, Any, ResultT]]
    ) -> Generator[ResultT, None, None]:
        """What `answer` gives for each group, in order. Closing the iterator cancels what is not answered."""
        source = iter(groups)
        drained = False
        try:
            while self._pending or not drained:
                self._moved.clear()
                if self._pending and self._pending[0].done():
                    yield self._pending.popleft().result()
                elif not drained and self._has_room():
                    group = next(source, None)
                    if group is None:
                        drained = True
                    else:
                        self._add(self._thread.submit(answer(group)), len(group))
                else:
                    self._moved.wait(LOOK_AGAIN_S)
        finally:
            for future in self._pending:
                future.cancel()

    def _has_room(self) -> bool:
        with self._lock:
            return self._unanswered < self._most_unanswered and len(self._pending) < self._most_waiting

    def _add(self, future: Future[ResultT], questions: int) -> None:
        with self._lock:
            self._unanswered += questions
        self._pending.append(future)

        def done(_: Future[ResultT]) -> None:
            with self._lock:
                self._unanswered -= questions
            self._moved.set()

        future.add_done_callback(done)

"""Runs tasks in separate processes, with results in order."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

AHEAD = 4
"""Maximum number of finished results per worker that wait for their turn."""


def in_order(make: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int) -> Iterator[ResultT]:
    """The result of `make` for each task, in order; in this process if there is one worker or one task."""
    if workers == 1 or len(tasks) < 2:
        yield from map(make, tasks)
        return
    # The initializer: a killed parent runs no clean-up, and its processes would wait for it forever.
    with ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), die_with, (os.getpid(),)) as pool:
        waiting: deque[Future[ResultT]] = deque()
        for task in tasks:
            waiting.append(pool.submit(make, task))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def die_with(parent: int) -> None:
    """Makes Linux kill this process when its parent dies, even during a call that holds the interpreter's lock."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def name_cache_of_compiled_code() -> None:
    """Gives numba a cache folder of the user's own in the temporary folder if it would find none: in a read-only
    installation without a writable home, it raises instead of compiling. Child processes inherit the setting.
    """
    home = Path("~").expanduser()
    if "NUMBA_CACHE_DIR" in os.environ or os.access(home, os.W_OK | os.X_OK):
        return
    folder = Path(tempfile.gettempdir(), f"soundseam-numba-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        # The folder contains code that is run, so it must not belong to somebody else.
        folder = Path(tempfile.mkdtemp(prefix="soundseam-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)

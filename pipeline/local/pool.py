"""Work in processes of their own, results in order."""

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

Work = TypeVar("Work")
Made = TypeVar("Made")

AHEAD = 4
"""Results of a worker that may wait for their turn."""


def in_order(make: Callable[[Work], Made], works: Sequence[Work], workers: int) -> Iterator[Made]:
    """`make` of each work. In this process for one worker or one work."""
    if workers == 1 or len(works) < 2:
        yield from map(make, works)
        return
    # The initializer: a parent that is killed runs no clean-up, and its processes would wait for it for ever.
    with ProcessPoolExecutor(min(workers, len(works)), get_context("spawn"), die_with, (os.getpid(),)) as pool:
        waiting: deque[Future[Made]] = deque()
        for work in works:
            waiting.append(pool.submit(make, work))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def die_with(parent: int) -> None:
    """Has Linux kill this process when its parent dies, even inside a call that holds the interpreter's lock."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def name_cache_of_compiled_code() -> None:
    """Gives numba a folder of the user's own below the temporary one if it would find none: installed read-only, and
    without a home that can be written to, it raises instead of compiling. Processes started later inherit it.
    """
    home = Path("~").expanduser()
    if "NUMBA_CACHE_DIR" in os.environ or os.access(home, os.W_OK | os.X_OK):
        return
    folder = Path(tempfile.gettempdir(), f"soundseam-numba-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        # What lies there is code that would be run: never somebody else's.
        folder = Path(tempfile.mkdtemp(prefix="soundseam-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)

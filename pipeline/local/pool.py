"""Processes beside this one: how they are started and end, and a pool of them with results in order."""

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
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import TypeVar

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

LOCAL_RUNNERS = ("DirectRunner", "FnApiRunner")
"""Beam runners whose work is done by processes on this machine."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
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


def worker_context() -> ForkServerContext | SpawnContext:
    """How worker processes are started: on Linux forked from a process that has imported what they need, so that it is
    imported once; elsewhere, where forking after imports is not safe, new ones.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["soundseam.pipeline.local.preload"])
    return context


def import_ahead() -> None:
    """Starts to import, in the background, what workers need: by the time they are started, much of it is there."""
    if isinstance(worker_context(), ForkServerContext):
        with one_thread_each():
            forkserver.ensure_running()


def let_server_end() -> None:
    """In a worker: closes the pipe that keeps the process that it was forked from alive. That process then ends with
    the one that has started it, even if this one does not, and this one with it (`die_with`).
    """
    server = forkserver._forkserver
    pipe: int | None = getattr(server, "_forkserver_alive_fd", None)
    if pipe is not None:
        os.close(pipe)
        setattr(server, "_forkserver_alive_fd", None)  # noqa: B010 - the type stubs do not know it


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started inside use one thread in numeric libraries: there is already one worker per core.

    The variables must be set before the libraries load, which happens in a new process before it runs our code.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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

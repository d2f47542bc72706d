"""Kills a process with SIGKILL just before the n-th thing it does to the file system."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator

TOUCHES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}
"""Audit events that change what another process sees; so does `open` for writing."""

# A server that has imported everything once and has no threads: its forks start at once and are safe.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "soundseam.pipeline.long.launch",
        "soundseam.pipeline.long.build",
        "soundseam.pipeline.storage.commits",
        "tests.support.crashes",
        "tests.support.builders",
        "tests.pipeline.filters.corpora",
    ]
)


def killed_everywhere(target: Callable[..., None], arguments: Callable[[int], tuple[object, ...]]) -> Iterator[int]:
    """Runs `target(*arguments(n))` in a process of its own for n = 1, 2, ..., killed before its n-th touch.

    Yields n after each death, and ends with the first run that lives to its end. What the runs share between them is
    up to `arguments`.
    """
    point = 1
    while True:
        process = _FORKS.Process(target=_run_until, args=(point, target, arguments(point)))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            return
        assert process.exitcode == -signal.SIGKILL, f"ended with exit code {process.exitcode}"
        yield point
        point += 1


def _run_until(point: int, target: Callable[..., None], arguments: tuple[object, ...]) -> None:
    left = point

    def count(event: str, details: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES or (event == "open" and _is_writing(details)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    target(*arguments)


def _is_writing(details: tuple[object, ...]) -> bool:
    path, _, flags = details
    return isinstance(path, str | bytes) and isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))

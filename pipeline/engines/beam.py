"""A job on a Beam runner: followed by what it commits while it lasts, and its failure in one line."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.local.supervisor import WorkerFailedError
from soundseam.pipeline.local.watcher import RunWatcher
from soundseam.pipeline.local.worker import RunGroup
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, read_stages
from soundseam.pipeline.storage.redact import redact_text
from soundseam.pipeline.work import ShardTask

LOGS_FOLDER = "logs"
POLL_S = 0.5
MIN_COUNT_S = 2.0
COUNT_SHARE = 0.05
"""Counting what is committed takes at most this share of the time."""


@dataclass(frozen=True)
class RunnerJob:
    """Tasks as one job of a Beam runner."""

    run: RunGroup
    output: str
    runner: str
    watcher: RunWatcher

    def do(self, tasks: Sequence[ShardTask]) -> None:
        """Returns when the job is done. Raises WorkerFailedError with what is done and the job's log if it fails."""
        follower = _Committed(self.output, tasks, self.watcher)
        follow_job(lambda: self.run(tasks, ProgressLog()), self.output, self.runner, follower)


class Follower(Protocol):
    """Shows the progress of a job."""

    def count(self) -> None:
        """Looks for what has been committed since."""
        ...

    def tick(self) -> None:
        """Called a few times per second."""
        ...

    def done(self) -> str:
        """What is done, in words."""
        ...


def follow_job(run: Callable[[], None], output: str, runner: str, follower: Follower) -> None:
    """Runs a job and returns when it is done.

    Raises WorkerFailedError with what is done and the job's log if it fails.
    """
    clear_logs(output)
    with tempfile.TemporaryDirectory(prefix="soundseam-") as folder:
        log = Path(folder) / f"{runner}.log"
        try:
            with _beams_log(log), _followed(follower):
                run()
        except SetupError:
            raise
        except Exception as error:
            with log.open("a", encoding="utf-8") as file:
                file.write(redact_text(traceback.format_exc()))
            place = save_log(output, log.name, log.read_bytes())
            raise WorkerFailedError(
                f"{runner} ended the job: {cause_of(str(error))}. {follower.done()}; the log is {place}"
            ) from error


@contextmanager
def _followed(follower: Follower) -> Iterator[None]:
    """Counts in a thread while the block lasts, and once more at its end."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(follower, ended), name="commits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        follower.count()


def _follow(follower: Follower, ended: threading.Event) -> None:
    next_s = time.monotonic() + MIN_COUNT_S
    while not ended.wait(POLL_S):
        begun_s = time.monotonic()
        if begun_s >= next_s:
            follower.count()
            now_s = time.monotonic()
            next_s = now_s + max(MIN_COUNT_S, (now_s - begun_s) / COUNT_SHARE)
        follower.tick()


def save_log(output: str, name: str, data: bytes) -> str:
    """Writes a log to OUT, replacing one of the same name; returns its address."""
    uri = files.join(output, RUN_FOLDER, LOGS_FOLDER, name)
    files.write_atomically(uri, data)
    return uri


def clear_logs(output: str) -> None:
    """Removes the logs of earlier failures from OUT."""
    files.delete([stat.uri for stat in files.list_files(files.join(output, RUN_FOLDER, LOGS_FOLDER))])
    files.remove_empty_folders(files.join(output, RUN_FOLDER), [LOGS_FOLDER])


_ERROR = re.compile(r"^(?:[\w.]*\.)?(\w*(?:Error|Exception)\b.*?)(?: \[while running .*)?$")
MAX_CAUSE = 300


def cause_of(text: str) -> str:
    """The line of an engine's message that says what went wrong: the last one that names an error, else the last."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip()]
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    return redact_text([*lines[-1:], *errors[-1:]][-1])[:MAX_CAUSE] if lines else "it gave no reason"


@contextmanager
def _beams_log(path: Path) -> Iterator[None]:
    """Meanwhile what Beam logs goes to a file instead of the terminal, where progress is shown."""
    logger, handler = logging.getLogger("apache_beam"), logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
        handler.close()


class _Committed:
    """Tells a watcher what has been committed of some tasks, whoever does them."""

    def __init__(self, output: str, tasks: Sequence[ShardTask], watcher: RunWatcher) -> None:
        self._output, self._watcher = output, watcher
        self._left: dict[str, dict[str, str]] = {}
        """stage → recording_id → the key that is not committed yet."""
        for work in tasks:
            for stage in work.stages:
                self._left.setdefault(stage.stage, {}).update(stage.keys)

    def tick(self) -> None:
        self._watcher.tick()

    def done(self) -> str:
        return self._watcher.done()

    def count(self) -> None:
        for stage, commits in read_stages(self._output, [stage for stage, left in self._left.items() if left]).items():
            left = self._left[stage]
            done = [name for commit in commits for name, key in commit.covers if left.get(name) == key]
            for name in done:
                left.pop(name, None)
            self._watcher.take_committed(stage, done)

"""A worker: a process that runs groups of shards one after another, and the parent's handle of it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import re
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, Protocol

from soundseam.annotators.base import BackendUnavailableError
from soundseam.pipeline.config import is_no_space, no_space
from soundseam.pipeline.local.pool import die_with, let_server_end, one_thread_each, worker_context
from soundseam.pipeline.local.progress import ProgressLog, Step
from soundseam.pipeline.storage.remote import has_requests
from soundseam.pipeline.work import ShardTask
from soundseam.schemas.record import Record

LOG_TAIL_BYTES = 2000


class RunGroup(Protocol):
    """Runs every stage of some tasks up to their commits, reporting each step to `progress`. Must be picklable."""

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None: ...


_BEAMS_REMARK = re.compile(r"\s*\[while running .*\]$")


class Answer(Record):
    """A worker's message: it has started, a group is done, a model cannot load, or an exception was raised."""

    state: Literal["ready", "done", "unavailable", "failed"]
    error: str = ""
    trace: str = ""


class Worker:
    """The parent's handle: starts the process, passes it groups, follows its steps, kills it and its children."""

    def __init__(self, run_group: RunGroup, folder: Path, number: int) -> None:
        self._log = folder / f"worker-{number}.log"
        self._steps = folder / f"worker-{number}.jsonl"
        self._read_bytes = 0
        self._pending = b""
        self.open_steps: list[Step] = []
        self.last_stage = ""
        self.steps_seen = 0
        self.ready = False
        self._last_done_s: float | None = None
        self._waiting: tuple[ShardTask, ...] | None = None
        self.last_sign_s = time.monotonic()
        self.connection, far_end = multiprocessing.Pipe()
        with one_thread_each():
            arguments = (far_end, str(self._steps), str(self._log), dict(os.environ))
            self.process = worker_context().Process(target=serve_groups, args=arguments)
            self.process.start()
        far_end.close()
        # Sent, not an argument of the process: imports may print or fail, so the log must exist first.
        self._send(run_group)

    def give(self, tasks: Sequence[ShardTask]) -> None:
        """Passes one group, after the process has started: before it reads, a large message would block this
        process.
        """
        self.open_steps.clear()
        self._last_done_s = None
        self.last_sign_s = time.monotonic()
        self._waiting = tuple(tasks)
        if self.ready:
            self._send_waiting()

    def _send_waiting(self) -> None:
        if self._waiting is not None:
            self._send(self._waiting)
        self._waiting = None

    def _send(self, message: object) -> None:
        # A worker that has just died is noticed elsewhere, by its process.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def receive(self) -> Answer | None:
        """The worker's next message; None if there is none. Never waits."""
        try:
            answer = self.connection.recv() if self.connection.poll() else None
        except (EOFError, ConnectionResetError):
            return None
        if not isinstance(answer, Answer):
            return None
        self.last_sign_s = time.monotonic()
        self.ready = True
        self._send_waiting()
        return answer

    def read_steps(self) -> list[tuple[Step, float]]:
        """The steps written since the last call, in order, with the duration of finished ones in seconds.

        Durations count from the end of the previous step, so that they include reading and writing in between.
        """
        try:
            with self._steps.open("rb") as file:
                file.seek(self._read_bytes)
                fresh = file.read()
        except FileNotFoundError:
            return []
        if not fresh:
            return []
        self.last_sign_s = time.monotonic()
        self._read_bytes += len(fresh)
        *lines, self._pending = (self._pending + fresh).split(b"\n")
        return [(step, self._follow(step)) for step in map(Step.model_validate_json, lines)]

    def _follow(self, step: Step) -> float:
        if step.state == "alive":
            return 0.0
        self.steps_seen += 1
        self.last_stage = step.stage
        if step.state == "start":
            self.open_steps.append(step)
            self._last_done_s = self._last_done_s or step.at_s
            return 0.0
        seconds = step.at_s - (self._last_done_s or step.at_s)
        self._last_done_s = step.at_s
        for index in reversed(range(len(self.open_steps))):
            begun = self.open_steps[index]
            if (begun.stage, begun.recording_ids) == (step.stage, step.recording_ids):
                del self.open_steps[index:]
                break
        return seconds

    def has_died(self) -> bool:
        return not self.process.is_alive()

    def cause_of_death(self) -> str:
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code} ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"

    def log_tail(self) -> str:
        """The end of the process's standard output and error."""
        try:
            return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def kill(self) -> None:
        """Kills the process and its children."""
        if self.process.pid is not None:
            # The group exists once the process has called setsid; before that there is only the process.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.join()
        self.connection.close()


def serve_groups(connection: Connection, steps: str, log: str, environment: Mapping[str, str]) -> None:
    """The worker process: receives a RunGroup, then groups until the other end closes the connection.

    `environment` is that of the process that has started it; the one that it is forked from may be older.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    let_server_end()
    die_with(os.getppid())
    os.environ.clear()
    os.environ.update(environment)
    _write_output_to(log)
    # Beam leaves an empty folder for every pipeline; here they are removed with the run's own.
    tempfile.tempdir = str(Path(steps).parent)
    run_group: RunGroup = connection.recv()
    groups: queue.SimpleQueue[Sequence[ShardTask]] = queue.SimpleQueue()
    threading.Thread(target=_receive_groups, args=(connection, groups), daemon=True).start()
    connection.send(Answer(state="ready"))
    while True:
        tasks = groups.get()
        try:
            progress = ProgressLog(path=steps)
            run_group(tasks, progress)
            if has_requests():
                progress.write("group", "alive", ())  # with the requests since the last step
        except BackendUnavailableError as error:
            connection.send(Answer(state="unavailable", error=_BEAMS_REMARK.sub("", str(error).strip())))
        except ConnectionError as error:
            # Of servers that stay away or refuse us: the message says which, and where it rose says nothing more.
            connection.send(Answer(state="failed", error=_BEAMS_REMARK.sub("", str(error).strip())))
        except Exception as error:  # noqa: BLE001 - rises again in the parent, which ends the run
            if is_no_space(str(error)):
                connection.send(Answer(state="unavailable", error=no_space()))
            else:
                connection.send(Answer(state="failed", error=_in_one_line(error), trace=traceback.format_exc()))
        else:
            connection.send(Answer(state="done"))


def _receive_groups(connection: Connection, groups: queue.SimpleQueue[Sequence[ShardTask]]) -> None:
    """Forwards the parent's messages; when the parent is gone, ends this process and its children."""
    try:
        while True:
            groups.put(connection.recv())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _write_output_to(log: str) -> None:
    """Redirects standard output and error to a file: the terminal is used by the progress display."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _in_one_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[-1] if text else ''}"

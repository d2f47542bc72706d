"""A run on an engine: its parts as tasks, and its progress from what they have committed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from soundseam.pipeline.config import load_config
from soundseam.pipeline.engines import connect
from soundseam.pipeline.engines.beam import LOGS_FOLDER, clear_logs
from soundseam.pipeline.engines.parts import Engine, PartOutcome, PartTask
from soundseam.pipeline.input.inputs import read_inputs
from soundseam.pipeline.input.manifest import Entry
from soundseam.pipeline.launch import RunRequest
from soundseam.pipeline.local.supervisor import WorkerFailedError
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, read_commits
from soundseam.pipeline.work import CAPTIONS_STAGE

PARTS_A_CORE = 3
"""So that workers finish at about the same time."""
MAX_PARTS = 10_000
POLL_S = 0.5
COUNT_S = 10.0
COUNT_SHARE = 0.05
"""Counting what is committed takes at most this share of the time."""
MAX_NAMED = 3


@dataclass(frozen=True)
class EngineRun:
    """A run whose parts an engine does."""

    address: str
    options: Mapping[str, str]
    request: RunRequest
    tokens: Sequence[str]
    """The inputs as they were typed, with Beam's options among them."""
    folder: str

    def do_parts(self, show: Callable[[str], None]) -> None:
        """Returns when all parts are done; the ordinary run then finishes. The caller holds `output_in_use`.

        Raises SetupError if the run cannot begin, WorkerFailedError if the engine or a part fails.
        """
        load_config(self.request.profile, self.request.overrides)
        items = read_inputs(self.request.inputs, self.request.output)
        total = len({item.uri for item in items if isinstance(item, Entry)})
        with closing(connect(self.address, self.options)) as engine:
            tasks = self._tasks(engine.cores, total)
            show(f"{total:,} files in {len(tasks):,} parts on {engine.cores:,} cores of {self.address}")
            clear_logs(self.request.output)
            progress = _Progress(self.request.output, total, len(tasks), show)
            try:
                failed = [outcome for outcome in _outcomes(engine, tasks, progress) if outcome.exit_code]
            except WorkerFailedError as error:
                raise WorkerFailedError(f"{error}. {progress.line()}; {engine.logs}") from error
        if failed:
            logs = f"the logs of parts are in {files.join(self.request.output, RUN_FOLDER, LOGS_FOLDER)}"
            raise WorkerFailedError(
                f"{len(failed)} of {len(tasks)} parts failed: {_named(failed)}. {progress.line()}; {logs}"
            )
        show(f"The engine has done its parts: {progress.line()}")

    def _tasks(self, cores: int, files: int) -> list[PartTask]:
        each = self.request.workers or 1
        total = max(1, min(files, MAX_PARTS, max(1, cores // each) * PARTS_A_CORE))
        arguments = [
            *("run", *self.tokens, "--output", self.request.output, "--profile", self.request.profile),
            *(word for override in self.request.overrides for word in ("--set", override)),
            *("--workers", str(each), "--stall-timeout", str(self.request.stall_timeout_s)),
        ]
        return [
            PartTask(
                part=f"{number}/{total}",
                arguments=(*arguments, "--part", f"{number}/{total}"),
                folder=self.folder,
                output=self.request.output,
                cores=each,
            )
            for number in range(1, total + 1)
        ]


class _Progress:
    """Says from time to time what is committed, whoever did it."""

    def __init__(self, output: str, files: int, parts: int, show: Callable[[str], None]) -> None:
        self._output, self._files, self._parts, self._show = output, files, parts, show
        self._begun_s = time.monotonic()
        self._next_s = self._begun_s + COUNT_S / 2
        self._at_start = self._count()
        self.parts_done = 0

    def line(self) -> str:
        done, passed_s = self._count(), time.monotonic() - self._begun_s
        new = done - self._at_start
        left = f", ~{passed_s * max(0, self._files - done) / new:.0f} s left" if new and done < self._files else ""
        return f"{done:,} of {self._files:,} recordings, {self.parts_done:,} of {self._parts:,} parts{left}"

    def tick(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._show(self.line())
            took_s = time.monotonic() - now_s
            self._next_s = now_s + max(COUNT_S, took_s / COUNT_SHARE)

    def _count(self) -> int:
        return len({name for commit in read_commits(self._output, CAPTIONS_STAGE) for name in commit.recording_ids})


def _outcomes(engine: Engine, tasks: Sequence[PartTask], progress: _Progress) -> Iterator[PartOutcome]:
    """The outcomes as they come; the engine is followed in a thread, so that progress can be shown meanwhile."""
    arrived: queue.Queue[PartOutcome | Exception | None] = queue.Queue()

    def follow() -> None:
        try:
            for outcome in engine.run(tasks):
                arrived.put(outcome)
            arrived.put(None)
        except Exception as error:  # noqa: BLE001 - raised again below
            arrived.put(error)

    threading.Thread(target=follow, name="engine", daemon=True).start()
    while True:
        try:
            outcome = arrived.get(timeout=POLL_S)
        except queue.Empty:
            progress.tick()
            continue
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            return
        progress.parts_done += 1
        yield outcome


def _named(failed: Sequence[PartOutcome]) -> str:
    named = [
        f"part {outcome.part} with exit code {outcome.exit_code} ({_last_line(outcome.tail)})"
        for outcome in failed[:MAX_NAMED]
    ]
    return "; ".join(named) + (f"; and {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else "")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")

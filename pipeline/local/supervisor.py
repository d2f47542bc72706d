"""Runs shard tasks in separate processes, without losing work if one dies or hangs.

The parent follows each worker's steps. If a worker is lost, the recordings of its current step are tried once more,
each alone in a new process, and the rest of its group again together; a recording that takes down a second worker is
given up. A Python exception is a bug or an outage and ends the run.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Literal, Protocol

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.division import Division, Rounds, group_tasks, halve_tasks, recordings_of, take_from_tasks
from soundseam.pipeline.local.progress import Step
from soundseam.pipeline.local.worker import Answer, RunGroup, Worker
from soundseam.pipeline.work import ShardTask

TICK_S = 0.2
START_TIMEOUT_S = 120.0
STALL_TIMEOUT_S = 300.0
SLOWEST_SPEED = 2.0
"""Times real time: long audio extends the stall timeout by its length at this speed."""
SLOWEST_BYTES_S = 200_000.0
"""Bytes per second: the same for a step that begins before the length of audio is known."""
FEWEST_FAILED_STARTS = 3

LossReason = Literal["worker_died", "worker_stalled", "worker_crashed"]
"""Killed from outside, for example for lack of memory, or hanging: both may be temporary. A crash is the recording's
own.
"""
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL")


@dataclass(frozen=True)
class Poison:
    """A recording that took down two workers, the second time alone; `work` contains only it."""

    work: ShardTask
    recording_id: str
    stage: str
    """The stage in which it was lost; empty if it never reached a step."""
    reason: LossReason
    detail: str


class Watcher(Protocol):
    """Receives the progress of a local run. Its methods run in the parent process."""

    def take_step(self, step: Step, seconds: float) -> None:
        """A worker began or finished a step; a finished one took `seconds`, including reading and writing before it."""
        ...

    def finish(self, recording_ids: Collection[str]) -> None:
        """Called when nothing is left to do for these recordings."""
        ...

    def give_up(self, poison: Poison) -> None:
        """Commits the rejection of the recording, so that it is no longer in `remaining`."""
        ...

    def tick(self) -> None:
        """Called a few times per second, regardless of the workers."""
        ...

    def remaining(self, work: ShardTask) -> ShardTask | None:
        """The part of a task that is not committed yet; called before anything is repeated."""
        ...


@dataclass(frozen=True)
class LocalJob:
    """The job of a local run: its function, watcher and options."""

    run_group: RunGroup
    watcher: Watcher
    workers: int
    stall_timeout_s: float = STALL_TIMEOUT_S
    division: Division | None = None
    """If given, long recordings are shared by several workers."""


class WorkerFailedError(Exception):
    """An exception in a worker: the run ends, committed work stays. `trace` is the worker's traceback."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class WorkerStartError(WorkerFailedError):
    """Workers die before their first step. `trace` is the end of the last one's output."""


@dataclass(frozen=True)
class Task:
    """A group that a worker processes."""

    shard_tasks: tuple[ShardTask, ...]
    lone: bool = False
    """Its only recording is suspected: it gets a new process, and no third try."""
    exclusive: bool = False
    """Nothing else runs at the same time: its worker was killed from outside, perhaps because memory ran out."""
    lost_unexplained: int = 0
    rounds: Rounds | None = None
    """The rounds of which this is a part, if it is not the whole group."""


def run_local(tasks: Sequence[ShardTask], job: LocalJob) -> None:
    """Runs all `tasks` with `job.workers` processes.

    Raises WorkerFailedError, WorkerStartError, or SetupError if a model cannot load; in any case, no process started
    here remains.
    """
    with tempfile.TemporaryDirectory(prefix="soundseam-run-") as folder:
        supervisor = _Supervisor(job, Path(folder))
        try:
            supervisor.run(group_tasks(tasks, job.workers))
        finally:
            supervisor.stop()


class _Supervisor:
    def __init__(self, job: LocalJob, folder: Path) -> None:
        self._job = job
        self._folder = folder
        self._tasks: deque[Task] = deque()
        self._workers: dict[Worker, Task | None] = {}
        self._started = 0
        self._failed_starts = 0
        self._last_tick_s = time.monotonic()

    def run(self, groups: Sequence[tuple[ShardTask, ...]]) -> None:
        for group in groups:
            rounds = Rounds(group, self._job.division.rounds(group) if self._job.division else ())
            self._tasks += self._next_round(rounds) or [Task(group)]
        while self._tasks or self._busy():
            self._hand_out()
            self._listen()
            self._look_for_stalls()
            self._job.watcher.tick()

    def stop(self) -> None:
        while self._workers:
            worker, _ = self._workers.popitem()
            worker.kill()

    def _busy(self) -> int:
        return sum(task is not None for task in self._workers.values())

    def _hand_out(self) -> None:
        while self._tasks and self._busy() < self._job.workers:
            task = self._tasks[0]
            if any(other is not None and other.exclusive for other in self._workers.values()):
                return
            if task.exclusive and self._busy():
                return
            self._tasks.popleft()
            worker = self._start() if task.lone else self._idle_worker() or self._start()
            self._workers[worker] = task
            worker.give(task.shard_tasks)

    def _idle_worker(self) -> Worker | None:
        return next((worker for worker, task in self._workers.items() if task is None), None)

    def _start(self) -> Worker:
        if len(self._workers) >= self._job.workers and (idle := self._idle_worker()):
            self._dismiss(idle)
        self._started += 1
        worker = Worker(self._job.run_group, self._folder, self._started)
        self._workers[worker] = None
        return worker

    def _dismiss(self, worker: Worker) -> None:
        del self._workers[worker]
        worker.kill()

    def _listen(self) -> None:
        """Waits a moment for an answer or the end of a process, then reads everything available."""
        wait([end for worker in self._workers for end in (worker.connection, worker.process.sentinel)], TICK_S)
        for worker in list(self._workers):
            dead = worker.has_died()
            # Messages that a dead worker sent before its end still count, so they are read first.
            self._take_steps(worker)
            while worker in self._workers and (answer := worker.receive()) is not None:
                self._take_answer(worker, answer)
            if dead and worker in self._workers:
                cause = worker.cause_of_death()
                crashed = any(signal in cause for signal in _CRASHES)
                self._lose(worker, "worker_crashed" if crashed else "worker_died", cause)

    def _take_steps(self, worker: Worker) -> None:
        for step, seconds in worker.read_steps():
            self._failed_starts = 0
            self._job.watcher.take_step(step, seconds)

    def _take_answer(self, worker: Worker, answer: Answer) -> None:
        # A step is written before the answer that follows it, but possibly after the last reading of steps.
        self._take_steps(worker)
        if answer.state == "failed":
            raise WorkerFailedError(answer.error, answer.trace)
        if answer.state == "unavailable":
            raise SetupError(f"{answer.error}. Committed work stays; the same command resumes")
        if answer.state == "done":
            self._failed_starts = 0
            task = self._workers[worker]
            self._workers[worker] = None
            if task is not None and task.rounds:
                self._end_of_round(task.rounds)
            elif task is not None:
                self._job.watcher.finish(recordings_of(task.shard_tasks))
                if task.lone:
                    self._dismiss(worker)

    def _end_of_round(self, rounds: Rounds) -> None:
        if rounds.is_over():
            following = self._next_round(rounds)
            self._tasks.extendleft(reversed(following))
            if not following:
                self._queue(rounds.whole)

    def _next_round(self, rounds: Rounds) -> list[Task]:
        return [Task((work,), rounds=rounds) for work in rounds.begin()]

    def _look_for_stalls(self) -> None:
        now = time.monotonic()
        pause_s = now - self._last_tick_s
        self._last_tick_s = now
        for worker, task in list(self._workers.items()):
            if pause_s > 10 * TICK_S:
                worker.last_sign_s += pause_s  # this process itself was stopped, and perhaps the machine
            silent_s = now - worker.last_sign_s
            if task is not None and silent_s > self._patience_s(worker, task):
                self._lose(worker, "worker_stalled", f"no step for {silent_s:.0f} s")

    def _patience_s(self, worker: Worker, task: Task) -> float:
        if not worker.ready:
            return START_TIMEOUT_S
        if not worker.open_steps:
            return self._job.stall_timeout_s
        step = worker.open_steps[-1]
        if step.audio_ms:
            return self._job.stall_timeout_s + step.audio_ms / 1000 / SLOWEST_SPEED
        sizes = {source.recording_id: source.size_bytes for work in task.shard_tasks for source in work.sources}
        return self._job.stall_timeout_s + sum(sizes.get(name, 0) for name in step.recording_ids) / SLOWEST_BYTES_S

    def _lose(self, worker: Worker, reason: LossReason, detail: str) -> None:
        """Gives up a worker and decides about its task."""
        task = self._workers.pop(worker)
        worker.kill()
        self._take_steps(worker)
        if not worker.steps_seen:
            self._failed_starts += 1
            if self._failed_starts >= max(FEWEST_FAILED_STARTS, 2 * self._job.workers):
                raise WorkerStartError(
                    f"workers end before their first step ({detail}); fewer --workers need less memory",
                    worker.log_tail(),
                )
        if task is None:
            return
        if task.rounds:
            self._tasks = deque(other for other in self._tasks if other.rounds is not task.rounds)
            if not task.rounds.give_up():
                return
            task = Task(task.rounds.whole)
        if task.lone:
            self._give_up(task, worker, reason, detail)
        else:
            self._try_again(task, worker, exclusive=reason == "worker_died" and "SIGKILL" in detail)

    def _give_up(self, task: Task, worker: Worker, reason: LossReason, detail: str) -> None:
        (recording_id,) = recordings_of(task.shard_tasks)
        for work in task.shard_tasks:
            self._job.watcher.give_up(Poison(work, recording_id, worker.last_stage, reason, detail))
        # Other stages of the recording may still be done; a task without any settled part would come back forever.
        settled = [work for work in task.shard_tasks if self._job.watcher.remaining(work) != work]
        self._queue(settled, lone=True, exclusive=task.exclusive)

    def _try_again(self, task: Task, worker: Worker, exclusive: bool) -> None:
        known = frozenset(recordings_of(task.shard_tasks))
        suspects = known & frozenset(worker.open_steps[-1].recording_ids if worker.open_steps else ())
        if suspects:
            self._queue(take_from_tasks(task.shard_tasks, known - suspects))
        elif task.lost_unexplained == 0:
            self._queue(task.shard_tasks, lost_unexplained=1)
        elif len(known) > 1:
            for half in halve_tasks(task.shard_tasks):
                self._queue(half, lost_unexplained=1)
        else:
            suspects = known
        for name in sorted(suspects):
            self._queue(take_from_tasks(task.shard_tasks, frozenset({name})), lone=True, exclusive=exclusive)

    def _queue(
        self, tasks: Sequence[ShardTask], lone: bool = False, exclusive: bool = False, lost_unexplained: int = 0
    ) -> None:
        """Queues the rest of `tasks`: groups first, then lone recordings, and exclusive ones last."""
        left = tuple(work for given in tasks if (work := self._job.watcher.remaining(given)) is not None)
        self._job.watcher.finish(frozenset(recordings_of(tasks)) - frozenset(recordings_of(left)))
        if not left:
            return
        task = Task(left, lone, exclusive, lost_unexplained)
        if lone:
            self._tasks.append(task)
        else:
            self._tasks.appendleft(task)

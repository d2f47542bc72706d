from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.division import (
    MAX_BYTES,
    MAX_RECORDINGS,
    MIN_BYTES,
    group_tasks,
    halve_tasks,
    recordings_of,
)
from soundseam.pipeline.local.progress import Step
from soundseam.pipeline.local.supervisor import (
    LocalJob,
    Poison,
    WorkerFailedError,
    WorkerStartError,
    run_local,
)
from soundseam.pipeline.local.worker import RunGroup
from soundseam.pipeline.work import ShardTask
from tests.support.workloads import STAGE, DiesAtStart, Workload, recording_id_of, source_of, work_of

sizes = st.integers(0, 3 * MAX_BYTES)


@st.composite
def task_lists(draw: st.DrawFn) -> list[ShardTask]:
    shards = draw(st.lists(st.lists(sizes, min_size=1, max_size=8), max_size=8))
    return [
        work_of(*(source_of(f"{shard}-{index}", size_bytes=size) for index, size in enumerate(members)), shard=shard)
        for shard, members in enumerate(shards)
    ]


@given(task_lists(), st.integers(1, 64))
def test_every_recording_is_in_exactly_one_group(tasks: list[ShardTask], workers: int) -> None:
    grouped = [name for group in group_tasks(tasks, workers) for name in recordings_of(group)]
    assert sorted(grouped) == sorted(recordings_of(tasks))


@given(task_lists(), st.integers(1, 64))
def test_a_group_is_over_the_limit_only_where_one_recording_is(tasks: list[ShardTask], workers: int) -> None:
    for group in group_tasks(tasks, workers):
        assert sum(work.size_bytes for work in group) <= MAX_BYTES or len(recordings_of(group)) == 1


@given(task_lists(), st.integers(1, 64))
def test_the_largest_group_comes_first(tasks: list[ShardTask], workers: int) -> None:
    group_sizes = [sum(work.size_bytes for work in group) for group in group_tasks(tasks, workers)]
    assert group_sizes == sorted(group_sizes, reverse=True)


def test_a_group_holds_no_more_than_so_many_recordings() -> None:
    tasks = [work_of(*(source_of(str(index), size_bytes=1) for index in range(3 * MAX_RECORDINGS)))]
    assert [len(recordings_of(group)) for group in group_tasks(tasks, 1)] == [MAX_RECORDINGS] * 3


def test_every_worker_gets_work_where_there_is_enough() -> None:
    tasks = [work_of(source_of(str(shard), size_bytes=MIN_BYTES), shard=shard) for shard in range(16)]
    assert len(group_tasks(tasks, 4)) >= 4


def test_halves_hold_the_same_recordings() -> None:
    tasks = [work_of(*(source_of(f"{shard}-{index}") for index in range(3)), shard=shard) for shard in range(3)]
    first, second = halve_tasks(tasks)
    assert recordings_of([*first, *second]) == recordings_of(tasks)
    assert len(recordings_of(first)) == 4


NAMES = [f"r{index}" for index in range(6)]


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    return Workload(folder=str(tmp_path))


class Watched:
    """A job that keeps what it was told."""

    def __init__(self, run_group: RunGroup, workers: int = 1, stall_timeout_s: float = 60.0) -> None:
        self.steps: list[Step] = []
        self.seconds = 0.0
        self.finished: list[str] = []
        self.poisons: list[Poison] = []
        self.job = LocalJob(run_group, self, workers, stall_timeout_s)

    def take_step(self, step: Step, seconds: float) -> None:
        self.steps.append(step)
        self.seconds += seconds

    def tick(self) -> None:
        pass

    def finish(self, recording_ids: Collection[str]) -> None:
        self.finished.extend(recording_ids)

    def give_up(self, poison: Poison) -> None:
        self.poisons.append(poison)

    def remaining(self, work: ShardTask) -> ShardTask | None:
        settled = {poison.recording_id for poison in self.poisons}
        if isinstance(self.job.run_group, Workload):
            settled |= {recording_id_of(name) for name in self.job.run_group.noted("done")}
        left = work.only(frozenset(source.recording_id for source in work.sources) - settled)
        return left if left.stages else None


def group_with(behaviour: str | None, culprit: str = "r2") -> ShardTask:
    return work_of(*(source_of(name, behaviour if name == culprit else None) for name in NAMES))


def test_every_recording_is_done_once(workload: Workload) -> None:
    tasks = [work_of(source_of(name), shard=index) for index, name in enumerate(NAMES)]
    run_local(tasks, Watched(workload, workers=2).job)
    assert sorted(workload.noted("done")) == NAMES


def test_works_are_spread_over_the_workers(workload: Workload) -> None:
    tasks = [work_of(source_of(name, "slow", size_bytes=2**20), shard=index) for index, name in enumerate(NAMES[:4])]
    run_local(tasks, Watched(workload, workers=2).job)
    assert len(set(workload.pids("done"))) == 2


def test_the_time_of_steps_is_measured(workload: Workload) -> None:
    watched = Watched(workload)
    run_local([work_of(source_of("r0", "slow"))], watched.job)
    assert 1.9 < watched.seconds < 4.0


@pytest.mark.parametrize("behaviour", [None, "kill", "kill once"])
def test_every_recording_is_finished_once_whatever_becomes_of_it(workload: Workload, behaviour: str | None) -> None:
    watched = Watched(workload)
    run_local([group_with(behaviour)], watched.job)
    assert sorted(watched.finished) == sorted(map(recording_id_of, NAMES))


def test_one_worker_takes_many_groups(workload: Workload) -> None:
    tasks = [work_of(source_of(name, size_bytes=2**21), shard=index) for index, name in enumerate(NAMES)]
    run_local(tasks, Watched(workload).job)
    assert len(set(workload.pids("done"))) == 1


def test_every_step_is_reported(workload: Workload) -> None:
    watched = Watched(workload)
    run_local([work_of(*map(source_of, NAMES))], watched.job)
    done = [name for step in watched.steps if step.state == "done" for name in step.recording_ids]
    assert done == [recording_id_of(name) for name in NAMES]
    assert len(watched.steps) == 2 * len(NAMES)


@pytest.mark.parametrize(
    ("behaviour", "reason", "detail"),
    [
        ("kill", "worker_died", "SIGKILL"),
        ("segfault", "worker_crashed", "SIGSEGV"),
        ("exit", "worker_died", "exit code 7"),
    ],
)
def test_a_recording_that_kills_its_worker_twice_is_given_up(
    workload: Workload, behaviour: str, reason: str, detail: str
) -> None:
    watched = Watched(workload)
    run_local([group_with(behaviour)], watched.job)
    (poison,) = watched.poisons
    assert (poison.recording_id, poison.stage, poison.reason) == (recording_id_of("r2"), STAGE, reason)
    assert detail in poison.detail
    assert workload.noted("tried").count("r2") == 2


def test_the_others_of_the_group_are_done_once_each(workload: Workload) -> None:
    run_local([group_with("kill")], Watched(workload).job)
    assert sorted(workload.noted("done")) == [name for name in NAMES if name != "r2"]


def test_the_second_try_is_alone_in_a_fresh_process(workload: Workload) -> None:
    run_local([group_with("kill")], Watched(workload).job)
    tried = list(zip(workload.noted("tried"), workload.pids("tried"), strict=True))
    last_pid = next(pid for name, pid in reversed(tried) if name == "r2")
    assert [name for name, pid in tried if pid == last_pid] == ["r2"]


def test_a_recording_that_only_once_lost_its_worker_is_done(workload: Workload) -> None:
    watched = Watched(workload, workers=2)
    run_local([group_with("kill once")], watched.job)
    assert watched.poisons == []
    assert sorted(workload.noted("done")) == NAMES


def test_two_culprits_in_one_group_are_both_found(workload: Workload) -> None:
    watched = Watched(workload)
    run_local([work_of(*(source_of(name, "exit" if name in {"r1", "r4"} else None) for name in NAMES))], watched.job)
    assert {poison.recording_id for poison in watched.poisons} == {recording_id_of("r1"), recording_id_of("r4")}
    assert sorted(workload.noted("done")) == ["r0", "r2", "r3", "r5"]


@pytest.mark.parametrize("behaviour", ["hang", "hang in C"])
def test_a_recording_that_hangs_is_given_up(workload: Workload, behaviour: str) -> None:
    watched = Watched(workload, stall_timeout_s=1.0)
    run_local([group_with(behaviour)], watched.job)
    (poison,) = watched.poisons
    assert (poison.recording_id, poison.reason) == (recording_id_of("r2"), "worker_stalled")
    assert sorted(workload.noted("done")) == [name for name in NAMES if name != "r2"]


def test_a_long_recording_may_take_long(tmp_path: Path) -> None:
    workload = Workload(folder=str(tmp_path), recording_ms=60_000)
    watched = Watched(workload, stall_timeout_s=0.5)
    run_local([work_of(source_of("long", "slow"))], watched.job)
    assert watched.poisons == []


def test_a_culprit_is_found_even_where_no_step_names_it(tmp_path: Path) -> None:
    workload = Workload(folder=str(tmp_path), with_steps=False)
    watched = Watched(workload, workers=8)
    run_local([group_with("exit")], watched.job)
    assert {poison.recording_id for poison in watched.poisons} == {recording_id_of("r2")}
    assert sorted(workload.noted("done")) == [name for name in NAMES if name != "r2"]


def test_an_exception_ends_the_run_and_tells_why(workload: Workload) -> None:
    with pytest.raises(WorkerFailedError, match="ZeroDivisionError: no way to do r2") as caught:
        run_local([group_with("raise")], Watched(workload).job)
    assert "workloads.py" in caught.value.trace
    assert workload.noted("done") == ["r0", "r1"]


def test_a_model_that_cannot_load_is_wrong_set_up_and_no_crash(workload: Workload) -> None:
    with pytest.raises(SetupError, match=r"^no way to do r2\. Committed work stays"):
        run_local([group_with("unavailable")], Watched(workload).job)


def test_workers_that_cannot_start_end_the_run_with_the_reason() -> None:
    with pytest.raises(WorkerStartError, match="exit code 127") as caught:
        run_local([work_of(source_of("r0"))], Watched(DiesAtStart()).job)
    assert "cannot open shared object file" in caught.value.trace


def test_workers_use_one_thread_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run_local([work_of(source_of("r0"))], Watched(ReportsThreads(folder=str(tmp_path))).job)
    assert (tmp_path / "threads").read_text() == "1"
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("token", ["first", "second"])
def test_workers_see_the_environment_of_their_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """Also if they are forked from a process that is older than this value."""
    monkeypatch.setenv("SOUNDSEAM_TEST_TOKEN", token)
    run_local([work_of(source_of("r0"))], Watched(ReportsToken(folder=str(tmp_path))).job)
    assert (tmp_path / "token").read_text() == token


class ReportsToken(Workload):
    def _behave(self, behaviour: str | None, source: object) -> None:
        (Path(self.folder) / "token").write_text(os.environ["SOUNDSEAM_TEST_TOKEN"])


class ReportsThreads(Workload):
    def _behave(self, behaviour: str | None, source: object) -> None:
        (Path(self.folder) / "threads").write_text(os.environ["OMP_NUM_THREADS"])


HANGING_RUN = """
import sys
from soundseam.pipeline.local.supervisor import run_local
from tests.pipeline.local.test_supervisor import Watched
from tests.support.workloads import Workload, source_of, work_of

if __name__ == "__main__":
    workload = Workload(folder=sys.argv[1])
    run_local([work_of(source_of("r0", sys.argv[2]))], Watched(workload).job)
"""


@pytest.mark.parametrize("behaviour", ["hang", "hang in C"])
@pytest.mark.parametrize("parent_signal", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(workload: Workload, behaviour: str, parent_signal: signal.Signals) -> None:
    if sys.platform != "linux" and behaviour == "hang in C" and parent_signal is signal.SIGKILL:
        pytest.skip("only Linux can end a process that holds the interpreter's lock")
    script = Path(workload.folder) / "hanging_run.py"
    script.write_text(HANGING_RUN)
    run = subprocess.Popen(
        [sys.executable, script, workload.folder, behaviour],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: bool(workload.pids("tried")) or run.poll() is not None)
    assert run.poll() is None, run.communicate()[1]
    (pid,) = workload.pids("tried")
    run.send_signal(parent_signal)
    run.wait(60)
    wait_for(lambda: not is_running(pid))


def wait_for(condition: Callable[[], bool], timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"

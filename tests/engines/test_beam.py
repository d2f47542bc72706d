"""A job on a Beam runner: its progress from commit markers, and its failure in one line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.beam import RunnerJob, cause_of
from soundseam.pipeline.local.meter import Meter, Reading
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.local.supervisor import WorkerFailedError
from soundseam.pipeline.local.watcher import RunWatcher
from soundseam.pipeline.storage.commits import Commit, write_marker
from soundseam.pipeline.work import ShardTask
from tests.support.workloads import STAGE, source_of, work_of


class Shown:
    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def show(self, reading: Reading) -> None:
        self.readings.append(reading)

    def note(self, message: str) -> None: ...


@dataclass
class SomeWorkers:
    """Commit the first tasks, then fail."""

    output: str
    tasks: int
    error: Exception | None = None

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        for work in tasks[: self.tasks]:
            for stage in work.stages:
                write_marker(self.output, Commit(stage=stage.stage, shard=work.shard, covers=stage.keys, files=()))
        logging.getLogger("apache_beam.runners").error("a worker was lost")
        if self.error:
            raise self.error


def job_of(run: SomeWorkers, tasks: Sequence[ShardTask]) -> tuple[RunnerJob, Meter]:
    durations = {source.recording_id: 60_000 for work in tasks for source in work.sources}
    meter = Meter(tasks, durations, {STAGE: 0.01}, 1)
    return RunnerJob(run, run.output, "SomeRunner", RunWatcher(run.output, meter, Shown())), meter


TASKS = [work_of(source_of(str(number)), shard=number) for number in range(4)]


def test_what_the_workers_commit_is_done(tmp_path: Path) -> None:
    job, meter = job_of(SomeWorkers(str(tmp_path), 4), TASKS)
    job.do(TASKS)
    reading = meter.read()
    assert (reading.recordings_done, reading.share, reading.seconds_left) == (4, 1.0, 0.0)
    assert meter.stage_metrics() == (), "nobody measured how long a stage took"
    assert not (tmp_path / "_run" / "logs").exists()


def test_a_failure_is_one_line_with_what_is_done_and_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job, meter = job_of(
        SomeWorkers(str(tmp_path), 3, RuntimeError("x\nValueError: no such model\n  at s3://k:p@b/c")), TASKS
    )
    with pytest.raises(WorkerFailedError) as failed:
        job.do(TASKS)
    log = tmp_path / "_run" / "logs" / "SomeRunner.log"
    assert str(failed.value) == (
        "SomeRunner ended the job: ValueError: no such model. 3 of 4 recordings are done, 75% of the work; "
        f"the log is {log}"
    )
    assert failed.value.trace == ""
    assert "a worker was lost" in log.read_text()
    assert "Traceback" in log.read_text()
    assert "k:p" not in log.read_text()
    assert "a worker was lost" not in capfd.readouterr().err
    assert meter.read().recordings_done == 3


def test_a_wrong_set_up_stays_one(tmp_path: Path) -> None:
    job, _ = job_of(SomeWorkers(str(tmp_path), 0, SetupError("no server answers")), TASKS)
    with pytest.raises(SetupError, match="no server answers"):
        job.do(TASKS)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it gave no reason"),
        ("the channel closed", "the channel closed"),
        ("Traceback:\n  File x\nbuiltins.OSError: [Errno 5] disk\n", "OSError: [Errno 5] disk"),
        (
            "job failed: Traceback:\\n  File x\\nValueError: no such model [while running 'Segment']",
            "ValueError: no such model",
        ),
    ],
)
def test_the_cause_is_the_line_that_names_an_error(text: str, cause: str) -> None:
    assert cause_of(text) == cause

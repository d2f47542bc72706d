"""What a run leaves in `_run` besides commits: configuration, versions, summary."""

from __future__ import annotations

from annotators.chat.usage import Usage
from pipeline.config import RunConfig
from pipeline.doctor import examine_machine
from pipeline.inspection import Inspection
from pipeline.storage import files
from pipeline.storage.commits import RUN_FOLDER
from schemas.record import Record


class StageUsage(Record):
    """What one stage asked of model servers."""

    stage: str
    usage: Usage


class RunSummary(Record):
    """`_run/summary.json`: what the corpus holds after a run, and what that run did."""

    corpus: Inspection
    reject_rate: float
    """The larger of two shares: files that gave no segment (duplicates aside), segments that have no caption."""
    recordings_done: int
    recordings_given_up: int
    audio_ms: int
    """Of the recordings that this run worked on."""
    seconds: float
    workers: int
    unavailable: tuple[str, ...]
    """Optional backends that could not load, and why."""
    asked: tuple[StageUsage, ...] = ()
    """Of a local run; a cluster's job has Beam counters of the same names."""


def write_configuration(output: str, config: RunConfig) -> None:
    """`_run/config.json`, complete with defaults, and `_run/versions.json`."""
    machine = examine_machine()
    _write(output, "config.json", config)
    _write(output, "versions.json", Versions(python=machine.python, system=machine.system, packages=machine.packages))


class Versions(Record):
    """What a run ran on."""

    python: str
    system: str
    packages: tuple[tuple[str, str | None], ...]


def write_summary(output: str, summary: RunSummary) -> None:
    _write(output, "summary.json", summary)


def _write(output: str, name: str, record: Record) -> None:
    files.write_atomically(files.join(output, RUN_FOLDER, name), (record.model_dump_json(indent=1) + "\n").encode())

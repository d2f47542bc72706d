"""How long stages take: measured in a run, kept in `_run/metrics.json`, used to estimate the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.keys import annotation_stage, stage_keys
from pipeline.storage import files
from pipeline.storage.commits import RUN_FOLDER
from pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from schemas.record import Record

DEFAULT_SPEEDS: Mapping[str, float] = {
    "segments": 250.0,
    "pocketsphinx": 15.0,
    "voice": 80.0,
    "mir": 300.0,
    "events": 500.0,
    "acoustics": 400.0,
    "captions": 300.0,
}
"""Times real time of one core, in whole recordings of mixed content, for stages that were never measured: by stage or
backend kind. Measured on samples/recordings."""
UNKNOWN_SPEED = 200.0


class StageMetrics(Record):
    """One stage of a run. Seconds are a worker's own, so that they do not depend on how many there were."""

    stage: str
    seconds: float
    audio_ms: int
    """What the stage heard: for a backend the segments of its branch."""
    recording_ms: int
    """The whole length of the recordings that went through the stage."""
    speed: float
    """`audio_ms` a second of work, times real time."""


class RunMetrics(Record):
    """`_run/metrics.json`: each stage as it was last measured."""

    stages: tuple[StageMetrics, ...] = ()

    def updated(self, measured: Iterable[StageMetrics]) -> RunMetrics:
        stages = {metrics.stage: metrics for metrics in (*self.stages, *measured)}
        return RunMetrics(stages=tuple(stages.values()))


def read_metrics(output: str) -> RunMetrics:
    """What earlier runs measured; nothing where there is none, or none that this version reads."""
    uri = _metrics_uri(output)
    if not files.exists(uri):
        return RunMetrics()
    try:
        return RunMetrics.model_validate_json(files.read_bytes(uri))
    except ValidationError:
        return RunMetrics()


def write_metrics(output: str, metrics: RunMetrics) -> None:
    files.write_atomically(_metrics_uri(output), metrics.model_dump_json(indent=1).encode())


def _metrics_uri(output: str) -> str:
    return files.join(output, RUN_FOLDER, "metrics.json")


def stage_costs(config: RunConfig, metrics: RunMetrics) -> dict[str, float]:
    """stage → seconds of one core for each second of recordings, as measured before or by default."""
    kinds = {
        annotation_stage(backend): backend.kind
        for backends in config.branches.by_branch().values()
        for backend in backends
    }
    kinds |= {SEGMENTS_STAGE: SEGMENTS_STAGE, CAPTIONS_STAGE: CAPTIONS_STAGE}
    costs = {stage: 1 / DEFAULT_SPEEDS.get(kinds[stage], UNKNOWN_SPEED) for stage in stage_keys(config)}
    measured = {
        stage.stage: stage.seconds * 1000 / stage.recording_ms for stage in metrics.stages if stage.recording_ms > 0
    }
    return {stage: measured.get(stage, cost) for stage, cost in costs.items()}

"""Progress of a worker: one JSON line per step, appended to a file that the supervisor reads."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from pydantic import ValidationError

from soundseam.annotators.base import Model
from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import annotation_stage, stage_keys
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.storage.remote import take_requests
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.record import Record

DEFAULT_SPEEDS: Mapping[str, float] = {
    "segments": 250.0,
    "pocketsphinx": 8.0,
    "pocketsphinx_alignment": 60.0,
    "text_language": 5_000.0,
    "agreement": 2_000.0,
    "dnsmos": 20.0,
    "onnx_diarization": 20.0,
    "pyannote_diarization": 10.0,
    "transformers_asr": 5.0,
    "ctc_alignment": 5.0,
    "voice": 80.0,
    "mir": 300.0,
    "events": 500.0,
    "acoustics": 400.0,
    "captions": 300.0,
}
"""Default speeds on one core, in times real time, for stages without measurements: by stage or backend kind. Measured
on samples/recordings, as whole recordings of mixed content.
"""
WHISPER_SPEEDS = {"tiny": 12.0, "base": 8.0, "small": 3.0, "medium": 1.0, "turbo": 1.0, "large": 0.5}
"""Of Whisper by the size in its name, in int8 on one core: tiny and base measured, the rest by their arithmetic."""
MODEL_SPEED = 5.0
"""Of any other model whose weights are a repository or a folder."""
UNKNOWN_SPEED = 200.0


class StageMetrics(Record):
    """One stage of a run. Seconds are per worker, so that they do not depend on the number of workers."""

    stage: str
    seconds: float
    audio_ms: int
    """Length of the audio processed: for a backend the segments of its branch."""
    recording_ms: int
    """Total length of the recordings that passed the stage."""
    speed: float
    """`audio_ms` per time worked, in times real time."""


class RunMetrics(Record):
    """`_run/metrics.json`: the latest measurement of each stage."""

    stages: tuple[StageMetrics, ...] = ()

    def updated(self, measured: Iterable[StageMetrics]) -> RunMetrics:
        stages = {metrics.stage: metrics for metrics in (*self.stages, *measured)}
        return RunMetrics(stages=tuple(stages.values()))


def read_metrics(output: str) -> RunMetrics:
    """The measurements of earlier runs; empty if there are none that this version can read."""
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
    """stage → seconds on one core per second of recordings, measured before or by default."""
    speeds = {
        annotation_stage(backend): default_speed(backend)
        for backends in config.branches.by_branch().values()
        for backend in backends
    }
    speeds |= {stage: DEFAULT_SPEEDS[stage] for stage in (SEGMENTS_STAGE, CAPTIONS_STAGE)}
    costs = {stage: 1 / speeds[stage] for stage in stage_keys(config)}
    measured = {
        stage.stage: stage.seconds * 1000 / stage.recording_ms for stage in metrics.stages if stage.recording_ms > 0
    }
    return {stage: measured.get(stage, cost) for stage, cost in costs.items()}


def default_speed(backend: Model) -> float:
    """What `backend` is expected to do on one core, in times real time."""
    if backend.kind in DEFAULT_SPEEDS:
        return DEFAULT_SPEEDS[backend.kind]
    if "whisper" in backend.model.lower():
        return next((speed for size, speed in WHISPER_SPEEDS.items() if size in backend.model.lower()), MODEL_SPEED)
    return MODEL_SPEED if hasattr(backend, "weights") else UNKNOWN_SPEED


State = Literal["start", "done", "alive"]


class Step(Record):
    """A worker begins or ends a step on `recording_ids`, or shows that it is alive."""

    stage: str
    state: State
    recording_ids: tuple[str, ...]
    audio_ms: int = 0
    at_s: float = 0.0
    """Time on a clock shared by all processes of a machine."""
    usage: Usage = Usage()
    """Use of servers since the stage's last step."""
    requests: tuple[tuple[str, int], ...] = ()
    """Requests to object stores since the process's last step: (kind, number)."""


class ProgressLog(Record):
    """Writes steps to a file; to nowhere if `path` is None, as on a cluster, where Beam's counters are used."""

    path: str | None = None

    def write(
        self,
        stage: str,
        state: State,
        recording_ids: Sequence[str],
        audio_ms: int = 0,
        usage: Usage = Usage(),  # noqa: B008 - frozen
    ) -> None:
        """Appends one line, whole: a reader never sees half of it but for the last."""
        if self.path is None:
            return
        step = Step(
            stage=stage,
            state=state,
            recording_ids=tuple(recording_ids),
            audio_ms=audio_ms,
            at_s=time.monotonic(),
            usage=usage,
            requests=tuple(take_requests().items()),
        )
        line = json.dumps(step.model_dump(mode="json", exclude_defaults=True)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    @contextmanager
    def alive(self, stage: str, every_s: float = 20.0, max_s: float = 3 * 3600.0) -> Iterator[None]:
        """Signals that the process is alive during a long operation, for up to `max_s`.

        It stops during a call that holds the interpreter's lock.
        """
        done = threading.Event()

        def show() -> None:
            until_s = time.monotonic() + max_s
            while not done.wait(every_s) and time.monotonic() < until_s:
                self.write(stage, "alive", ())

        thread = threading.Thread(target=show, name="alive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


PULSE_S = 10.0


def pulse(stage: str, progress: ProgressLog) -> Callable[[], None]:
    """A function that signals that `stage` is alive, at a limited rate."""
    last_s = 0.0

    def beat() -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= PULSE_S:
            last_s = time.monotonic()
            progress.write(stage, "alive", ())

    return beat

"""Progress of a worker: one JSON line per step, appended to a file that the supervisor reads."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from soundseam.annotators.base import Model
from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import annotation_stage, stage_keys
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE, ShardTask
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


PRIOR_S = 10.0
"""Weight of the expected speed, as seconds of measurement."""


@dataclass(frozen=True)
class Reading:
    """The values of a progress display."""

    recordings: int
    recordings_done: int
    audio_ms: int
    """Length of all recordings, partly estimated."""
    audio_ms_done: int
    share: float
    """Share of the expected work done, in [0, 1]; it grows stage by stage, before whole recordings are done."""
    elapsed_s: float
    seconds_left: float

    @property
    def speed(self) -> float:
        """Speed in times real time, over all workers, from the share of work done."""
        return self.share * self.audio_ms / 1000 / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Meter:
    """Counts the steps of a run and compares them with its tasks.

    `durations_ms` has an estimate for every recording, `costs` the expected seconds on one core per second of
    recordings for each stage.
    """

    def __init__(
        self,
        tasks: Sequence[ShardTask],
        durations_ms: Mapping[str, int],
        costs: Mapping[str, float],
        workers: int,
    ) -> None:
        self._costs = costs
        self._workers = workers
        self._stages = list(costs)
        self._left: dict[str, int] = {}
        """recording_id → its unfinished stages, one bit each: so millions of recordings fit in memory."""
        for work in tasks:
            for stage in work.stages:
                bit = 1 << self._stages.index(stage.stage)
                for recording_id, _ in stage.keys:
                    self._left[recording_id] = self._left.get(recording_id, 0) | bit
        self._durations_ms: dict[str, int] = {name: durations_ms.get(name, 0) for name in self._left}
        self._recordings = len(self._left)
        self._audio_ms = sum(self._durations_ms.values())
        self._audio_ms_done = 0
        self._left_ms: Counter[str] = Counter()  # stage → length of the recordings that it still has to do
        for name, bits in self._left.items():
            self._count_left(bits, self._durations_ms[name])
        self._share = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._processed_ms: Counter[str] = Counter()
        self._passed_ms: Counter[str] = Counter()
        self._begun_s = time.monotonic()
        self._first_step_s: float | None = None

    def take_step(self, step: Step, seconds: float) -> None:
        """Counts a finished step; `seconds` is its duration."""
        self._first_step_s = self._first_step_s or time.monotonic()
        if step.state != "done":
            return
        self._seconds[step.stage] += seconds
        self._processed_ms[step.stage] += step.audio_ms
        if step.stage == SEGMENTS_STAGE and len(step.recording_ids) == 1 and step.audio_ms:
            self._correct(step.recording_ids[0], step.audio_ms)
        if step.stage in self._costs:
            bit = 1 << self._stages.index(step.stage)
            for name in step.recording_ids:
                self._pass(name, self._left.get(name, 0) & bit)

    def finish(self, recording_ids: Collection[str]) -> None:
        """Counts recordings with nothing left to do."""
        for name in recording_ids:
            if name in self._left:
                self._pass(name, self._left[name])
                del self._left[name]
                self._audio_ms_done += self._durations_ms[name]

    def read(self) -> Reading:
        now = time.monotonic()
        elapsed_s = now - self._begun_s
        costs = self._learned_costs()
        done = sum(self._passed_ms[stage] / 1000 * cost for stage, cost in costs.items())
        left = sum(self._left_ms[stage] / 1000 * cost for stage, cost in costs.items())
        # Never back, although what is learned of a stage may make the rest of the work larger.
        self._share = max(self._share, min(1.0, done / (done + left)) if done + left > 0 else 1.0)
        working_s = now - (self._first_step_s or now)
        slowness = (working_s + PRIOR_S) / (done / self._workers + PRIOR_S)
        left_s = slowness * left / self._workers
        return Reading(
            recordings=self._recordings,
            recordings_done=self._recordings - len(self._left),
            audio_ms=self._audio_ms,
            audio_ms_done=self._audio_ms_done,
            share=self._share,
            elapsed_s=elapsed_s,
            seconds_left=left_s,
        )

    def stage_metrics(self) -> tuple[StageMetrics, ...]:
        """The measurements of stages that did anything, in the order of the run."""
        return tuple(
            StageMetrics(
                stage=stage,
                seconds=round(self._seconds[stage], 3),
                audio_ms=self._processed_ms[stage],
                recording_ms=self._passed_ms[stage],
                speed=round(self._processed_ms[stage] / 1000 / self._seconds[stage], 1),
            )
            for stage in self._stages
            if self._seconds[stage] > 0
        )

    def _pass(self, name: str, bits: int) -> None:
        if not bits:
            return
        self._left[name] &= ~bits
        self._count_left(bits, -self._durations_ms[name])
        for index, stage in enumerate(self._stages):
            if bits >> index & 1:
                self._passed_ms[stage] += self._durations_ms[name]

    def _correct(self, name: str, duration_ms: int) -> None:
        """Replaces the estimate by a recording's true length."""
        if name in self._left:
            self._count_left(self._left[name], duration_ms - self._durations_ms[name])
            self._audio_ms += duration_ms - self._durations_ms[name]
            self._durations_ms[name] = duration_ms

    def _count_left(self, bits: int, length_ms: int) -> None:
        for index, stage in enumerate(self._stages):
            if bits >> index & 1:
                self._left_ms[stage] += length_ms

    def _learned_costs(self) -> dict[str, float]:
        """stage → seconds on one core per second of recordings: as expected, and ever more as measured in this run."""
        return {
            stage: (PRIOR_S + self._seconds[stage]) / (PRIOR_S / cost + self._passed_ms[stage] / 1000)
            for stage, cost in self._costs.items()
        }

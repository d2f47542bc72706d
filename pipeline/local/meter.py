"""How far a run has come, from the steps that workers report: recordings, audio, speed, time left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.local.metrics import StageMetrics
from pipeline.local.progress import Step
from pipeline.work import SEGMENTS_STAGE, ShardWork

PRIOR_S = 10.0
"""The expected pace counts as if it had been seen for so long."""


@dataclass(frozen=True)
class Reading:
    """What a progress display shows."""

    recordings: int
    recordings_done: int
    audio_ms: int
    """Of all recordings, in part estimated."""
    audio_ms_done: int
    share: float
    """Of the expected work, in [0, 1]; it grows stage by stage, before a recording is done as a whole."""
    elapsed_s: float
    seconds_left: float

    @property
    def speed(self) -> float:
        """Times real time, over all workers, by the share of the work that is done."""
        return self.share * self.audio_ms / 1000 / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Meter:
    """Counts the steps of a run against the works it was given.

    `durations_ms` gives a first guess for every recording, `costs` the expected seconds of one core for each second
    of recordings at each stage.
    """

    def __init__(
        self,
        works: Sequence[ShardWork],
        durations_ms: Mapping[str, int],
        costs: Mapping[str, float],
        workers: int,
    ) -> None:
        self._costs = costs
        self._workers = workers
        self._stages = list(costs)
        self._left: dict[str, int] = {}
        """recording_id → its stages that are not done, one bit each: millions of recordings fit."""
        for work in works:
            for stage in work.stages:
                bit = 1 << self._stages.index(stage.stage)
                for recording_id, _ in stage.keys:
                    self._left[recording_id] = self._left.get(recording_id, 0) | bit
        self._durations_ms: dict[str, int] = {name: durations_ms.get(name, 0) for name in self._left}
        self._recordings = len(self._left)
        self._audio_ms = sum(self._durations_ms.values())
        self._audio_ms_done = 0
        self._work: float = sum(self._cost(name, bits) for name, bits in self._left.items())
        self._work_done = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._heard_ms: Counter[str] = Counter()
        self._passed_ms: Counter[str] = Counter()
        self._begun_s = time.monotonic()
        self._first_step_s: float | None = None

    def take_step(self, step: Step, seconds: float) -> None:
        """Counts an ended step; `seconds` is what it took its worker."""
        self._first_step_s = self._first_step_s or time.monotonic()
        if step.state != "done":
            return
        self._seconds[step.stage] += seconds
        self._heard_ms[step.stage] += step.audio_ms
        if step.stage == SEGMENTS_STAGE and len(step.recording_ids) == 1 and step.audio_ms:
            self._correct(step.recording_ids[0], step.audio_ms)
        if step.stage in self._costs:
            bit = 1 << self._stages.index(step.stage)
            for name in step.recording_ids:
                self._pass(name, self._left.get(name, 0) & bit)

    def finish(self, recording_ids: Collection[str]) -> None:
        """Counts recordings of which nothing is left to do."""
        for name in recording_ids:
            if name in self._left:
                self._pass(name, self._left[name])
                del self._left[name]
                self._audio_ms_done += self._durations_ms[name]

    def read(self) -> Reading:
        now = time.monotonic()
        elapsed_s = now - self._begun_s
        share = min(1.0, self._work_done / self._work) if self._work else 1.0
        working_s = now - (self._first_step_s or now)
        slowness = (working_s + PRIOR_S) / (self._work_done / self._workers + PRIOR_S)
        left_s = slowness * (1 - share) * self._work / self._workers
        return Reading(
            recordings=self._recordings,
            recordings_done=self._recordings - len(self._left),
            audio_ms=self._audio_ms,
            audio_ms_done=self._audio_ms_done,
            share=share,
            elapsed_s=elapsed_s,
            seconds_left=left_s,
        )

    def stage_metrics(self) -> tuple[StageMetrics, ...]:
        """What was measured, stage by stage in the order of the run, of the stages that did anything."""
        return tuple(
            StageMetrics(
                stage=stage,
                seconds=round(self._seconds[stage], 3),
                audio_ms=self._heard_ms[stage],
                recording_ms=self._passed_ms[stage],
                speed=round(self._heard_ms[stage] / 1000 / self._seconds[stage], 1),
            )
            for stage in self._stages
            if self._seconds[stage] > 0
        )

    def _pass(self, name: str, bits: int) -> None:
        if not bits:
            return
        self._left[name] &= ~bits
        self._work_done += self._cost(name, bits)
        for index, stage in enumerate(self._stages):
            if bits >> index & 1:
                self._passed_ms[stage] += self._durations_ms[name]

    def _correct(self, name: str, duration_ms: int) -> None:
        """Puts a recording's true length in place of the estimate."""
        if name in self._left:
            before = self._cost(name, self._left[name])
            self._audio_ms += duration_ms - self._durations_ms[name]
            self._durations_ms[name] = duration_ms
            self._work += self._cost(name, self._left[name]) - before

    def _cost(self, name: str, bits: int) -> float:
        seconds = self._durations_ms[name] / 1000
        return sum(seconds * cost for index, cost in enumerate(self._costs.values()) if bits >> index & 1)

"""The progress of a run: work done and left, and the time that it will still take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from soundseam.pipeline.local.progress import StageMetrics, Step
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask

START_UP_S = 5.0
"""From the start of worker processes to their first step, on an idle machine: imports and the loading of models."""
MAX_SLOWNESS = 20.0
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

    @property
    def in_words(self) -> str:
        """What is done."""
        done = f"{self.recordings_done:,} of {self.recordings:,} recordings are done"
        return f"{done}, {self.share:.0%} of the work"


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

    def take_committed(self, stage: str, recording_ids: Collection[str]) -> None:
        """Counts what others have done at a stage, in a time that nobody measured."""
        if not recording_ids:
            return
        self._first_step_s = self._first_step_s or time.monotonic()
        bit = 1 << self._stages.index(stage)
        for name in recording_ids:
            self._pass(name, self._left.get(name, 0) & bit)
        self.finish([name for name in recording_ids if not self._left.get(name, 0)])

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
        started_s = self._first_step_s or now
        working_s = now - started_s
        # A machine on which the start takes longer is slower at the rest as well.
        start_slowness = min(MAX_SLOWNESS, max(1.0, (started_s - self._begun_s) / START_UP_S))
        slowness = (working_s + PRIOR_S * start_slowness) / (done / self._workers + PRIOR_S)
        left_s = slowness * left / self._workers
        if self._first_step_s is None and left > 0:
            left_s += max(0.0, START_UP_S - elapsed_s)
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
            if self._seconds[stage]
            else cost
            for stage, cost in self._costs.items()
        }

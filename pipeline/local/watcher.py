"""Follows a local run: shows the reports of its workers, and says what is left of their tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Protocol

from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.inspection import StageUsage
from soundseam.pipeline.local.meter import Meter, Reading
from soundseam.pipeline.local.progress import Step
from soundseam.pipeline.local.supervisor import Poison
from soundseam.pipeline.storage.commits import Commit, commit_rejection
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.remote import take_requests
from soundseam.pipeline.work import ShardTask, StageTask
from soundseam.schemas.recording import Rejected


class Display(Protocol):
    """Shows the progress of a run."""

    def show(self, reading: Reading) -> None: ...

    def note(self, message: str) -> None: ...


class RunWatcher:
    """Shows the reports of a local run's workers, and commits rejects for them."""

    def __init__(self, output: str, meter: Meter, display: Display) -> None:
        self._output, self._meter, self._display = output, meter, display
        self.given_up = 0
        self._usage: dict[str, Usage] = {}
        self._requests: Counter[str] = Counter()

    def asked(self) -> tuple[StageUsage, ...]:
        """The stages' use of servers, in the order in which they began."""
        return tuple(StageUsage(stage=stage, usage=usage) for stage, usage in self._usage.items())

    def requests(self) -> tuple[tuple[str, int], ...]:
        """(kind, number of requests to object stores) of this process and the workers, most first."""
        self._requests += take_requests()
        return tuple(self._requests.most_common())

    def take_step(self, step: Step, seconds: float) -> None:
        self._requests.update(dict(step.requests))
        if step.usage:
            self._usage[step.stage] = self._usage.get(step.stage, Usage()) + step.usage
        self._meter.take_step(step, seconds)

    def take_committed(self, stage: str, recording_ids: Collection[str]) -> None:
        """Counts recordings that others, such as the workers of a cluster, have committed at a stage."""
        self._meter.take_committed(stage, recording_ids)

    def done(self) -> str:
        """What is done, in words."""
        return self._meter.read().in_words

    def finish(self, recording_ids: Collection[str]) -> None:
        self._meter.finish(recording_ids)

    def tick(self) -> None:
        self._display.show(self._meter.read())

    def give_up(self, poison: Poison) -> None:
        """Rejects the recording at the stage in which it was lost: its last known one, or the first one left."""
        left = remaining_work(self._output, poison.work)
        if left is None:
            return
        stage = left.at(poison.stage) or left.stages[0]
        (source,) = left.sources
        detail = f"the process was lost twice, the second time with only this recording: {poison.detail}"
        row = Rejected(
            recording_id=source.recording_id,
            source_uri=source.source_uri,
            stage=stage.stage,
            reason=poison.reason,
            detail=detail,
        )
        commit_rejection(self._output, Commit(stage=stage.stage, shard=left.shard, covers=stage.keys, files=()), [row])
        self.given_up += 1
        self._display.note(f"gave up {source.source_uri} at {stage.stage}: {detail}")

    def remaining(self, work: ShardTask) -> ShardTask | None:
        return remaining_work(self._output, work)


def remaining_work(output: str, work: ShardTask) -> ShardTask | None:
    """The part of `work` that is not committed yet; None if there is none."""
    # According to the markers alone, damaged files, which are being rebuilt, would exist.
    corpus = Corpus.load_present(output, [stage.stage for stage in work.stages], work.shard)
    stages = []
    for stage in work.stages:
        have = corpus.keys(stage.stage)
        keys = tuple(pair for pair in stage.keys if pair[1] not in have.get(pair[0], frozenset()))
        if keys:
            stages.append(StageTask(stage=stage.stage, keys=keys))
    if not stages:
        return None
    ids = frozenset().union(*(stage.recording_ids for stage in stages))
    sources = tuple(source for source in work.sources if source.recording_id in ids)
    return work.model_copy(update={"stages": tuple(stages), "sources": sources})

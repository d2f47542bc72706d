"""Building derived tables as one Beam graph: shard tasks in, one commit per table out; samples are such tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from soundseam.annotators.chat.client import CachedClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.pipeline.sft.answerable import with_text_only
from soundseam.pipeline.sft.ask import ServedTask
from soundseam.pipeline.sft.balance import Balance, asked_of_sample
from soundseam.pipeline.sft.build import SftConfig, samples_from, samples_of
from soundseam.pipeline.sft.material import RecordingMaterial
from soundseam.pipeline.sft.plan import sft_stage, thinned_table
from soundseam.pipeline.sft.read import Marks, read_recordings
from soundseam.pipeline.sft.tasks import AnyTask
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.stages.graph import run_pipeline
from soundseam.pipeline.storage.commits import Commit, new_commit
from soundseam.pipeline.work import ShardTask
from soundseam.schemas.sample import Sample, Split


@dataclass(frozen=True)
class SftBuild:
    """The inputs for building samples of a corpus."""

    output: str
    config: SftConfig
    marks: Marks
    balance: Balance

    def split_of(self, recording_id: str) -> Split:
        return self.balance.split_of(self.marks.group_of(recording_id))


@dataclass(frozen=True)
class ShardBuilder:
    """Builds tasks of one corpus."""

    made_with: SftBuild
    context: StageContext

    def build(self, work: ShardTask) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it task by task; yields (what is counted, its number)."""
        names = {name for stage in work.stages for name in stage.recording_ids}
        recordings = [
            recording.without(self.made_with.marks.left_out_of(recording.recording_id))
            for recording in read_recordings(self.made_with.output, work.shard, names)
        ]
        for task in self.made_with.config.tasks:
            stage = sft_stage(task.task)
            todo = work.at(stage)
            if todo is None:
                continue
            ids = sorted(todo.recording_ids)
            self.context.progress.write(stage, "start", ids)
            count = audio_ms = 0
            mine = [recording for recording in recordings if recording.recording_id in todo.recording_ids]
            commit = Commit(stage=stage, shard=work.shard, covers=todo.keys, files=())
            with new_commit(self.made_with.output, commit) as writer:
                for sample in self._samples(task, mine):
                    stays = self.made_with.balance.keeps(asked_of_sample(sample))
                    writer.append(stage if stays else thinned_table(task.task), sample)
                    count += stays
                    audio_ms += sample.audio_ms
            self.context.progress.write(stage, "done", ids, audio_ms)
            yield f"{stage} samples", count

    def _samples(self, task: AnyTask, recordings: Iterable[RecordingMaterial]) -> Iterator[Sample]:
        with ExitStack() as stack:

            def client(endpoint: Endpoint) -> CachedClient:
                return stack.enter_context(self.context.client(endpoint, sft_stage(task.task)))

            if isinstance(task, ServedTask):
                samples = self._written(task, recordings, [client(endpoint) for endpoint in task.endpoints()])
            else:
                samples = (
                    sample
                    for recording in recordings
                    for sample in samples_of(
                        task,
                        recording,
                        self.made_with.config,
                        self.made_with.split_of(recording.recording_id),
                        self.made_with.config.task_key(task),
                    )
                )
            if self.made_with.config.answerer is not None:
                samples = with_text_only(
                    samples, self.made_with.config.timestamps, client(self.made_with.config.answerer)
                )
            yield from samples

    def _written(
        self, task: ServedTask, recordings: Iterable[RecordingMaterial], clients: list[CachedClient]
    ) -> Iterator[Sample]:
        asks = task.asks_from(recordings, self.made_with.config.phrasing, clients)
        key = self.made_with.config.task_key(task)
        for recording_id, mine in groupby(asks, key=lambda ask: ask.materials[0].segment.recording_id):
            split = self.made_with.split_of(recording_id)
            yield from samples_from(task, mine, self.made_with.config, split, key)


class DerivedBuilder(Protocol):
    """Builds tables that are derived from others."""

    def build(self, work: ShardTask) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it; yields (what is counted, its number)."""
        ...


class BuildShard(beam.DoFn):
    """Builds and commits what one shard task has left to do."""

    def __init__(self, builder: DerivedBuilder) -> None:
        self._builder = builder

    def process(self, work: ShardTask) -> Iterator[ShardTask]:
        for counted, number in self._builder.build(work):
            Metrics.counter("soundseam", counted).inc(number)
        yield work


def run_derived_graph(
    shard_tasks: Sequence[ShardTask], builder: DerivedBuilder, options: PipelineOptions | None = None
) -> None:
    """Builds what `shard_tasks` have left to do and waits, as `run_pipeline` does."""
    build = beam.ParDo(BuildShard(builder))
    run_pipeline(
        lambda graph: graph | "Tasks" >> beam.Create(list(shard_tasks), reshuffle=True) | "Build" >> build, options
    )

"""Building samples as one Beam graph: shard tasks in, one commit per SFT task out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.sft.answerable import with_text_only
from soundseam.pipeline.sft.ask import ServedTask
from soundseam.pipeline.sft.balance import Balance, asked_of_sample
from soundseam.pipeline.sft.build import SftConfig, samples_from, samples_of
from soundseam.pipeline.sft.material import RecordingMaterial
from soundseam.pipeline.sft.plan import sft_stage, thinned_table
from soundseam.pipeline.sft.read import Marks, read_recordings
from soundseam.pipeline.sft.tasks import AnyTask
from soundseam.pipeline.stages.asking import asking
from soundseam.pipeline.stages.transforms import client_of
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
    """Builds tasks of one corpus; `load` returns the client of an endpoint, always the same one."""

    made_with: SftBuild
    progress: ProgressLog
    load: Callable[[Endpoint], ServerClient]

    def build(self, work: ShardTask) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it task by task; yields (task, number of samples)."""
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
            self.progress.write(stage, "start", ids)
            count = audio_ms = 0
            mine = [recording for recording in recordings if recording.recording_id in todo.recording_ids]
            commit = Commit(stage=stage, shard=work.shard, covers=todo.keys, files=())
            with new_commit(self.made_with.output, commit) as writer:
                for sample in self._samples(task, mine):
                    stays = self.made_with.balance.keeps(asked_of_sample(sample))
                    writer.append(stage if stays else thinned_table(task.task), sample)
                    count += stays
                    audio_ms += sample.audio_ms
            self.progress.write(stage, "done", ids, audio_ms)
            yield task.task, count

    def _samples(self, task: AnyTask, recordings: Iterable[RecordingMaterial]) -> Iterator[Sample]:
        with ExitStack() as stack:

            def asker(endpoint: Endpoint) -> CachedClient:
                client = self.load(endpoint)
                return stack.enter_context(asking(client, self.made_with.output, sft_stage(task.task), self.progress))

            if isinstance(task, ServedTask):
                samples = self._written(task, recordings, [asker(endpoint) for endpoint in task.endpoints()])
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
                    samples, self.made_with.config.timestamps, asker(self.made_with.config.answerer)
                )
            yield from samples

    def _written(
        self, task: ServedTask, recordings: Iterable[RecordingMaterial], askers: list[CachedClient]
    ) -> Iterator[Sample]:
        asks = task.asks_from(recordings, self.made_with.config.phrasing, askers)
        key = self.made_with.config.task_key(task)
        for recording_id, mine in groupby(asks, key=lambda ask: ask.materials[0].segment.recording_id):
            split = self.made_with.split_of(recording_id)
            yield from samples_from(task, mine, self.made_with.config, split, key)


class BuildShard(beam.DoFn):
    """Builds and commits the samples of one shard task, SFT task by SFT task."""

    def __init__(self, made_with: SftBuild, progress: ProgressLog) -> None:
        self._made_with, self._progress = made_with, progress

    def process(self, work: ShardTask) -> Iterator[ShardTask]:
        builder = ShardBuilder(self._made_with, self._progress, client_of)
        for task, samples in builder.build(work):
            Metrics.counter("soundseam", f"sft/{task} samples").inc(samples)
        yield work


def beam_options(flags: Sequence[str], runner: str) -> PipelineOptions:
    """Pipeline options from the command line. Raises SetupError for anything that is not an option."""
    for flag in flags:
        if not flag.startswith("--"):
            raise SetupError(f"{flag} is not an option: write Beam's options as --name=value")
    options = PipelineOptions([*flags])
    options.view_as(StandardOptions).runner = runner
    return options


def run_sft_graph(
    works: Sequence[ShardTask],
    made_with: SftBuild,
    progress: ProgressLog | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Builds the samples of `works` and waits, locally or on the runner in `options`, like `run_graph`."""
    chosen = options or PipelineOptions([])
    name = chosen.get_all_options().get("runner")
    runner = FnApiRunner() if name in (None, "DirectRunner", "FnApiRunner") else None
    with beam.Pipeline(runner=runner, options=chosen) as pipeline:
        (
            pipeline
            | "Works" >> beam.Create(list(works), reshuffle=True)
            | "Build" >> beam.ParDo(BuildShard(made_with, progress or ProgressLog()))
        )

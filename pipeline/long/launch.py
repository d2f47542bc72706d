"""Runs `soundseam long`, from its options to its summary; and checks what it has built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.local.watcher import Display
from soundseam.pipeline.long.build import LongBuild, LongShardBuilder, long_keys
from soundseam.pipeline.long.check import WrongText, check_recording
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import read_facts
from soundseam.pipeline.plan import Plan
from soundseam.pipeline.serving.reachable import ServerUse, check_servers
from soundseam.pipeline.sft.launch import LocalBuild, build_planned
from soundseam.pipeline.sft.plan import plan_derived
from soundseam.pipeline.sft.read import Marks, source_stages, upstream_keys
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, prepare_table, read_layout
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.record import Record
from soundseam.schemas.tables import LongTable

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

SUMMARY_FILE = "long.json"


class LongSummary(Record):
    """`_run/long.json`: the configuration that the long tables were built with, and their counts."""

    config: LongConfig
    recordings: int
    """Recordings with a caption."""
    chapters: int
    lines: int
    speakers: int
    windows: int
    window_ms: int
    lengths: tuple[tuple[int, int], ...]
    """(target length in ms, number of windows), in order of length."""
    at_chapters: int
    """Windows that end where a chapter ends."""


@dataclass(frozen=True)
class LongJob:
    """A planned build of the long tables."""

    made_with: LongBuild
    plan: Plan


def prepare_long(output: str, config: LongConfig, marks: Marks) -> LongJob:
    """Plans without changing OUT. Raises SetupError if there is no corpus, or the writer cannot be used."""
    config.check_available()
    if SEGMENTS_STAGE not in source_stages(output):
        raise SetupError(f"{output} holds no corpus: make one with soundseam run INPUTS --output {output}")
    made_with = LongBuild(output, config, marks)
    corpus = Corpus.load_present(output, source_stages(output))
    built = Corpus.load_present(output, list(LongTable))
    wanted = long_keys(upstream_keys(corpus), made_with)
    return LongJob(made_with, plan_derived(corpus, built, wanted, read_layout(output).shards))


def check_writer(job: LongJob, settings: Mapping[str, Endpoint], is_local: bool = True) -> tuple[str, ...]:
    """Asks the writer's server one question, as `check_servers` does, if it has something left to write."""
    writer, left = job.made_with.config.writer, {stage.stage for work in job.plan.tasks for stage in work.stages}
    if writer is None or LongTable.RECORDING_CAPTIONS not in left:
        return ()
    return check_servers(
        [ServerUse("writer", LongTable.RECORDING_CAPTIONS, writer.server, writer.asks)], settings, is_local
    )


def run_long(
    job: LongJob, workers: int, display: Display, options: PipelineOptions | None = None, runner: str = "DirectRunner"
) -> LongSummary:
    """Builds what is left, removes what was replaced, and writes the summary. The caller holds `output_in_use`."""
    output = job.made_with.output
    for table in LongTable:
        prepare_table(output, table)
    build_planned(job.plan, LocalBuild(output, LongGroup(job.made_with, options), workers, runner), display)
    # A run that was killed between its last commit and here leaves nothing to do, but something to clean up.
    corpus = Corpus.load_present(output, source_stages(output))
    sweep(output, long_keys(upstream_keys(corpus), job.made_with), only_wanted=True)
    return _summarise(job.made_with)


@dataclass(frozen=True)
class LongGroup:
    """Runs the graph over some tasks: the body of a local worker's group, and the whole of a cluster's job."""

    made_with: LongBuild
    options: PipelineOptions | None

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        from soundseam.pipeline.sft.graph import run_derived_graph

        context = StageContext(self.made_with.output, progress)
        run_derived_graph(tasks, LongShardBuilder(self.made_with, context), self.options)


def read_windows(output: str) -> Iterator[Window]:
    """The committed windows, a few in memory at a time."""
    corpus = Corpus.load_present(output, [LongTable.WINDOWS])
    return map(Window.model_validate, corpus.rows(LongTable.WINDOWS))


def read_recording_captions(output: str) -> Iterator[RecordingCaption]:
    """The committed captions of recordings, a few in memory at a time."""
    corpus = Corpus.load_present(output, [LongTable.RECORDING_CAPTIONS])
    return map(RecordingCaption.model_validate, corpus.rows(LongTable.RECORDING_CAPTIONS))


def read_long_summary(output: str) -> LongSummary | None:
    """The summary of the last build; None if there was none."""
    uri = files.join(output, RUN_FOLDER, SUMMARY_FILE)
    return LongSummary.model_validate_json(files.read_bytes(uri)) if files.exists(uri) else None


def check_long(output: str) -> Iterator[WrongText]:
    """Derives every text of the recordings' captions again from the tables; what they do not give."""
    summary = read_long_summary(output)
    if summary is None:
        return
    stages = source_stages(output)
    captions = Corpus.load_present(output, [LongTable.RECORDING_CAPTIONS])
    for shard in captions.shards():
        for row in captions.of_shard(shard).rows(LongTable.RECORDING_CAPTIONS):
            caption = RecordingCaption.model_validate(row)
            for recording in read_facts(output, stages, shard, {caption.recording_id}):
                yield from check_recording(caption, recording, summary.config)


def _summarise(made_with: LongBuild) -> LongSummary:
    recordings = chapters = lines = speakers = 0
    for caption in read_recording_captions(made_with.output):
        recordings += 1
        chapters += len(caption.chapters)
        lines += len(caption.timeline)
        speakers += len(caption.speakers)
    windows = window_ms = at_chapters = 0
    lengths: dict[int, int] = {}
    for window in read_windows(made_with.output):
        windows += 1
        window_ms += window.span.duration_ms
        at_chapters += window.ends_chapter
        lengths[window.target_ms] = lengths.get(window.target_ms, 0) + 1
    summary = LongSummary(
        config=made_with.config,
        recordings=recordings,
        chapters=chapters,
        lines=lines,
        speakers=speakers,
        windows=windows,
        window_ms=window_ms,
        lengths=tuple(sorted(lengths.items())),
        at_chapters=at_chapters,
    )
    uri = files.join(made_with.output, RUN_FOLDER, SUMMARY_FILE)
    files.write_atomically(uri, (summary.model_dump_json(indent=1) + "\n").encode())
    return summary

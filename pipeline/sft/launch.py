"""`soundseam sft` from its options to its summary."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundseam.pipeline.launch import LOCAL_RUNNERS, Display, RunWatcher
from soundseam.pipeline.local.progress import Meter, ProgressLog
from soundseam.pipeline.local.supervisor import LocalJob, run_local
from soundseam.pipeline.plan import Plan
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.plan import plan_sft, sft_keys, sft_stage
from soundseam.pipeline.sft.read import Marks, source_stages, upstream_keys
from soundseam.pipeline.sft.summary import SftSummary, summarise
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import Corpus, read_layout, sweep
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.storage.tables import SCHEMA_FILE, write_schema_file
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardWork

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_COST = 0.001
"""Seconds of one core for a second of audio and task, about: what a progress bar begins with."""


@dataclass(frozen=True)
class SftJob:
    """What to build, planned."""

    output: str
    config: SftConfig
    marks: Marks
    plan: Plan


def prepare_sft(output: str, config: SftConfig, marks: Marks) -> SftJob:
    """Plans without touching OUT. Raises SetupError where there is no corpus, or no model that is to be asked."""
    config.check_available()
    require_corpus(output, SEGMENTS_STAGE)
    stages = source_stages(output)
    built = Corpus.load_present(output, [sft_stage(task.task) for task in config.tasks])
    plan = plan_sft(Corpus.load_present(output, stages), built, config, read_layout(output).shards, marks)
    return SftJob(output, config, marks, plan)


def run_sft(
    job: SftJob, workers: int, display: Display, options: PipelineOptions | None = None, runner: str = "DirectRunner"
) -> SftSummary:
    """Builds what is left, removes what it replaces, and sums up. The caller holds `output_in_use`."""
    _prepare_tables(job)
    if not job.plan.is_empty:
        group = SftGroup(job.config, job.output, job.marks, options)
        if runner in LOCAL_RUNNERS:
            costs = {stage.stage: _COST for stage in job.plan.stages}
            durations = {source.recording_id: 60_000 for work in job.plan.works for source in work.sources}
            watcher = RunWatcher(job.output, Meter(job.plan.works, durations, costs, workers), display)
            run_local(job.plan.works, LocalJob(group, watcher, workers))
        else:
            group(job.plan.works, ProgressLog())
    # A run that was killed between its last commit and here leaves nothing to do and something to tidy up.
    sweep(job.output, _wanted(job), only_wanted=True)
    return summarise(job.output, job.config)


@dataclass(frozen=True)
class SftGroup:
    """Runs the graph over some works: the body of a local worker's task, and the whole of a cluster's job."""

    config: SftConfig
    output: str
    marks: Marks
    options: PipelineOptions | None

    def __call__(self, works: Sequence[ShardWork], progress: ProgressLog) -> None:
        from soundseam.pipeline.sft.graph import run_sft_graph

        run_sft_graph(works, self.config, self.output, self.marks, progress, self.options)


def _wanted(job: SftJob) -> dict[str, dict[str, str]]:
    upstream = upstream_keys(Corpus.load_present(job.output, source_stages(job.output)))
    return {sft_stage(task.task): sft_keys(task, job.config, upstream, job.marks) for task in job.config.tasks}


def _prepare_tables(job: SftJob) -> None:
    """A table without samples still has its columns."""
    for task in job.config.tasks:
        table = sft_stage(task.task)
        target = files.join(job.output, table, SCHEMA_FILE)
        if not files.exists(target):
            with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(job.output)) as folder:
                write_schema_file(table, Path(folder) / SCHEMA_FILE)
                files.publish(Path(folder) / SCHEMA_FILE, target)

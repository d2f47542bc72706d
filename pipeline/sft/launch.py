"""Runs `soundseam sft`, from its options to its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.beam import RunnerJob
from soundseam.pipeline.local.meter import Meter
from soundseam.pipeline.local.pool import LOCAL_RUNNERS
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.local.supervisor import LocalJob, run_local
from soundseam.pipeline.local.watcher import Display, RunWatcher
from soundseam.pipeline.local.worker import RunGroup
from soundseam.pipeline.plan import Plan
from soundseam.pipeline.serving.reachable import ServerUse, check_servers
from soundseam.pipeline.sft.answerable import ANSWERER_ASKS
from soundseam.pipeline.sft.ask import ServedTask
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.graph import SftBuild
from soundseam.pipeline.sft.plan import Decided, decide, plan_sft, sft_stage, wanted_keys
from soundseam.pipeline.sft.read import Marks, source_stages, upstream_keys
from soundseam.pipeline.sft.summary import SftSummary, summarise
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.storage.commits import prepare_table, read_layout
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_COST = 0.001
"""Approximate seconds on one core per second of audio and task, for the initial progress bar."""


@dataclass(frozen=True)
class SftJob:
    """A planned build of samples."""

    made_with: SftBuild
    decided: Decided
    plan: Plan


def prepare_sft(output: str, config: SftConfig, marks: Marks) -> SftJob:
    """Plans without changing OUT. Raises SetupError if there is no corpus, or a configured model cannot be used."""
    config.check_available()
    if SEGMENTS_STAGE not in source_stages(output):
        raise SetupError(f"{output} holds no corpus: make one with soundseam run INPUTS --output {output}")
    return _planned(output, config, marks)


def _planned(output: str, config: SftConfig, marks: Marks) -> SftJob:
    corpus = Corpus.load_present(output, source_stages(output))
    built = Corpus.load_present(output, [sft_stage(task.task) for task in config.tasks])
    decided = decide(corpus, config, marks)
    plan = plan_sft(corpus, built, config, read_layout(output).shards, marks, decided)
    return SftJob(SftBuild(output, config, marks, decided.balance), decided, plan)


def check_sft_servers(job: SftJob, settings: Mapping[str, Endpoint], is_local: bool = True) -> tuple[str, ...]:
    """Asks the servers of tasks with something left to do one question of each kind, as `check_servers` does."""
    config, left = job.made_with.config, {stage.stage for work in job.plan.tasks for stage in work.stages}
    uses: list[ServerUse] = []
    for task in config.tasks:
        stage = sft_stage(task.task)
        if isinstance(task, ServedTask):
            pairs = zip(task.endpoints(), task.question_kinds(), strict=True)
            uses += [ServerUse(task.task, stage, endpoint, (kind,)) for endpoint, kind in pairs]
        if config.answerer is not None:
            uses.append(ServerUse("answerer", stage, config.answerer, ANSWERER_ASKS))
    return check_servers([use for use in uses if use.stage in left], settings, is_local)


def run_sft(
    job: SftJob, workers: int, display: Display, options: PipelineOptions | None = None, runner: str = "DirectRunner"
) -> SftSummary:
    """Builds what is left, thins out what can be guessed, removes what was replaced, and writes the summary.

    What can be guessed is only known when all samples exist, so recordings that lose samples are built once more; what
    they lose only depends on the rows, so once is enough. The caller holds `output_in_use`.
    """
    output, config, marks = job.made_with.output, job.made_with.config, job.made_with.marks
    for task in config.tasks:
        prepare_table(output, sft_stage(task.task))
    for _ in range(_PASSES):
        build_planned(job.plan, LocalBuild(output, SftGroup(job.made_with, options), workers, runner), display)
        # A run that was killed between its last commit and here leaves nothing to do, but something to clean up.
        sweep(output, _wanted(job), only_wanted=True)
        job = _planned(output, config, marks)
        if job.plan.is_empty:
            break
    return summarise(output, config)


_PASSES = 3


@dataclass(frozen=True)
class LocalBuild:
    """How a derived stage is built: by `group`, in local processes unless `runner` is another one."""

    output: str
    group: RunGroup
    workers: int
    runner: str


def build_planned(plan: Plan, build: LocalBuild, display: Display) -> None:
    """Does the work of a plan of stages that are derived from the tables."""
    if plan.is_empty:
        return
    costs = {stage.stage: _COST for stage in plan.stages}
    durations = {source.recording_id: 60_000 for work in plan.tasks for source in work.sources}
    watcher = RunWatcher(build.output, Meter(plan.tasks, durations, costs, build.workers), display)
    if build.runner in LOCAL_RUNNERS:
        run_local(plan.tasks, LocalJob(build.group, watcher, build.workers))
    else:
        RunnerJob(build.group, build.output, build.runner, watcher).do(plan.tasks)


@dataclass(frozen=True)
class SftGroup:
    """Runs the graph over some tasks: the body of a local worker's group, and the whole of a cluster's job."""

    made_with: SftBuild
    options: PipelineOptions | None

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        from soundseam.pipeline.sft.graph import ShardBuilder, run_derived_graph

        context = StageContext(self.made_with.output, progress)
        run_derived_graph(tasks, ShardBuilder(self.made_with, context), self.options)


def _wanted(job: SftJob) -> dict[str, dict[str, str]]:
    """stage → recording_id → the key that `job` has built or found."""
    made_with = job.made_with
    corpus = Corpus.load_present(made_with.output, source_stages(made_with.output))
    return wanted_keys(upstream_keys(corpus), made_with.config, made_with.marks, job.decided)

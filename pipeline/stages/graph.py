"""The whole job as one Beam graph: a local worker gets its stages over some tasks, a runner also what is before and
after them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.planning import FinishJob, PlanInputs
from soundseam.pipeline.stages.shard import Job
from soundseam.pipeline.stages.transforms import AnnotateShards, CaptionShards, SegmentShard
from soundseam.pipeline.storage.commits import forget_written
from soundseam.pipeline.work import ShardTask


def build_graph(
    pipeline: beam.Pipeline, tasks: Sequence[ShardTask], context: RunContext
) -> beam.PCollection[ShardTask]:
    """Builds the job over known tasks on `pipeline`: those of a local worker. Returns the finished ones."""
    return build_stages(pipeline | "Tasks" >> beam.Create(list(tasks), reshuffle=True), context)


def build_stages(tasks: beam.PCollection[ShardTask], context: RunContext) -> beam.PCollection[ShardTask]:
    """Segments first, then all branches, and captions when all of them are done. Returns the finished tasks.

    Every stage commits its rows to OUT itself; what flows between them is the tasks.
    """
    segmented = tasks | "Segment" >> beam.ParDo(SegmentShard(context))
    branches = []
    for branch, backends in context.config.branches.by_branch().items():
        annotated = segmented
        for backend in backends:
            annotated |= f"{branch}/{backend.backend}" >> AnnotateShards(backend, context)
        branches.append(annotated)
    return tuple(branches) | "Caption" >> CaptionShards(context)


def build_job(pipeline: beam.Pipeline, job: Job, context: RunContext) -> None:
    """Builds a whole run on `pipeline`, from the inputs as they were typed to the counts of the corpus.

    Only references flow from listing to planning, and nothing that `pipeline` carries grows with the corpus.
    """
    planned = pipeline | "Plan" >> PlanInputs(job, context.config)
    finished = build_stages(planned.tasks, context)
    (planned, finished) | "Finish" >> FinishJob(job, context.config)


def run_graph(tasks: Sequence[ShardTask], context: RunContext, options: PipelineOptions | None = None) -> None:
    """Runs the job over `tasks` and waits, as `run_pipeline` does.

    Can be the body of a task of Ray, Dask or Spark as well: all it needs arrives in its arguments.
    """
    forget_written()
    run_pipeline(lambda pipeline: build_graph(pipeline, tasks, context), options)


def run_job(job: Job, context: RunContext, options: PipelineOptions | None = None) -> None:
    """Runs a whole job and waits, as `run_pipeline` does."""
    forget_written()
    run_pipeline(lambda pipeline: build_job(pipeline, job, context), options)


def run_pipeline(build: Callable[[beam.Pipeline], object], options: PipelineOptions | None = None) -> None:
    """Runs what `build` lays and waits: in this process by default, on the runner that `options` name otherwise.

    The local runner is FnApiRunner itself: DirectRunner would first try to download another one.
    """
    chosen = options or PipelineOptions([])
    name = chosen.get_all_options().get("runner")
    runner = FnApiRunner() if name in (None, "DirectRunner", "FnApiRunner") else None
    with beam.Pipeline(runner=runner, options=chosen) as pipeline:
        build(pipeline)


def beam_options(flags: Sequence[str], runner: str) -> PipelineOptions:
    """Pipeline options from the command line. Raises SetupError for anything that is not an option."""
    for flag in flags:
        if not flag.startswith("--"):
            raise SetupError(f"{flag} is not an option: write Beam's options as --name=value")
    options = PipelineOptions([*flags])
    options.view_as(StandardOptions).runner = runner
    return options

"""The whole job as one Beam graph: the same on a laptop and on a cluster; only the tasks passed to it differ."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.stages.transforms import AnnotateShards, CaptionShards, SegmentShard
from soundseam.pipeline.work import ShardTask


def build_graph(
    pipeline: beam.Pipeline, works: Sequence[ShardTask], config: RunConfig, output: str, progress: ProgressLog
) -> beam.PCollection[ShardTask]:
    """Builds the job on `pipeline`: segments first, then all branches, and captions when all of them are done.

    Every stage commits its rows to `output` itself; only tasks are passed between them. Returns the finished tasks.
    """
    segmented = (
        pipeline
        | "Works" >> beam.Create(list(works), reshuffle=True)
        | "Segment" >> beam.ParDo(SegmentShard(config, output, progress))
    )
    branches = []
    for branch, backends in config.branches.by_branch().items():
        annotated = segmented
        for backend in backends:
            annotated |= f"{branch}/{backend.backend}" >> AnnotateShards(backend, config, output, progress)
        branches.append(annotated)
    return tuple(branches) | "Caption" >> CaptionShards(config, output, progress)


def run_graph(
    works: Sequence[ShardTask],
    config: RunConfig,
    output: str,
    progress: ProgressLog | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Runs the job over `works` and waits: in this process by default, or on the runner in `options`.

    The local runner is FnApiRunner itself: DirectRunner would first try to download another one.
    It can also be the body of a task of Ray, Dask or Spark: everything it needs is in its arguments.
    """
    chosen = options or PipelineOptions([])
    name = chosen.get_all_options().get("runner")
    runner = FnApiRunner() if name in (None, "DirectRunner", "FnApiRunner") else None
    with beam.Pipeline(runner=runner, options=chosen) as pipeline:
        build_graph(pipeline, works, config, output, progress or ProgressLog())

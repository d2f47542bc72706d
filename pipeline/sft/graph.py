"""Building samples as one Beam graph: a shard work in, a commit a task out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.errors import SetupError
from pipeline.local.progress import ProgressLog
from pipeline.sft.config import SftConfig
from pipeline.sft.marks import Marks
from pipeline.sft.shard import ShardBuilder
from pipeline.transforms import loaded
from pipeline.work import ShardWork


class BuildShard(beam.DoFn):
    """Builds and commits the samples of one work, task by task."""

    def __init__(self, config: SftConfig, output: str, marks: Marks, progress: ProgressLog) -> None:
        self._config, self._output, self._marks, self._progress = config, output, marks, progress

    def process(self, work: ShardWork) -> Iterator[ShardWork]:
        load = partial(loaded, progress=self._progress)
        builder = ShardBuilder(self._output, self._config, self._marks, self._progress, load)
        for task, samples in builder.build(work):
            Metrics.counter("soundseam", f"sft/{task} samples").inc(samples)
        yield work


def beam_options(flags: Sequence[str], runner: str) -> PipelineOptions:
    """Options of a pipeline from a command line's. Raises SetupError for what is no option."""
    for flag in flags:
        if not flag.startswith("--"):
            raise SetupError(f"{flag} is no option: write Beam's as --name=value")
    options = PipelineOptions([*flags])
    options.view_as(StandardOptions).runner = runner
    return options


def run_sft_graph(
    works: Sequence[ShardWork],
    config: SftConfig,
    output: str,
    marks: Marks,
    progress: ProgressLog | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Builds the samples of `works` and waits, locally or on the runner that `options` name, as `run_graph` does."""
    chosen = options or PipelineOptions([])
    name = chosen.get_all_options().get("runner")
    runner = FnApiRunner() if name in (None, "DirectRunner", "FnApiRunner") else None
    with beam.Pipeline(runner=runner, options=chosen) as pipeline:
        (
            pipeline
            | "Works" >> beam.Create(list(works), reshuffle=True)
            | "Build" >> beam.ParDo(BuildShard(config, output, marks, progress or ProgressLog()))
        )

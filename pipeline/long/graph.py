"""Building windows and captions of recordings as one Beam graph: shard tasks in, one commit per table out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.long.caption import caption_recording, find_spans
from soundseam.pipeline.long.facts import RecordingFacts, read_facts
from soundseam.pipeline.long.plan import LongBuild
from soundseam.pipeline.long.things import find_things
from soundseam.pipeline.long.windows import windows_of
from soundseam.pipeline.long.writing import write_captions
from soundseam.pipeline.sft.read import source_stages
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.stages.graph import run_pipeline
from soundseam.pipeline.storage.commits import Commit, new_commit
from soundseam.pipeline.work import ShardTask, StageTask
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.tables import LongTable


@dataclass(frozen=True)
class LongShardBuilder:
    """Builds the long tables of one shard task."""

    made_with: LongBuild
    context: StageContext

    def build(self, work: ShardTask) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it table by table; yields (table, number of rows)."""
        names = {name for stage in work.stages for name in stage.recording_ids}
        output = self.made_with.output
        facts = read_facts(output, source_stages(output), work.shard, names)
        for table in LongTable:
            if (todo := work.at(table)) is None:
                continue
            ids = sorted(todo.recording_ids)
            self.context.progress.write(table, "start", ids)
            mine = [recording for recording in facts if recording.recording_id in todo.recording_ids]
            commit = Commit(stage=table, shard=work.shard, covers=todo.keys, files=())
            count = 0
            with new_commit(output, commit) as writer:
                for row in self._rows(table, mine, todo):
                    writer.append(table, row)
                    count += 1
            self.context.progress.write(table, "done", ids, sum(recording.duration_ms for recording in mine))
            yield table, count

    def _rows(
        self, table: LongTable, recordings: Sequence[RecordingFacts], todo: StageTask
    ) -> Iterator[RecordingCaption | Window]:
        keys, config = dict(todo.keys), self.made_with.config
        with_segments = [recording for recording in recordings if recording.segments]
        if table is LongTable.WINDOWS:
            for recording in with_segments:
                chapters = find_spans(recording, find_things(recording, config.min_name_score), config)
                left_out = self.made_with.marks.left_out_of(recording.recording_id)
                yield from windows_of(recording, chapters, config, left_out, keys[recording.recording_id])
            return
        captions = (caption_recording(recording, config, keys[recording.recording_id]) for recording in with_segments)
        with ExitStack() as stack:
            if config.writer is None:
                yield from captions
            else:
                client = stack.enter_context(self.context.client(config.writer.server, table))
                yield from write_captions(captions, config.writer, client)


class BuildLongShard(beam.DoFn):
    """Builds and commits the long tables of one shard task, table by table."""

    def __init__(self, made_with: LongBuild, context: StageContext) -> None:
        self._builder = LongShardBuilder(made_with, context)

    def process(self, work: ShardTask) -> Iterator[ShardTask]:
        for table, rows in self._builder.build(work):
            Metrics.counter("soundseam", f"{table} rows").inc(rows)
        yield work


def run_long_graph(
    shard_tasks: Sequence[ShardTask],
    made_with: LongBuild,
    progress: ProgressLog | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Builds the long tables of `shard_tasks` and waits, as `run_pipeline` does."""
    build = beam.ParDo(BuildLongShard(made_with, StageContext(made_with.output, progress or ProgressLog())))
    run_pipeline(
        lambda graph: graph | "Tasks" >> beam.Create(list(shard_tasks), reshuffle=True) | "Build" >> build, options
    )

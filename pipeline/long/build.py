"""The keys of windows and captions of recordings, and the way from a shard task to its committed rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from soundseam.pipeline.long.caption import caption_recording, find_spans
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import RecordingFacts, read_facts
from soundseam.pipeline.long.things import find_things
from soundseam.pipeline.long.windows import windows_of
from soundseam.pipeline.long.writing import write_captions
from soundseam.pipeline.sft.read import Marks, source_stages
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.storage.commits import Commit, new_commit
from soundseam.pipeline.work import ShardTask, StageTask
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.record import content_key
from soundseam.schemas.tables import LongTable


@dataclass(frozen=True)
class LongBuild:
    """The inputs for building the long tables of a corpus."""

    output: str
    config: LongConfig
    marks: Marks


def long_keys(upstream: Mapping[str, str], made_with: LongBuild) -> dict[str, dict[str, str]]:
    """table, which is also its stage → recording_id → the key of its rows."""
    config, marks = made_with.config, made_with.marks
    return {
        LongTable.RECORDING_CAPTIONS: {name: content_key([config.captions_key, key]) for name, key in upstream.items()},
        LongTable.WINDOWS: {
            name: content_key([config.windows_key, key, sorted(marks.left_out_of(name))])
            for name, key in upstream.items()
        },
    }


@dataclass(frozen=True)
class LongShardBuilder:
    """Builds the long tables of one shard task."""

    made_with: LongBuild
    context: StageContext

    def build(self, work: ShardTask) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it table by table; yields (what is counted, its number)."""
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
            yield f"{table} rows", count

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

"""The stages as Beam transforms, each around the pure function of the same name.

Only `ShardTask` records and rows without audio are passed between transforms: audio is read where it is used and
written where it is made, so it never goes through a shuffle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from soundseam.annotators.base import AnyBackend
from soundseam.annotators.chat.questions import Usage
from soundseam.annotators.chat.served import ServedBackend
from soundseam.pipeline.local.progress import pulse
from soundseam.pipeline.plan import annotation_stage, stage_keys
from soundseam.pipeline.stages.ahead import left_by, read_ahead
from soundseam.pipeline.stages.annotate import annotation_row, answer_clips, answer_recordings
from soundseam.pipeline.stages.asking import Answered, ServedStage, caption_clients
from soundseam.pipeline.stages.caption import caption_tasks
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.segment import UNEXPECTED_ERROR, Row, segment_source
from soundseam.pipeline.storage.commits import Commit, new_commit
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE, ShardTask, StageTask
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.recording import Recording, Rejected
from soundseam.schemas.segment import SegmentRow
from soundseam.schemas.tables import Table, annotation_table

MAX_UNEXPECTED_IN_A_ROW = 8


class SegmentShard(beam.DoFn):
    """Decodes, cuts and commits a shard's recordings, and passes its task on."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._recordings = Metrics.counter("soundseam", "recordings")
        self._segments = Metrics.counter("soundseam", "segments")

    def setup(self) -> None:
        self._unexpected = 0
        self._detectors = [self._context.loaded(detector) for detector in self._context.config.detectors]

    def process(self, work: ShardTask) -> Iterator[ShardTask]:
        todo = work.at(SEGMENTS_STAGE)
        if todo is not None:
            self._commit(work, todo)
        yield work

    def _commit(self, work: ShardTask, todo: StageTask) -> None:
        commit = Commit(stage=SEGMENTS_STAGE, shard=work.shard, covers=todo.keys, files=())
        config, progress = self._context.config, self._context.progress
        config_key = stage_keys(config)[SEGMENTS_STAGE]
        with new_commit(self._context.output, commit) as writer:
            for source in work.sources:
                if source.recording_id not in todo.recording_ids:
                    continue
                progress.write(SEGMENTS_STAGE, "start", [source.recording_id])
                audio_ms = 0
                on_use = pulse(SEGMENTS_STAGE, progress)
                for row in segment_source(source, self._detectors, config, config_key, on_use):
                    self._note_unexpected(row)
                    audio_ms += row.duration_ms if isinstance(row, Recording) else 0
                    size = len(row.audio.bytes) if isinstance(row, SegmentRow) else 0
                    writer.append(_TABLE_OF[type(row)], row, size)
                    self._segments.inc(isinstance(row, SegmentRow))
                self._recordings.inc()
                progress.write(SEGMENTS_STAGE, "done", [source.recording_id], audio_ms)

    def _note_unexpected(self, row: Row) -> None:
        """Raises RuntimeError if several recordings in a row fail like this: then their bytes are not the cause."""
        if not (isinstance(row, Rejected) and row.reason == UNEXPECTED_ERROR):
            self._unexpected = 0
            return
        self._unexpected += 1
        if self._unexpected >= MAX_UNEXPECTED_IN_A_ROW:
            raise RuntimeError(
                f"{self._unexpected} recordings in a row failed, the last one {row.source_uri}: {row.detail}"
            )


_TABLE_OF: dict[type, Table] = {
    Recording: Table.RECORDINGS,
    SegmentRow: Table.SEGMENTS,
    Rejected: Table.REJECTED,
    Caption: Table.CAPTIONS,
}


Made = tuple[str, Annotation | Rejected | ShardTask]
"""A task's id with one of its rows, or with the task itself, which comes last."""


def clip_answers(backend: AnyBackend, context: RunContext, work: ShardTask) -> Iterator[Answered]:
    """A backend's answers for a task's clips, in batches of similar length.

    Audio is read and annotated in one step: with a separate step for reading, which needs no accelerator, the audio
    would be sent from one worker to another. RunInference is not used for that reason, and because importing it loads
    torch if torch is installed.
    """
    known = read_ahead(context, work, backend)
    left = left_by(known, context, work, backend) if known else None
    if left != frozenset():
        yield from ((work.work_id, pair) for pair in answer_clips(context, work, backend, left))
    yield from ((work.work_id, pair) for pair in known.values())


def recording_answers(backend: AnyBackend, context: RunContext, work: ShardTask) -> Iterator[Answered]:
    """The answers of a backend that processes whole recordings for a task's segments."""
    known = read_ahead(context, work, backend)
    yield from ((work.work_id, pair) for pair in answer_recordings(context, work, backend, known.keys()))
    yield from ((work.work_id, pair) for pair in known.values())


class Annotate(beam.DoFn):
    """The rows of one backend for each task, then the task itself."""

    def __init__(self, backend: AnyBackend, context: RunContext) -> None:
        self._backend, self._context = backend, context
        self._config_key = stage_keys(context.config)[annotation_stage(backend)]

    def process(self, work: ShardTask) -> Iterator[Made]:
        answers = recording_answers if self._backend.takes_recordings else clip_answers
        yield from map(self._made, answers(self._backend, self._context, work))
        yield work.work_id, work

    def _made(self, answered: Answered) -> Made:
        work_id, (segment, answer) = answered
        return work_id, annotation_row(self._backend, self._config_key, segment, answer)


class AskServers(Annotate):
    """The rows of a backend with a served model for all tasks of a bundle, then the tasks.

    Tasks are collected, and questions sent at the end of the bundle: within one task, or one batch of clips, there
    would be fewer questions in flight than a server can take. Only references are collected; clips are read as answers
    arrive.
    """

    def __init__(self, backend: AnyBackend, context: RunContext) -> None:
        super().__init__(backend, context)
        assert isinstance(backend, ServedBackend)
        self._stage = ServedStage(backend, context)
        name = annotation_stage(backend)
        self._counters = {field: Metrics.counter("soundseam", f"{name} {field}") for field in Usage.model_fields}

    def start_bundle(self) -> None:
        self._tasks: list[ShardTask] = []

    def process(self, work: ShardTask) -> Iterator[Made]:
        self._tasks.append(work)
        yield from ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for answered in self._stage.answer(self._tasks, self._count):
            yield GlobalWindows.windowed_value(self._made(answered))
        for work in self._tasks:
            yield GlobalWindows.windowed_value((work.work_id, work))

    def _count(self, usage: Usage) -> None:
        for field, counter in self._counters.items():
            counter.inc(getattr(usage, field))


def resource_hints(backend: AnyBackend) -> dict[str, str]:
    """A backend's requirements for its workers, as Beam's resource hints."""
    return {"accelerator": backend.accelerator} if backend.accelerator else {}


class AnnotateShards(beam.PTransform):
    """Runs one backend over the shards' clips, commits its rows shard by shard, and passes the tasks on.

    As few transforms as possible: every local graph pays for each of them when it starts.
    """

    def __init__(self, backend: AnyBackend, context: RunContext) -> None:
        super().__init__()
        self._backend, self._context = backend, context

    def expand(self, tasks: beam.PCollection[ShardTask]) -> beam.PCollection[ShardTask]:
        backend, context = self._backend, self._context
        annotate = (AskServers if isinstance(backend, ServedBackend) else Annotate)(backend, context)
        return (
            tasks
            | type(annotate).__name__
            >> beam.ParDo(annotate).with_resource_hints(**resource_hints(backend)).with_output_types(tuple[str, Any])
            | beam.GroupByKey()
            | beam.ParDo(CommitRows(backend, context.output))
        )


class CommitRows(beam.DoFn):
    """Commits the rows of one backend for one task."""

    def __init__(self, backend: AnyBackend, output: str) -> None:
        self._backend, self._output = backend, output
        self._rows = Metrics.counter("soundseam", f"{annotation_stage(backend)} rows")
        self._rejected = Metrics.counter("soundseam", f"{annotation_stage(backend)} rejected")

    def process(self, grouped: tuple[str, Iterable[Annotation | Rejected | ShardTask]]) -> Iterator[ShardTask]:
        elements = list(grouped[1])
        (work,) = (element for element in elements if isinstance(element, ShardTask))
        rows = [element for element in elements if not isinstance(element, ShardTask)]
        stage = annotation_stage(self._backend)
        todo = work.at(stage)
        if todo is not None:
            with new_commit(self._output, Commit(stage=stage, shard=work.shard, covers=todo.keys, files=())) as writer:
                # Rows arrive in the order in which bundles ended: sorting makes equal tasks give equal files.
                for row in sorted(rows, key=attrgetter("segment_id")):
                    rejected = isinstance(row, Rejected)
                    (self._rejected if rejected else self._rows).inc()
                    writer.append(Table.REJECTED if rejected else annotation_table(self._backend.branch), row)
        yield work


class CaptionTasks(beam.DoFn):
    """Writes, checks and verifies captions of tasks whose branches are all committed, and commits them task by task.

    The tasks of a bundle are one stream, as for backends with served models.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._captions = Metrics.counter("soundseam", "captions")
        self._counters = {field: Metrics.counter("soundseam", f"captions {field}") for field in Usage.model_fields}

    def start_bundle(self) -> None:
        self._tasks: list[ShardTask] = []

    def process(self, grouped: tuple[str, Iterable[ShardTask]]) -> None:
        self._tasks.append(next(iter(grouped[1])))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        with caption_clients(self._context) as clients:
            for work, rows in caption_tasks(self._context, self._tasks, clients):
                self._commit(work, rows, clients.usage())
        for work in self._tasks:
            yield GlobalWindows.windowed_value(work)

    def _commit(self, work: ShardTask, rows: Sequence[Caption | Rejected], usage: Usage) -> None:
        todo = work.at(CAPTIONS_STAGE)
        if todo is None:
            return
        recording_ids = sorted(todo.recording_ids)
        self._context.progress.write(CAPTIONS_STAGE, "start", recording_ids)
        commit = Commit(stage=CAPTIONS_STAGE, shard=work.shard, covers=todo.keys, files=())
        with new_commit(self._context.output, commit) as writer:
            for row in rows:
                writer.append(_TABLE_OF[type(row)], row)
                self._captions.inc(isinstance(row, Caption))
        for field, counter in self._counters.items():
            counter.inc(getattr(usage, field))
        self._context.progress.write(CAPTIONS_STAGE, "done", recording_ids, usage=usage)


class KeyTasks(beam.PTransform):
    """task → (its id, task)."""

    def expand(self, tasks: beam.PCollection[ShardTask]) -> beam.PCollection[tuple[str, ShardTask]]:
        return tasks | beam.Map(lambda work: (work.work_id, work)).with_output_types(tuple[str, Any])


class CaptionShards(beam.PTransform):
    """Waits for all branches of a task, then captions it."""

    def __init__(self, context: RunContext) -> None:
        super().__init__()
        self._context = context

    def expand(self, branches: Sequence[beam.PCollection[ShardTask]]) -> beam.PCollection[ShardTask]:
        return (
            [branch | f"Key{index}" >> KeyTasks() for index, branch in enumerate(branches)]
            | beam.Flatten()
            | "AllBranchesOfWork" >> beam.GroupByKey()
            | beam.ParDo(CaptionTasks(self._context))
        )

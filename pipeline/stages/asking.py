"""Stages whose models are on servers: one stream of questions over many tasks, with answers cached in OUT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.client import CachedClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Usage
from soundseam.annotators.chat.served import ServedAnnotator, ServedBackend
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.stages.annotate import Answer, read_clips
from soundseam.pipeline.stages.caption import CaptionClients
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.work import CAPTIONS_STAGE, ShardTask
from soundseam.schemas.annotation import Facts
from soundseam.schemas.segment import Segment

Answered = tuple[str, tuple[Segment, Answer]]
"""The id of a segment's task, the segment, and a backend's answer for it."""


@contextmanager
def caption_clients(context: RunContext) -> Iterator[CaptionClients]:
    """The clients and the model that the configuration's captions ask."""
    config = context.config.captions
    with ExitStack() as stack:

        def client(server: Endpoint) -> CachedClient:
            return stack.enter_context(context.client(server, CAPTIONS_STAGE))

        writes = config.composer == "writer" and config.writer is not None
        yield CaptionClients(
            writer=client(config.writer.server) if writes and config.writer else None,
            verifier=client(config.verifier.server) if config.verifier else None,
            clap=None if config.clap is None else context.loaded(config.clap),
        )


@dataclass(frozen=True)
class ServedStage:
    """The stage of one backend that uses a server."""

    backend: ServedBackend[Facts]
    context: RunContext

    def answer(self, tasks: Sequence[ShardTask], count: Callable[[Usage], None]) -> Iterator[Answered]:
        """What the backend answers for all clips of the tasks, in order, as one stream: concurrency does not drop at
        the end of a task. `count` is called recording by recording with what asking took.
        """
        stage, progress = annotation_stage(self.backend), self.context.progress
        annotator = self.context.loaded(self.backend)
        with self.context.client(self.backend.server, stage) as client:
            stream = self._stream(tasks, annotator, client)
            for recording_id, answers in groupby(stream, key=lambda answered: answered[1][0].recording_id):
                progress.write(stage, "start", [recording_id])
                audio_ms = 0
                for answered in answers:
                    audio_ms += answered[1][0].span.duration_ms
                    yield answered
                usage = client.tally.take()
                count(usage)
                progress.write(stage, "done", [recording_id], audio_ms, usage)

    def _stream(
        self, tasks: Sequence[ShardTask], annotator: ServedAnnotator[Facts], client: CachedClient
    ) -> Iterator[Answered]:
        lost: list[Answered] = []

        def clips() -> Iterator[tuple[tuple[str, Segment], Clip]]:
            for work in tasks:

                def lose(segment: Segment, error: AnnotationError, work_id: str = work.work_id) -> None:
                    lost.append((work_id, (segment, error)))

                for clip in read_clips(self.context, work, self.backend, lose):
                    yield (work.work_id, clip.segment), clip

        for (work_id, segment), answer in annotator.annotate_stream(clips(), client):
            yield work_id, (segment, answer)
        yield from lost

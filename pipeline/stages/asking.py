"""Stages whose models are on servers: one stream of questions over many tasks, with answers cached in OUT."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Tally, Usage
from soundseam.annotators.chat.served import ServedAnnotator, ServedBackend
from soundseam.annotators.clap import AudioTextModel
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.local.progress import ProgressLog, pulse
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.stages.annotate import Answer, read_clips
from soundseam.pipeline.stages.caption import CaptionClients
from soundseam.pipeline.storage.answers import AnswerCacheFiles
from soundseam.pipeline.work import CAPTIONS_STAGE, ShardTask
from soundseam.schemas.annotation import Facts
from soundseam.schemas.segment import Segment

Answered = tuple[str, tuple[Segment, Answer]]
"""The id of a segment's task, the segment, and a backend's answer for it."""


@contextmanager
def asking(client: ServerClient, output: str, stage: str, progress: ProgressLog) -> Iterator[CachedClient]:
    """A client that caches its answers in OUT, and reports its activity to `progress`."""
    with AnswerCacheFiles(output) as store:
        yield CachedClient(client, store, Tally(pulse(stage, progress)))


@contextmanager
def caption_clients(
    config: CaptionConfig,
    load: Callable[[Endpoint], ServerClient],
    output: str,
    progress: ProgressLog,
    clap: AudioTextModel | None = None,
) -> Iterator[CaptionClients]:
    """The clients for captions according to their configuration, and the CLAP model."""
    with ExitStack() as stack:

        def asker(server: Endpoint) -> CachedClient:
            return stack.enter_context(asking(load(server), output, CAPTIONS_STAGE, progress))

        writes = config.composer == "writer" and config.writer is not None
        yield CaptionClients(
            writer=asker(config.writer.server) if writes and config.writer else None,
            verifier=asker(config.verifier.server) if config.verifier else None,
            clap=clap,
        )


@dataclass(frozen=True)
class ServedStage:
    """The stage of one backend that uses a server."""

    backend: ServedBackend[Facts]
    config: RunConfig
    output: str
    progress: ProgressLog

    def answer(
        self,
        works: Sequence[ShardTask],
        annotator: ServedAnnotator[Facts],
        client: ServerClient,
        count: Callable[[Usage], None],
    ) -> Iterator[Answered]:
        """The backend's answers for all clips of the tasks, in order, as one stream, so that as many questions are in
        flight at the end of a task as in its middle. `count` is called per recording with the use of servers.
        """
        stage = annotation_stage(self.backend)
        with asking(client, self.output, stage, self.progress) as asker:
            stream = self._stream(works, annotator, asker)
            for recording_id, answers in groupby(stream, key=lambda answered: answered[1][0].recording_id):
                self.progress.write(stage, "start", [recording_id])
                audio_ms = 0
                for answered in answers:
                    audio_ms += answered[1][0].span.duration_ms
                    yield answered
                usage = asker.tally.take()
                count(usage)
                self.progress.write(stage, "done", [recording_id], audio_ms, usage)

    def _stream(
        self, works: Sequence[ShardTask], annotator: ServedAnnotator[Facts], asker: CachedClient
    ) -> Iterator[Answered]:
        drawn: deque[tuple[str, Segment]] = deque()

        lost: list[Answered] = []

        def clips() -> Iterator[Clip]:
            for work in works:

                def lose(segment: Segment, error: AnnotationError, work_id: str = work.work_id) -> None:
                    lost.append((work_id, (segment, error)))

                for clip in read_clips(self.output, work, self.config, self.backend, lose):
                    drawn.append((work.work_id, clip.segment))
                    yield clip

        for answer in annotator.annotate_stream(clips(), asker):
            work_id, segment = drawn.popleft()
            yield work_id, (segment, answer)
        yield from lost

"""From the committed rows of a shard to its captions: plan, compose, check, verify, accept or reject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import soxr

from soundseam.annotators.base import DETECTION_RATE_HZ, AnnotationError
from soundseam.annotators.chat.client import CachedClient
from soundseam.annotators.chat.questions import ChatClient, ContextT, Usage
from soundseam.annotators.clap import CLAP_RATE_HZ, AudioTextModel, text_audio_similarity
from soundseam.annotators.flac import decode_flac
from soundseam.pipeline.captions.caption_config import VerifierConfig
from soundseam.pipeline.captions.compose import Composed, compose_captions
from soundseam.pipeline.captions.grounding import Reason
from soundseam.pipeline.captions.plan import plan_caption
from soundseam.pipeline.captions.verify import Verified, VerifierInput, dropped_in_words, verify_captions
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import stage_keys
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.work import CAPTIONS_STAGE, ShardTask
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment

Row = Caption | Rejected


@dataclass(frozen=True)
class CaptionClients:
    """The clients that the configuration asks; None for one that it does not."""

    writer: ChatClient | None = None
    verifier: ChatClient | None = None
    clap: AudioTextModel | None = None

    def usage(self) -> Usage:
        """What was asked of servers since the last call."""
        cached = [client for client in (self.writer, self.verifier) if isinstance(client, CachedClient)]
        return sum((client.tally.take() for client in cached), Usage())


def caption_tasks(
    context: RunContext, tasks: Iterable[ShardTask], clients: CaptionClients | None = None
) -> Iterator[tuple[ShardTask, list[Row]]]:
    """Each task that has captions left to do, with a caption for each of its segments or the reasons why it has none,
    in order of segment.

    All tasks are one stream, so that as many questions are under way at the end of a task as in its middle. Memory
    holds the rows of the task that is being answered, and the audio of the segments that are asked about.
    """
    todo = tuple(work for work in tasks if work.at(CAPTIONS_STAGE))
    left = list(todo)
    stream = _captions(_places(context, todo), context.config, clients or CaptionClients())
    for work, captioned in groupby(stream, key=lambda pair: pair[0].work):
        left.remove(work)
        yield work, [row for _, rows in sorted(captioned, key=lambda pair: pair[0].segment.segment_id) for row in rows]
    for work in left:
        yield work, []


@dataclass(frozen=True)
class _Place:
    """A segment in progress, with the task that it belongs to. `flac` is empty if no model needs audio."""

    work: ShardTask
    segment: Segment
    annotations: Sequence[Annotation]
    flac: bytes


def _places(context: RunContext, tasks: Iterable[ShardTask]) -> Iterator[_Place]:
    """The segments of each task, drawn as captions come."""
    backends = [backend for group in context.config.branches.by_branch().values() for backend in group]
    for work in tasks:
        todo = work.at(CAPTIONS_STAGE)
        mine = work.only(todo.recording_ids if todo else frozenset())
        annotations = context.annotations(mine, backends)
        for segment, flac in _segments(context, mine):
            yield _Place(work, segment, annotations.get(segment.segment_id, ()), flac)


def _segments(context: RunContext, work: ShardTask) -> Iterable[tuple[Segment, bytes]]:
    if context.config.captions.needs_audio:
        return context.segments_with_audio(work)
    return ((segment, b"") for segment in context.segments(work))


def _captions(
    places: Iterable[_Place], config: RunConfig, clients: CaptionClients
) -> Iterator[tuple[_Place, list[Row]]]:
    """The rows of each segment, in order: its caption, or why it was rejected."""
    key, verifier = stage_keys(config)[CAPTIONS_STAGE], config.captions.verifier
    plans = ((place, plan_caption(place.segment, place.annotations)) for place in places)
    drafts = (
        ((place, _rejects(place.segment, composed)), _to_verify(place, composed))
        for place, composed in compose_captions(plans, config.captions, key, clients.writer)
    )
    for (place, rejects), caption in _verified(drafts, verifier, clients):
        yield place, [*(() if caption is None else [_row(place, caption, clients.clap)]), *rejects]


def _rejects(segment: Segment, composed: Composed) -> list[Row]:
    """Why there is no caption of a segment, or why the writer's own was refused."""
    problems = [composed] if isinstance(composed, AnnotationError) else composed.problems or composed.refused
    return [Rejected.of_segment(segment, CAPTIONS_STAGE, problem.reason, problem.detail) for problem in problems]


def _to_verify(place: _Place, composed: Composed) -> VerifierInput | None:
    if isinstance(composed, AnnotationError) or composed.problems:
        return None
    return VerifierInput(place.segment, composed.caption, place.flac)


def _verified(
    captions: Iterable[tuple[ContextT, VerifierInput | None]],
    verifier: VerifierConfig | None,
    clients: CaptionClients,
) -> Iterable[tuple[ContextT, Verified | None]]:
    if verifier is None:
        return ((context, None if item is None else item.caption) for context, item in captions)
    if clients.verifier is None:
        raise ValueError("the verifier has no client")
    return verify_captions(captions, verifier, clients.verifier)


def _row(place: _Place, caption: Verified, clap: AudioTextModel | None) -> Row:
    if isinstance(caption, AnnotationError):
        return Rejected.of_segment(place.segment, CAPTIONS_STAGE, caption.reason, caption.detail)
    if not caption.remaining:
        detail = f"the verifier dropped every claim: {dropped_in_words(caption)}"
        return Rejected.of_segment(place.segment, CAPTIONS_STAGE, Reason.NOT_HEARD, detail)
    return caption if clap is None else _with_similarity(caption, place.flac, clap)


def _with_similarity(caption: Caption, flac: bytes, clap: AudioTextModel) -> Caption:
    """The caption with its similarity to the segment's sound, which CLAP takes at its own rate."""
    samples = soxr.resample(decode_flac(flac), DETECTION_RATE_HZ, CLAP_RATE_HZ)
    (similarity,) = text_audio_similarity(clap, samples, [caption.caption])
    return caption.model_copy(update={"clap_similarity": round(float(similarity), 4)})

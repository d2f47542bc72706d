"""From the committed rows of a shard to its captions: plan, compose, check, verify, keep or reject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from annotators.base import AnnotationError
from annotators.chat.questions import Asker
from pipeline.annotate import read_annotations, read_heard_segments, read_segments
from pipeline.captions.compose import compose_captions
from pipeline.captions.plan import Planned, plan_caption
from pipeline.captions.problems import Reason
from pipeline.captions.verify import Heard, dropped_in_words, verify_captions
from pipeline.config import RunConfig
from pipeline.keys import stage_keys
from pipeline.work import CAPTIONS_STAGE, ShardWork
from schemas.caption import Caption
from schemas.rejected import Rejected
from schemas.segment import Segment

Row = Caption | Rejected


@dataclass(frozen=True)
class CaptionAskers:
    """Whom to ask; None where the configuration asks nobody."""

    writer: Asker | None = None
    verifier: Asker | None = None


def caption_segments(
    output: str, work: ShardWork, config: RunConfig, askers: CaptionAskers | None = None
) -> Iterator[Row]:
    """A caption for each segment of `work` that has captions left to do, or the reasons why it has none.

    In order of segment. Memory holds the rows of the work, and the audio of those segments that are asked about.
    """
    todo = work.at(CAPTIONS_STAGE)
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    backends = [backend for group in config.branches.by_branch().values() for backend in group]
    annotations = read_annotations(output, mine, config, backends)
    audio: dict[str, bytes] = {}

    def plans() -> Iterator[Planned]:
        if config.captions.verifier is None:
            segments: Iterable[tuple[Segment, bytes]] = ((one, b"") for one in read_segments(output, mine, config))
        else:
            segments = read_heard_segments(output, mine, config)
        for segment, flac in segments:
            audio[segment.segment_id] = flac
            yield plan_caption(segment, annotations.get(segment.segment_id, ()))

    rows = list(_caption_all(plans(), audio, config, askers or CaptionAskers()))
    yield from sorted(rows, key=attrgetter("segment_id"))


def _caption_all(
    plans: Iterable[Planned], audio: dict[str, bytes], config: RunConfig, askers: CaptionAskers
) -> Iterator[Row]:
    key, verifier = stage_keys(config)[CAPTIONS_STAGE], config.captions.verifier
    rejected: list[Rejected] = []

    def kept() -> Iterator[Heard]:
        for planned, draft in compose_captions(plans, config.captions, key, askers.writer):
            flac = audio.pop(planned.segment.segment_id)
            if isinstance(draft, AnnotationError):
                rejected.append(_reject(planned.segment, draft.reason, draft.detail))
            elif draft.problems:
                rejected.extend(_reject(planned.segment, one.reason, one.detail) for one in draft.problems)
            else:
                yield Heard(planned.segment, draft.caption, flac)

    if verifier is None:
        yield from (heard.caption for heard in kept())
    else:
        if askers.verifier is None:
            raise ValueError("the verifier was given nobody to ask")
        for segment, verified in verify_captions(kept(), verifier, askers.verifier):
            yield _verified_row(segment, verified)
    yield from rejected


def _verified_row(segment: Segment, verified: Caption | AnnotationError) -> Row:
    if isinstance(verified, AnnotationError):
        return _reject(segment, verified.reason, verified.detail)
    if not verified.kept:
        return _reject(segment, Reason.NOT_HEARD, f"the verifier dropped every claim: {dropped_in_words(verified)}")
    return verified


def _reject(segment: Segment, reason: str, detail: str) -> Rejected:
    return Rejected(
        recording_id=segment.recording_id,
        source_uri=segment.source_uri,
        segment_id=segment.segment_id,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        stage=CAPTIONS_STAGE,
        reason=reason,
        detail=detail,
    )

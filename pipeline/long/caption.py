"""From the facts of a recording's segments to its caption: chapters, timeline, summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from soundseam.annotators.grammar.engine import GRAMMAR
from soundseam.pipeline.long.chapters import find_chapters
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import RecordingFacts, SegmentFacts
from soundseam.pipeline.long.rules import claim_by, line_text
from soundseam.pipeline.long.scope import Scope
from soundseam.pipeline.long.things import Things, find_things, is_sure
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import Chapter, RecordingCaption, RecordingClaim, Summary, TimelineLine
from soundseam.schemas.timespan import TimeSpan, covered_ms

_MAX_SPEAKERS, _MAX_SOUNDS, _MAX_PIECES = 8, 8, 8
"""How many of each the long summary mentions."""
_LINE_GAP_MS = 3_000
"""Neighbouring segments with more between them are in different lines."""


def find_spans(recording: RecordingFacts, things: Things, config: LongConfig) -> list[tuple[int, int]]:
    """The chapters of a recording as indices into its segments."""
    found = (things.piece_at(segment.span) for segment in recording.segments)
    names = [piece.name if piece is not None and len(piece.parts) > 1 else "" for piece in found]
    return find_chapters(recording.segments, names, config.chapters)


def caption_recording(recording: RecordingFacts, config: LongConfig, config_key: str) -> RecordingCaption:
    """Pure: equal facts give equal captions. Everything is by the grammar; a writer may put it in other words."""
    things = find_things(recording, config.min_name_score)
    chapters = tuple(_chapters(recording, things, config))
    whole = Scope(recording.segments, things, duration_ms=recording.duration_ms)
    return RecordingCaption(
        recording_id=recording.recording_id,
        source_uri=recording.source_uri,
        duration_ms=recording.duration_ms,
        composer=GRAMMAR,
        language="en",
        summary=summary_of(_claims(whole, ["overview", "speakers"])),
        long_summary=summary_of(_long_claims(whole)),
        chapters=chapters,
        timeline=tuple(_timeline(whole)),
        speakers=things.speakers,
        all_speakers=things.all_speakers,
        pieces=things.pieces,
        all_music=things.all_music,
        sounds=things.sounds,
        license=recording.license,
        config_key=config_key,
    )


def summary_of(claims: Iterable[RecordingClaim]) -> Summary:
    found = tuple(claims)
    return Summary(text=" ".join(claim.text for claim in found), claims=found)


def _claims(scope: Scope, names: Sequence[str]) -> Iterator[RecordingClaim]:
    yield from (claim for name in names if (claim := claim_by(name, scope)) is not None)


def _long_claims(whole: Scope) -> Iterator[RecordingClaim]:
    yield from _claims(whole, ["overview", "speakers"])
    things = whole.things
    for speaker in things.speakers[:_MAX_SPEAKERS]:
        yield from _claims(replace(whole, subject=speaker.speaker), ["speaker_time"])
    yield from _claims(whole, ["music_time"])
    for piece in [piece for piece in things.pieces if len(piece.parts) > 1][:_MAX_PIECES]:
        yield from _claims(replace(whole, subject=piece.name), ["piece_returns"])
    for sound in sorted(things.sounds, key=lambda one: -len(one.occurrences))[:_MAX_SOUNDS]:
        yield from _claims(replace(whole, subject=sound.label), ["sound_time"])


def _chapters(recording: RecordingFacts, things: Things, config: LongConfig) -> Iterator[Chapter]:
    for first, stop in find_spans(recording, things, config):
        segments = recording.segments[first:stop]
        scope = Scope(segments, things, duration_ms=recording.duration_ms)
        claims = tuple(_claims(scope, ["title", "sentence"]))
        texts = {claim.rule: claim.text for claim in claims}
        yield Chapter(
            start_ms=scope.span.start_ms,
            end_ms=scope.span.end_ms,
            title=texts.get("title", ""),
            sentence=texts.get("sentence", ""),
            event_class=_leading_class(segments),
            segment_ids=tuple(one.segment_id for one in segments),
            claims=claims,
        )


def _leading_class(segments: Sequence[SegmentFacts]) -> EventClass | None:
    """The class with most time; of several with the same time the first in order of name."""
    spans: dict[EventClass, list[TimeSpan]] = {}
    for segment in segments:
        for event in (event for event in segment.events if is_sure(event, segment)):
            spans.setdefault(event.event_class, []).append(event.span)
    return min(spans, key=lambda one: (-covered_ms(spans[one]), one.value), default=None)


def _timeline(whole: Scope) -> Iterator[TimelineLine]:
    """One line for neighbouring segments in which the same happens; none where nothing is certain."""
    run: list[SegmentFacts] = []
    said: str | None = None
    for segment in whole.segments:
        text = line_text(replace(whole, segments=(segment,)))
        if run and (text != said or segment.span.start_ms - run[-1].span.end_ms > _LINE_GAP_MS):
            yield from _line(whole, run)
            run = []
        run, said = [*run, segment], text
    yield from _line(whole, run)


def _line(whole: Scope, run: Sequence[SegmentFacts]) -> Iterator[TimelineLine]:
    scope = replace(whole, segments=tuple(run))
    for claim in _claims(scope, ["line"]) if run else ():
        span = scope.span
        yield TimelineLine(start_ms=span.start_ms, end_ms=span.end_ms, text=claim.text, claims=(claim,))

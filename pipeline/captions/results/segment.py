"""What the segment itself says: its profile, its events, the language that came with the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from annotators.grammar.events import SURE
from pipeline.captions.results.languages import language_name
from pipeline.captions.results.source import Source, percent
from schemas.event import Event
from schemas.segment import Segment
from schemas.tool_result import ResultKind, ToolResult


def segment_results(source: Source, segment: Segment) -> Iterator[ToolResult]:
    for index, entry in enumerate(segment.profile):
        yield source.result(
            ResultKind.PROFILE,
            f"{class_words(entry.event_class)} over {percent(entry.share)} of the time",
            *(f"profile.{index}.{name}" for name in ("class", "share", "strength")),
            confidence=entry.strength,
        )
    yield from event_results(source, segment.events)
    if segment.language is not None:
        yield source.result(ResultKind.LANGUAGE, f"the language is {language_name(segment.language)}", "language")


def event_results(source: Source, events: Sequence[Event], field: str = "events") -> Iterator[ToolResult]:
    """The events in a field of one source, each under its own place in the row."""
    for index, event in enumerate(events):
        yield source.result(
            ResultKind.EVENT,
            event_words(event),
            *(f"{field}.{index}.{name}" for name in ("label", "class", "onset_ms", "offset_ms", "score")),
            span=event.span,
            confidence=event.score,
        )


def event_words(event: Event) -> str:
    """What is heard: the label, its class where the label is its own, hedged where the detector is not sure."""
    named = class_words(event.event_class) if event.label == event.event_class.value else event.label
    return named if event.score >= SURE else f"perhaps {named}"


def class_words(event_class: str) -> str:
    return "some other sound" if event_class == "source_ambiguous" else event_class.replace("_", " ")

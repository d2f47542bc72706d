"""Conflicts between sources about events: class by class, by their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from soundseam.annotators.grammar.events import SURE
from soundseam.pipeline.captions.conflicts import Reading, Topic, conflict_of, settle, source_of
from soundseam.pipeline.captions.priors import UNKNOWN_CONFIDENCE
from soundseam.pipeline.captions.segment_results import class_words
from soundseam.pipeline.cutting.route import BRANCH_OF
from soundseam.schemas.annotation import Annotation, GeneralAnnotation, SpeechAnnotation
from soundseam.schemas.caption import Conflict, Resolution
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

SEGMENT_EVENTS = f"{Table.SEGMENTS}//events"
_SAME_TIME = 0.5
"""Two sources agree if the common time is at least this share of the time of either."""
_MUCH_SPEECH = 0.3

Spans = tuple[TimeSpan, ...]


def same_time(one: object, other: object) -> bool:
    """Whether two sources detect a class at about the same times; they also agree if neither detects it."""
    if not (isinstance(one, tuple) and isinstance(other, tuple)):
        return False
    either = covered_ms((*one, *other))
    both = covered_ms(one) + covered_ms(other) - either
    return not either or both >= _SAME_TIME * either


def event_conflicts(segment: Segment, annotations: Sequence[Annotation]) -> Iterator[Conflict]:
    """One conflict per class whose times differ between the segment's events and those of a general backend.

    A source without any speech or music is not a contradiction: it may not detect them at all.
    """
    sources = _refined(event_sources(segment, annotations))
    classes = {event.event_class for events in sources.values() for event in events}
    for event_class in sorted(classes):
        readings = [_reading(name, event_class, events) for name, events in sources.items()]
        if BRANCH_OF[event_class] is not Branch.GENERAL:
            readings = [reading for reading in readings if reading.value]
        topic = Topic("events", same_time)
        conflict = settle(topic, readings)
        if conflict is not None:
            yield conflict


def _refined(sources: Mapping[str, Sequence[Event]]) -> dict[str, list[Event]]:
    """`sources` with ambiguous events in the class from another source: a more specific class is not a
    contradiction.
    """
    named = [
        event
        for events in sources.values()
        for event in events
        if BRANCH_OF[event.event_class] is Branch.GENERAL and event.event_class is not EventClass.SOURCE_AMBIGUOUS
    ]
    return {source: [_as_named(event, named) for event in events] for source, events in sources.items()}


def _as_named(event: Event, named: Sequence[Event]) -> Event:
    if event.event_class is EventClass.SOURCE_AMBIGUOUS:
        for other in named:
            if other.span.overlap_ms(event.span) >= _SAME_TIME * event.span.duration_ms:
                return event.model_copy(update={"event_class": other.event_class})
    return event


def event_sources(segment: Segment, annotations: Sequence[Annotation]) -> Mapping[str, Sequence[Event]]:
    """TABLE/BACKEND/events → its events: the segment's own and those of each general backend with events."""
    rows = [row for row in annotations if isinstance(row, GeneralAnnotation)]
    measured = {source_of(row, "events"): row.events for row in rows if row.events is not None}
    return {SEGMENT_EVENTS: segment.events, **measured}


def _reading(source: str, event_class: EventClass, events: Sequence[Event]) -> Reading:
    own = [event for event in events if event.event_class is event_class]
    spans = union_spans(event.span for event in own)
    if not spans:
        return Reading(source, spans, f"no {class_words(event_class)}", UNKNOWN_CONFIDENCE)
    total = sum(event.span.duration_ms for event in own)
    score = sum(event.score * event.span.duration_ms for event in own) / total if total else 0.0
    when = ", ".join(f"{span.start_ms}-{span.end_ms} ms" for span in spans[:4])
    return Reading(source, spans, f"{class_words(event_class)} at {when}", score)


def word_conflict(segment: Segment, annotations: Sequence[Annotation]) -> Conflict | None:
    """Certain speech without a word from any recogniser. The detector counts: recognisers do not support every
    language.
    """
    detected = next(
        (
            (index, entry)
            for index, entry in enumerate(segment.profile)
            if entry.event_class is EventClass.SPEECH and entry.strength >= SURE and entry.share >= _MUCH_SPEECH
        ),
        None,
    )
    said = [row for row in annotations if isinstance(row, SpeechAnnotation) and row.transcript is not None]
    if detected is None or not said or any(row.transcript and row.transcript.text.strip() for row in said):
        return None
    index, entry = detected
    detector = Reading(f"{Table.SEGMENTS}//profile.{index}", True, f"speech over {entry.share:.0%}", entry.strength)
    silent = [Reading(source_of(row, "transcript.text"), False, "no words", UNKNOWN_CONFIDENCE) for row in said]
    return conflict_of("words", Resolution.STRONGER, detector, [detector, *silent], [detector])

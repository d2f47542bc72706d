"""The events of the detection stage and of taggers as one list: who heard each, and as what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.event import Event, EventClass
from schemas.general import EventSource
from schemas.timespan import TimeSpan

DETECTION = "detection"
SHARED = 0.5
"""Two are one event where they share so much of the shorter one's time, and their classes do not gainsay it."""


@dataclass
class MergedEvent:
    """One sound and all that heard it. Its time is that of the first source: the detection stage, or the surest."""

    first: Event
    sources: list[EventSource] = field(default_factory=list)
    named: Event | None = None
    """The surest of what taggers heard here."""

    @property
    def event(self) -> Event:
        """Named by the surest tagger, classed by the first source that is not ambiguous."""
        if self.named is None:
            return self.first
        ambiguous = self.first.event_class is EventClass.SOURCE_AMBIGUOUS
        return self.first.model_copy(
            update={
                "event_class": self.named.event_class if ambiguous else self.first.event_class,
                "label": self.named.label,
                "score": max(self.first.score, self.named.score),
            }
        )


def merge_events(
    detected: Sequence[Event], tagged: Iterable[tuple[str, Event]], least_score: float
) -> tuple[MergedEvent, ...]:
    """`detected` with what taggers, (backend, event), heard of them, and beside them, in order of onset.

    What a tagger alone heard is an event of its own from `least_score` on.
    """
    merged = [MergedEvent(event, [_source(DETECTION, event)]) for event in detected]
    # The surest first, so that an event that only taggers heard has the time and name of the surest.
    for backend, event in sorted(tagged, key=lambda pair: (-pair[1].score, pair[1].onset_ms, pair[0], pair[1].label)):
        place = _same(event, merged)
        if place is not None:
            place.sources.append(_source(backend, event))
            place.named = place.named or event
        elif event.score >= least_score:
            merged.append(MergedEvent(event, [_source(backend, event)], event))
    return tuple(sorted(merged, key=_order))


def _same(event: Event, merged: Sequence[MergedEvent]) -> MergedEvent | None:
    """The one of `merged` that shares most time with `event`, where that is enough."""
    best, most = None, 0
    for other in merged:
        if _compatible(event.event_class, other.first.event_class):
            shared = event.span.overlap_ms(other.first.span)
            if shared > most and shared >= SHARED * _shorter_ms(event.span, other.first.span):
                best, most = other, shared
    return best


def _compatible(one: EventClass, other: EventClass) -> bool:
    return one is other or EventClass.SOURCE_AMBIGUOUS in (one, other)


def _shorter_ms(one: TimeSpan, other: TimeSpan) -> int:
    return min(one.duration_ms, other.duration_ms)


def _source(backend: str, event: Event) -> EventSource:
    return EventSource(source=backend, label=event.label, score=event.score)


def _order(merged: MergedEvent) -> tuple[int, int, str, str]:
    event = merged.event
    return (event.onset_ms, event.offset_ms, event.event_class, event.label)

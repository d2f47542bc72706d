"""A segment's events for the rules: continuous streams (speech, music, a bed of sound) and separate sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from soundseam.annotators.grammar.engine import Values
from soundseam.annotators.grammar.sound_names import SoundName, sound_names
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_COLUMNS = ("class", "onset_ms", "offset_ms", "score")
_MEASURES = ("level_dbfs", "salience_db", "brightness_hz", "tonal_share", "attack_ms")
_STREAMS = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)
_LASTING_MS, _LASTING_SHARE = 4_000, 0.6
"""A sound with at least this length and share of the segment is a stream, beside which others are described."""

_SAME_SOUND = 0.8
ALL_OF_IT = 0.9
"""Share of the time from which something counts as throughout."""
TOGETHER, APART = 0.6, 0.1
"""Share of the shorter sound that the other one covers: from the first on "while", up to the second "then"."""
SURE = 0.5
"""Minimum score for naming a class; below it, a sound is just a sound."""
SURE_STREAM = 0.8
"""The same for speech and music, of which a caption then says more: animals and sirens reach 0.7 or so."""


def sure_from(event_class: EventClass) -> float:
    """The score from which an event is stated without a hedge."""
    return SURE_STREAM if event_class in _STREAMS else SURE


SPAN_READS = ("segments:start_ms", "segments:end_ms")


@dataclass(frozen=True)
class SegmentEvent:
    """One event; `span` counts from the segment's start. Measurements are None if only `segments` is read."""

    event_class: EventClass
    span: TimeSpan
    score: float
    level_dbfs: float | None = None
    salience_db: float | None = None
    brightness_hz: float | None = None
    tonal_share: float | None = None
    attack_ms: float | None = None
    label: str = ""

    @property
    def name(self) -> SoundName | None:
        """A listener's name for it, if it was named with enough confidence. Speech and music have their own words."""
        named = self.score >= SURE and self.event_class not in _STREAMS
        return sound_names().get(self.label) if named else None


@dataclass(frozen=True)
class Stream:
    """All the time with one class, if it is continuous."""

    event_class: EventClass
    spans: tuple[TimeSpan, ...]
    score: float
    """Mean over its events, weighted by length."""
    name: SoundName | None = None
    """The common name of all its events, if there is one."""

    @property
    def is_sure(self) -> bool:
        """Whether it may be stated without reserve."""
        return self.score >= sure_from(self.event_class)

    @property
    def duration_ms(self) -> int:
        return covered_ms(self.spans)

    @property
    def start_ms(self) -> int:
        return self.spans[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.spans[-1].end_ms

    def covered_ms(self, spans: Sequence[TimeSpan]) -> int:
        """How much of `spans`, which are disjoint, is inside the stream."""
        return sum(mine.overlap_ms(theirs) for mine in self.spans for theirs in spans)


@dataclass(frozen=True)
class Timeline:
    """The streams and sounds of a segment of `duration_ms`."""

    duration_ms: int
    event_share: float
    """Share of the time with any event."""
    streams: tuple[Stream, ...]
    """The longest first."""
    sounds: tuple[SegmentEvent, ...]
    """All other events, in order."""


def timeline_reads(table: str) -> tuple[str, ...]:
    """The fields that `read_timeline` reads; `table` is segments or general, which also has measurements and names."""
    columns = (*_COLUMNS, *_MEASURES, "label") if table == "general" else _COLUMNS
    return (*SPAN_READS, *(f"{table}:events.*.{column}" for column in columns))


def read_timeline(values: Values, table: str) -> Timeline:
    start, end = (int(values.number(name) or 0) for name in SPAN_READS)
    events = _distinct([event for event in _read_events(values, table, start) if event.span.duration_ms > 0])
    duration = max(1, end - start)
    lasting = _lasting(events, duration)
    classes = sorted({event.event_class for event in lasting})
    streams = (_stream([event for event in lasting if event.event_class is one]) for one in classes)
    return Timeline(
        duration_ms=duration,
        event_share=covered_ms(event.span for event in events) / duration,
        streams=tuple(sorted(streams, key=lambda stream: -stream.duration_ms)),
        sounds=tuple(event for event in events if event not in lasting),
    )


def _distinct(events: Sequence[SegmentEvent]) -> list[SegmentEvent]:
    """Without uncertain events inside a more confident one: they may be the same sound."""
    return [
        event
        for event in events
        if event.score >= SURE
        or not any(
            other.score > event.score and other.span.overlap_ms(event.span) >= _SAME_SOUND * event.span.duration_ms
            for other in events
        )
    ]


def _lasting(events: Sequence[SegmentEvent], duration_ms: int) -> list[SegmentEvent]:
    """Speech, singing and music; also a long sound, if there is another sound besides."""
    if len(events) == 1:
        return [event for event in events if event.event_class in _STREAMS]
    least = max(_LASTING_MS, _LASTING_SHARE * duration_ms)
    return [event for event in events if event.event_class in _STREAMS or event.span.duration_ms >= least]


def _stream(events: Sequence[SegmentEvent]) -> Stream:
    total = sum(event.span.duration_ms for event in events)
    return Stream(
        event_class=events[0].event_class,
        spans=union_spans(event.span for event in events),
        score=sum(event.score * event.span.duration_ms for event in events) / total,
        name=events[0].name if len({event.name for event in events}) == 1 else None,
    )


def _read_events(values: Values, table: str, start_ms: int) -> tuple[SegmentEvent, ...]:
    def column(name: str) -> list[float | None]:
        return values.numbers(f"{table}:events.*.{name}")

    classes = values.texts(f"{table}:events.*.class")
    measures = zip(*(column(name) for name in _MEASURES), strict=True) if table == "general" else ((),) * len(classes)
    labels = values.texts(f"{table}:events.*.label") if table == "general" else [""] * len(classes)
    return tuple(
        replace(
            SegmentEvent(
                EventClass(event_class),
                TimeSpan(int(onset or 0), int(offset or 0)).shift(-start_ms),
                score or 0.0,
                *measured,
            ),
            label=label,
        )
        for event_class, onset, offset, score, measured, label in zip(
            classes, column("onset_ms"), column("offset_ms"), column("score"), measures, labels, strict=True
        )
    )

"""A segment's events as rules see them: what lasts (speech, music, a bed of sound) and what comes and goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotators.grammar import Values
from schemas.event import EventClass
from schemas.timespan import TimeSpan, covered_ms, union_spans

_COLUMNS = ("class", "onset_ms", "offset_ms", "score")
_MEASURES = ("level_dbfs", "salience_db", "brightness_hz", "tonal_share", "attack_ms")
_STREAMS = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)
_LASTING_MS, _LASTING_SHARE = 4_000, 0.6
"""A sound that lasts so long, and for so much of the whole, is what others are heard beside."""

SPAN_READS = ("segments:start_ms", "segments:end_ms")


@dataclass(frozen=True)
class Heard:
    """One event; `span` begins at the segment's start. Measures are None where `segments` alone is read."""

    event_class: EventClass
    span: TimeSpan
    score: float
    level_dbfs: float | None = None
    salience_db: float | None = None
    brightness_hz: float | None = None
    tonal_share: float | None = None
    attack_ms: float | None = None


@dataclass(frozen=True)
class Stream:
    """All the time that one class fills, where it lasts."""

    event_class: EventClass
    spans: tuple[TimeSpan, ...]

    @property
    def duration_ms(self) -> int:
        return covered_ms(self.spans)

    @property
    def start_ms(self) -> int:
        return self.spans[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.spans[-1].end_ms

    def overlap_ms(self, other: Stream) -> int:
        return sum(mine.overlap_ms(theirs) for mine in self.spans for theirs in other.spans)


@dataclass(frozen=True)
class Timeline:
    """What is heard when, in `duration_ms`."""

    duration_ms: int
    streams: tuple[Stream, ...]
    """The longest first."""
    sounds: tuple[Heard, ...]
    """All other events, in order."""

    def share(self, span: TimeSpan) -> float:
        return span.duration_ms / self.duration_ms

    def stream(self, event_class: EventClass) -> Stream | None:
        return next((stream for stream in self.streams if stream.event_class is event_class), None)


def timeline_reads(table: str) -> tuple[str, ...]:
    """What `read_timeline` reads, where `table` is segments or general; general has the measures too."""
    columns = _COLUMNS + _MEASURES if table == "general" else _COLUMNS
    return (*SPAN_READS, *(f"{table}:events.*.{column}" for column in columns))


def read_timeline(values: Values, table: str) -> Timeline:
    start, end = (int(values.number(name) or 0) for name in SPAN_READS)
    events = _read_events(values, table, start)
    duration = max(1, end - start)
    lasting = {
        event_class
        for event_class in EventClass
        if event_class in _STREAMS or _lasts(spans_of(events, event_class), duration)
    }
    streams = (
        Stream(event_class, spans)
        for event_class in EventClass
        if event_class in lasting
        if (spans := spans_of(events, event_class))
    )
    return Timeline(
        duration_ms=duration,
        streams=tuple(sorted(streams, key=lambda stream: -stream.duration_ms)),
        sounds=tuple(event for event in events if event.event_class not in lasting),
    )


def spans_of(events: Iterable[Heard], event_class: EventClass) -> tuple[TimeSpan, ...]:
    return union_spans(event.span for event in events if event.event_class is event_class)


def _lasts(spans: Sequence[TimeSpan], duration_ms: int) -> bool:
    longest = max((span.duration_ms for span in spans), default=0)
    return longest >= _LASTING_MS and longest >= _LASTING_SHARE * duration_ms


def _read_events(values: Values, table: str, start_ms: int) -> tuple[Heard, ...]:
    def column(name: str) -> list[float | None]:
        return values.numbers(f"{table}:events.*.{name}")

    classes = values.texts(f"{table}:events.*.class")
    measures = zip(*(column(name) for name in _MEASURES), strict=True) if table == "general" else ((),) * len(classes)
    return tuple(
        Heard(
            EventClass(event_class),
            TimeSpan(int(onset or 0), int(offset or 0)).shift(-start_ms),
            score or 0.0,
            *measured,
        )
        for event_class, onset, offset, score, measured in zip(
            classes, column("onset_ms"), column("offset_ms"), column("score"), measures, strict=True
        )
    )

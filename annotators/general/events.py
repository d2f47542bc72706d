"""The events of the segment with measurements: `events`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.general.acoustics import (
    RATE_HZ,
    Array,
    Sound,
    attack_ms,
    brightness_hz,
    level_dbfs,
    measure_sound,
    rounded_db,
    short_term_dbfs,
    tonal_share,
)
from soundseam.annotators.general.repetition import find_repetition
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import EventSource, GeneralFacts, HeardEvent
from soundseam.schemas.timespan import TimeSpan

DETECTION = "detection"
SHARED = 0.5
"""Two events are one if they share this much of the shorter one's time and their classes do not contradict each
other.
"""


@dataclass
class MergedEvent:
    """One sound and all its sources. Its time is that of the first source: the detection stage, or the highest
    score.
    """

    first: Event
    sources: list[EventSource] = field(default_factory=list)
    named: Event | None = None
    """The tagger's event with the highest score."""

    @property
    def event(self) -> Event:
        """The event with the name from the tagger with the highest score, and the class of the first unambiguous
        source.
        """
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
    detected: Sequence[Event], tagged: Iterable[tuple[str, Event]], min_score: float
) -> tuple[MergedEvent, ...]:
    """`detected` merged with the taggers' events, (backend, event), in order of onset.

    A sound that only a tagger detected is an event of its own if its score is at least `min_score`.
    """
    merged = [MergedEvent(event, [_source(DETECTION, event)]) for event in detected]
    # The highest score first, so that an event that only taggers detected has its time and name.
    for backend, event in sorted(tagged, key=lambda pair: (-pair[1].score, pair[1].onset_ms, pair[0], pair[1].label)):
        place = _same(event, merged)
        if place is not None:
            place.sources.append(_source(backend, event))
            place.named = place.named or event
        elif event.score >= min_score:
            merged.append(MergedEvent(event, [_source(backend, event)], event))
    return tuple(sorted(merged, key=_order))


def _same(event: Event, merged: Sequence[MergedEvent]) -> MergedEvent | None:
    """The event in `merged` that shares most time with `event`, if that is enough."""
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


MIN_SCORE = 0.5
_MIN_QUIET_MS = 100


class MeasuredEvents(Backend[GeneralFacts]):
    """The events of the detection stage and of earlier taggers as one list, with measurements; and periodic
    repetition.
    """

    kind: Literal["events"] = "events"
    min_score: float = Field(
        alias="least_score",
        default=MIN_SCORE,
        ge=0.0,
        le=1.0,
        description="minimum score of an event that only taggers detected",
    )

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "event-measures"

    @property
    def revision(self) -> str:
        return "3"

    def load(self) -> Annotator[GeneralFacts]:
        return EventMeasurer(self.min_score)


class EventMeasurer:
    """The annotator of `MeasuredEvents`."""

    def __init__(self, min_score: float) -> None:
        self._min_score = min_score

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [measure_events(clip, self._min_score) for clip in clips]


def measure_events(clip: Clip, min_score: float = MIN_SCORE) -> GeneralFacts:
    """`events` and `repetition` of one clip, 16 kHz mono."""
    sound = measure_sound(clip.samples)
    start_ms = clip.segment.start_ms
    merged = merge_events(clip.segment.events, _tagged(clip), min_score)
    events = [one.event for one in merged]
    background = _background_dbfs(sound, events, start_ms)
    measured = tuple(_measured(one, sound, start_ms, background) for one in merged)
    return GeneralFacts(events=measured, repetition=find_repetition(sound, events, start_ms))


def _tagged(clip: Clip) -> Iterator[tuple[str, Event]]:
    for row in clip.annotations:
        if isinstance(row, GeneralAnnotation):
            yield from ((row.backend, event) for event in row.tagged or ())


def _background_dbfs(sound: Sound, events: Sequence[Event], start_ms: int) -> float | None:
    """Median level of the time without events; None if that is under 100 ms."""
    quiet = np.ones(len(sound.power), dtype=bool)
    for event in events:
        quiet[sound.hop_slice(event.onset_ms - start_ms, event.offset_ms - start_ms)] = False
    levels = short_term_dbfs(sound.power, steps=1)[quiet]
    return float(np.median(levels)) if levels.size * 10 >= _MIN_QUIET_MS else None


def _measured(merged: MergedEvent, sound: Sound, start_ms: int, background: float | None) -> HeardEvent:
    event = merged.event
    onset, offset = event.onset_ms - start_ms, event.offset_ms - start_ms
    power: Array = sound.power[sound.hop_slice(onset, offset)]
    spectra = sound.spectra[sound.frame_slice(onset, offset)]
    level = level_dbfs(power)
    silent = level is None
    return HeardEvent(
        event_class=event.event_class,
        label=event.label,
        onset_ms=event.onset_ms,
        offset_ms=event.offset_ms,
        score=event.score,
        sources=tuple(merged.sources),
        level_dbfs=level,
        salience_db=None if background is None or level is None else rounded_db(level - background),
        brightness_hz=None if silent else brightness_hz(spectra),
        tonal_share=None if silent else tonal_share(spectra),
        attack_ms=attack_ms(power),
    )

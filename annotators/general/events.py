"""The events of the segment, each measured: `events`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from annotators.base import Annotator, Backend, Clip
from annotators.general.character import attack_ms, brightness_hz, tonal_share
from annotators.general.levels import RATE_HZ, Array, Sound, level_dbfs, measure_sound, rounded_db, short_term_dbfs
from annotators.general.merging import MergedEvent, merge_events
from annotators.general.repetition import find_repetition
from schemas.annotation import GeneralAnnotation
from schemas.event import Branch, Event
from schemas.general import GeneralFacts, HeardEvent

LEAST_SCORE = 0.5
_LEAST_QUIET_MS = 100


class MeasuredEvents(Backend[GeneralFacts]):
    """What the detection stage and the taggers before it hear, as one list, each event measured; and what repeats."""

    kind: Literal["events"] = "events"
    least_score: float = Field(
        default=LEAST_SCORE, ge=0.0, le=1.0, description="from which what taggers alone hear is an event of its own"
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
        return "2"

    def load(self) -> Annotator[GeneralFacts]:
        return EventMeasurer(self.least_score)


class EventMeasurer:
    """The annotator of `MeasuredEvents`."""

    def __init__(self, least_score: float) -> None:
        self._least_score = least_score

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [measure_events(clip, self._least_score) for clip in clips]


def measure_events(clip: Clip, least_score: float = LEAST_SCORE) -> GeneralFacts:
    """`events` and `repetition` of one clip, 16 kHz mono."""
    sound = measure_sound(clip.samples)
    start_ms = clip.segment.start_ms
    merged = merge_events(clip.segment.events, _tagged(clip), least_score)
    events = [one.event for one in merged]
    background = _background_dbfs(sound, events, start_ms)
    heard = tuple(_heard(one, sound, start_ms, background) for one in merged)
    return GeneralFacts(events=heard, repetition=find_repetition(sound, events, start_ms))


def _tagged(clip: Clip) -> Iterator[tuple[str, Event]]:
    for row in clip.annotations:
        if isinstance(row, GeneralAnnotation):
            yield from ((row.backend, event) for event in row.tagged or ())


def _background_dbfs(sound: Sound, events: Sequence[Event], start_ms: int) -> float | None:
    """Median level of the time without events; None under 100 ms of it."""
    quiet = np.ones(len(sound.power), dtype=bool)
    for event in events:
        quiet[sound.hop_slice(event.onset_ms - start_ms, event.offset_ms - start_ms)] = False
    levels = short_term_dbfs(sound.power, steps=1)[quiet]
    return float(np.median(levels)) if levels.size * 10 >= _LEAST_QUIET_MS else None


def _heard(merged: MergedEvent, sound: Sound, start_ms: int, background: float | None) -> HeardEvent:
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

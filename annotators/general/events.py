"""The events of the segment, each measured: `events`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from annotators.base import Annotator, Backend, Clip
from annotators.general.character import attack_ms, brightness_hz, tonal_share
from annotators.general.levels import RATE_HZ, Array, Sound, level_dbfs, measure_sound, rounded_db, short_term_dbfs
from annotators.general.repetition import repeated_event, repeated_level
from schemas.event import Branch, Event
from schemas.general import GeneralFacts, HeardEvent

_LEAST_QUIET_MS = 100


class MeasuredEvents(Backend[GeneralFacts]):
    """The detection stage's events with level, salience, brightness, tonality and attack, and what repeats."""

    kind: Literal["events"] = "events"

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "event-measures"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[GeneralFacts]:
        return EventMeasurer()


class EventMeasurer:
    """The annotator of `MeasuredEvents`."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [measure_events(clip) for clip in clips]


def measure_events(clip: Clip) -> GeneralFacts:
    """`events` and `repetition` of one clip, 16 kHz mono."""
    sound = measure_sound(clip.samples)
    events, start_ms = clip.segment.events, clip.segment.start_ms
    background = _background_dbfs(sound, events, start_ms)
    heard = tuple(_heard(event, sound, start_ms, background) for event in events)
    levels = short_term_dbfs(sound.power)
    return GeneralFacts(events=heard, repetition=repeated_event(events) or repeated_level(levels, events, start_ms))


def _background_dbfs(sound: Sound, events: Sequence[Event], start_ms: int) -> float | None:
    """Median level of the time without events; None under 100 ms of it."""
    quiet = np.ones(len(sound.power), dtype=bool)
    for event in events:
        quiet[sound.hop_slice(event.onset_ms - start_ms, event.offset_ms - start_ms)] = False
    levels = short_term_dbfs(sound.power, steps=1)[quiet]
    return float(np.median(levels)) if levels.size * 10 >= _LEAST_QUIET_MS else None


def _heard(event: Event, sound: Sound, start_ms: int, background: float | None) -> HeardEvent:
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
        level_dbfs=level,
        salience_db=None if background is None or level is None else rounded_db(level - background),
        brightness_hz=None if silent else brightness_hz(spectra),
        tonal_share=None if silent else tonal_share(spectra),
        attack_ms=attack_ms(power),
    )

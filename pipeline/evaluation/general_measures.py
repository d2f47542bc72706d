"""The truth about a sound, and how far what was measured is from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from pipeline.cutting.route import BRANCH_OF
from pipeline.evaluation.event_scores import LabelledSpan, Scene
from schemas.event import Branch, Event, EventClass
from schemas.general import GeneralFacts
from schemas.record import Record
from schemas.timespan import TimeSpan

MEASURES = (
    "level_error_db",
    "silence_error",
    "bandwidth_error",
    "decay_error",
    "decay_found",
    "period_right",
)
_SAME_PERIOD = 0.1
_NAMED_SHARE = 0.5


class TrueSound(Record):
    """One event. Its class is known, or its branch alone."""

    event_class: EventClass | None = Field(default=None, alias="class")
    branch: Branch
    label: str | None = None
    onset: float = Field(description="in s")
    offset: float = Field(description="in s")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(round(1000 * self.onset), round(1000 * self.offset))


class SoundTruth(Record):
    """What is known of one file; what is null is not measured."""

    file: str
    events: tuple[TrueSound, ...] = ()
    level_dbfs: float | None = None
    silence_share: float | None = None
    bandwidth_hz: int | None = None
    decay_time_ms: int | None = None
    period_ms: int | None = Field(default=None, description="of a sound that comes again; 0 where none does")


def scene_of(truth: SoundTruth, found: Sequence[Event], by_class: bool) -> Scene:
    """The events of one recording, called by their classes, or by their branches."""
    called = [(str(event.event_class if by_class else event.branch), event.span) for event in truth.events]
    heard = [
        (str(event.event_class if by_class else BRANCH_OF[event.event_class]), event.span)
        for event in found
        if not event.is_bed
    ]
    return Scene([LabelledSpan(*one) for one in called], [LabelledSpan(*one) for one in heard])


def knows_classes(truths: Sequence[SoundTruth]) -> bool:
    return all(event.event_class is not None for truth in truths for event in truth.events)


def named_shares(truth: SoundTruth, found: Sequence[Event]) -> Iterator[float]:
    """For each event with a label, whether one of its name is found over half of it."""
    for event in truth.events:
        if event.label is not None:
            same = [other.span for other in found if other.label.casefold() == event.label.casefold()]
            needed = _NAMED_SHARE * event.span.duration_ms
            yield float(any(event.span.overlap_ms(span) >= needed for span in same))


def measure_facts(facts: GeneralFacts, truth: SoundTruth, is_repetition_measured: bool) -> Iterator[tuple[str, float]]:
    """(measure, value) of each that `truth` and `facts` allow: an error, or whether it is right."""
    sound = facts.acoustics
    if sound is not None:
        if truth.level_dbfs is not None and sound.level_dbfs is not None:
            yield "level_error_db", abs(sound.level_dbfs - truth.level_dbfs)
        if truth.silence_share is not None:
            yield "silence_error", abs(sound.silence_share - truth.silence_share)
        if truth.bandwidth_hz and sound.bandwidth_hz is not None:
            yield "bandwidth_error", abs(sound.bandwidth_hz / truth.bandwidth_hz - 1)
        if truth.decay_time_ms:
            yield "decay_found", float(sound.decay_time_ms is not None)
            if sound.decay_time_ms is not None:
                yield "decay_error", abs(sound.decay_time_ms / truth.decay_time_ms - 1)
    if is_repetition_measured and truth.period_ms is not None:
        period = facts.repetition.period_ms if facts.repetition is not None else 0
        right = abs(period - truth.period_ms) <= _SAME_PERIOD * truth.period_ms
        yield "period_right", float(right)

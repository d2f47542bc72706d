"""What the general-audio branch measures. Times are in the recording's own time."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import BranchFacts
from soundseam.schemas.event import Event
from soundseam.schemas.record import Record


class EventSource(Record):
    """A detector or tagger that detected an event, and its label."""

    source: str = Field(description="detection, or the backend of the general branch that detected it")
    label: str = Field(description="the source's own label")
    score: float = Field(ge=0.0, le=1.0, description="the source's own, not calibrated")


class HeardEvent(Event):
    """An event with its measurements."""

    sources: tuple[EventSource, ...] = Field(
        default=(), description="all sources that detected it, the detection stage first, then by descending score"
    )
    level_dbfs: float | None = Field(description="RMS over the event; null for digital silence")
    salience_db: float | None = Field(
        description="level over the median level of the segment's event-free time, which counts as -96 dBFS at least; "
        "null if under 100 ms are event-free"
    )
    brightness_hz: float | None = Field(description="spectral centroid, power-weighted over time; null for silence")
    tonal_share: float | None = Field(
        ge=0.0, le=1.0, description="share of its non-silent frames with most of their power in a few partials"
    )
    attack_ms: int | None = Field(description="from onset to the loudest 20 ms; null for digital silence")


class Repetition(Record):
    """A sound that repeats periodically."""

    period_ms: int = Field(description="from one onset to the next")
    count: int = Field(description="number of occurrences, at least three")
    regularity: float = Field(ge=0.0, le=1.0, description="1 = exactly even")
    label: str | None = Field(
        default=None, description="of the events that repeat; null if the level repeats inside longer events"
    )


class Acoustics(Record):
    """The segment as a whole. Short-term levels are RMS over 40 ms, every 10 ms, and count as -96 dBFS at least."""

    level_dbfs: float | None = Field(description="RMS; null for digital silence")
    peak_dbfs: float | None = Field(description="highest absolute sample; null for digital silence")
    noise_floor_dbfs: float | None = Field(
        description="10th percentile of the short-term level; null for digital silence"
    )
    dynamic_range_db: float | None = Field(
        description="95th minus 10th percentile of the short-term level; null for digital silence and under 200 ms"
    )
    silence_share: float = Field(
        ge=0.0,
        le=1.0,
        description="share of time under -60 dBFS, or within 3 dB of a floor that lies 10 dB or more under the rest",
    )
    bandwidth_hz: int | None = Field(
        description="highest frequency with energy above the noise floor, at the analysis rate of 16 kHz; null "
        "for silence"
    )
    stationarity: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="1 = level and spectrum never change; null for silence and under 1 s",
    )
    decay_time_ms: int | None = Field(
        default=None,
        description="time in which the sound decays by 60 dB, median over free decays of 20 dB or more: an upper "
        "estimate "
        "of reverberation, since a source may ring by itself; null for fewer than two decays",
    )


class Anchor(Record):
    """The whole scene in one line."""

    text: str = Field(description="one line, without a full stop")
    composer: str = Field(description="events if it was composed from them, else the model that processed the audio")
    unheard: tuple[str, ...] = Field(
        description="families of sounds, as in dog, that it names and no other source detected; empty if composed "
        "from events"
    )


class Mention(Record):
    """The words of a description that mention an event."""

    event: int = Field(ge=0, description="position in the events of the row of the backend events")
    words: str = Field(description="as in the description")


class SceneDescription(Record):
    """A description of the whole scene. It mentions every salient event, and names no sound that no source detected."""

    text: str = Field(description="the description")
    mentions: tuple[Mention, ...] = Field(description="in the order of the events")
    salient_events: int = Field(ge=0, description="how many events it had to mention")
    answer: str = Field(description="as the model gave it")


class Criterion(StrEnum):
    """A criterion for judging a description."""

    COMPLETE = "complete"
    FAITHFUL = "faithful"
    ORDERED = "ordered"
    SPECIFIC = "specific"
    CLEAR = "clear"


class Mark(Record):
    """The rating of a description on one criterion."""

    criterion: Criterion = Field(
        description="complete (nothing prominent is missing), faithful (nothing is invented), ordered (in order "
        "of time), specific (sounds are distinguished), clear (it reads well)"
    )
    score: int = Field(ge=1, le=5, description="5 = fully")
    reason: str = Field(description="in one sentence")


class Judgement(Record):
    """A judge's ratings of a description. Below the thresholds it is rejected, with the ratings as the reason."""

    described_by: str = Field(description="the backend that wrote the description")
    marks: tuple[Mark, ...] = Field(description="one per criterion")
    mean: float = Field(ge=1.0, le=5.0, description="of the scores")


class GeneralFacts(BranchFacts):
    """The general branch's typed fields; each backend fills its own and leaves the rest null."""

    tagged: tuple[Event, ...] | None = Field(
        default=None, description="sounds that a tagger detected, in order of onset; labels may overlap"
    )
    events: tuple[HeardEvent, ...] | None = None
    repetition: Repetition | None = None
    acoustics: Acoustics | None = None
    anchor: Anchor | None = None
    description: SceneDescription | None = None
    judgement: Judgement | None = None

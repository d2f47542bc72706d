"""What the general-audio branch measures. Times are in the recording's own time."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import BranchFacts
from soundseam.schemas.event import Event
from soundseam.schemas.record import Record


class EventSource(Record):
    """Who heard an event, and as what."""

    source: str = Field(description="detection, or the backend of the general branch that heard it")
    label: str = Field(description="in its own words")
    score: float = Field(ge=0.0, le=1.0, description="its own, not calibrated")


class HeardEvent(Event):
    """An event with what was measured on it."""

    sources: tuple[EventSource, ...] = Field(
        default=(), description="all that heard it, the detection stage first, then surest first"
    )
    level_dbfs: float | None = Field(description="RMS over the event; null for digital silence")
    salience_db: float | None = Field(
        description="level over the median level of the segment's event-free time, taken to be -96 dBFS at least; "
        "null where under 100 ms are event-free"
    )
    brightness_hz: float | None = Field(description="spectral centroid, power-weighted over time; null for silence")
    tonal_share: float | None = Field(
        ge=0.0, le=1.0, description="share of its sounding frames whose power lies mostly in a few partials"
    )
    attack_ms: int | None = Field(description="from onset to the loudest 20 ms; null for digital silence")


class Repetition(Record):
    """A sound that comes again at even distances."""

    period_ms: int = Field(description="from one onset to the next")
    count: int = Field(description="how often it was heard, three times at least")
    regularity: float = Field(ge=0.0, le=1.0, description="1 = exactly even")
    label: str | None = Field(
        default=None, description="of the events that repeat; null where the level repeats inside longer events"
    )


class Acoustics(Record):
    """The segment as a whole. Short-term levels are RMS over 40 ms, every 10 ms, taken to be -96 dBFS at least."""

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
        description="highest frequency with energy over the floor, at the analysis rate of 16 kHz; null for silence"
    )
    stationarity: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="1 = level and spectrum never change; null for silence and under 1 s",
    )
    decay_time_ms: int | None = Field(
        default=None,
        description="time in which the sound dies away by 60 dB, median of its free decays of 20 dB or more: an upper "
        "estimate of reverberation, since a source may ring by itself; null where fewer than two were heard",
    )


class Anchor(Record):
    """The whole scene in one line."""

    text: str = Field(description="one line, without a full stop")
    composer: str = Field(description="events where it was composed of them, else the model that heard the sound")
    unheard: tuple[str, ...] = Field(
        description="sounds that it names and no other source heard, by their families, as in dog; empty for composed"
    )


class Mention(Record):
    """Which words of a description tell of which event."""

    event: int = Field(ge=0, description="position in the events of the row of the backend events")
    words: str = Field(description="as they stand in the description")


class SceneDescription(Record):
    """A description of the whole scene. It tells of every salient event, and names nothing that no source heard."""

    text: str = Field(description="the description")
    mentions: tuple[Mention, ...] = Field(description="in the order of the events")
    salient_events: int = Field(ge=0, description="how many there were to be told of")
    answer: str = Field(description="as the model gave it")


class Criterion(StrEnum):
    """What a description is judged by."""

    COMPLETE = "complete"
    FAITHFUL = "faithful"
    ORDERED = "ordered"
    SPECIFIC = "specific"
    CLEAR = "clear"


class Mark(Record):
    """How far one criterion is met."""

    criterion: Criterion = Field(
        description="complete (nothing that stands out is missing), faithful (nothing is made up), ordered (what comes "
        "when), specific (sounds are told apart), clear (it reads well)"
    )
    score: int = Field(ge=1, le=5, description="5 = wholly")
    reason: str = Field(description="in a sentence")


class Judgement(Record):
    """What a judge says of a description. One that falls below the thresholds is rejected, with this as its reason."""

    described_by: str = Field(description="the backend whose description it is")
    marks: tuple[Mark, ...] = Field(description="one a criterion")
    mean: float = Field(ge=1.0, le=5.0, description="of the scores")


class GeneralFacts(BranchFacts):
    """The general branch's typed fields; each backend fills its own and leaves the rest null."""

    tagged: tuple[Event, ...] | None = Field(
        default=None, description="what a tagger of named sounds hears, in order of onset; labels may overlap"
    )
    events: tuple[HeardEvent, ...] | None = None
    repetition: Repetition | None = None
    acoustics: Acoustics | None = None
    anchor: Anchor | None = None
    description: SceneDescription | None = None
    judgement: Judgement | None = None

"""Sound events, their nine coarse classes, and a segment's profile of classes."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan

BED_MS = 60_000
"""A non-speech event longer than this is a bed and takes no part in choosing boundaries (arXiv 2606.01802)."""


class EventClass(StrEnum):
    """The nine coarse classes of the MOSS-Audio report (arXiv 2606.01802)."""

    SPEECH = "speech"
    HUMAN_VOICE = "human_voice"
    SINGING = "singing"
    MUSIC = "music"
    NATURE = "nature"
    SOURCE_AMBIGUOUS = "source_ambiguous"
    OBJECT = "object"
    ENVIRONMENT = "environment"
    ANIMAL = "animal"


class Branch(StrEnum):
    """Where a segment is annotated."""

    SPEECH = "speech"
    MUSIC = "music"
    GENERAL = "general"


class Event(Record):
    """One sound event, in the recording's own time."""

    event_class: EventClass = Field(alias="class", description="one of the nine coarse classes")
    label: str = Field(description="the detector's label, more specific than the class if possible")
    onset_ms: int = Field(description="in the recording's time")
    offset_ms: int = Field(description="in the recording's time, exclusive")
    score: float = Field(ge=0.0, le=1.0, description="mean detection score over the event, not calibrated")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.onset_ms, self.offset_ms)

    @property
    def is_bed(self) -> bool:
        return self.event_class is not EventClass.SPEECH and self.span.duration_ms > BED_MS


class ProfileEntry(Record):
    """The share of one class in a segment."""

    event_class: EventClass = Field(alias="class", description="one of the nine coarse classes")
    share: float = Field(ge=0.0, le=1.0, description="share of the segment's time with an event of the class")
    strength: float = Field(ge=0.0, le=1.0, description="mean detection score over that time")


class TagKind(StrEnum):
    """What a tag describes."""

    INSTRUMENT = "instrument"
    GENRE = "genre"
    MOOD = "mood"
    OTHER = "other"


class Tag(Record):
    """One word for a segment."""

    label: str = Field(description="as the model or its label file names it")
    kind: TagKind = Field(description="instrument, genre, mood or other")
    score: float = Field(ge=0.0, le=1.0, description="the model's own, not calibrated")
    source: str = Field(description="the model that assigned it")

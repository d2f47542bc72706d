"""Words that a model puts to a stretch of sound."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.record import Record


class TagKind(StrEnum):
    """What a tag speaks of."""

    INSTRUMENT = "instrument"
    GENRE = "genre"
    MOOD = "mood"
    OTHER = "other"


class Tag(Record):
    """One word for a segment."""

    label: str = Field(description="in the model's own words, or those of the label file")
    kind: TagKind = Field(description="instrument, genre, mood or other")
    score: float = Field(ge=0.0, le=1.0, description="the model's own, not calibrated")
    source: str = Field(description="the model that says so")

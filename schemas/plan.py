"""How a caption was planned: what leads, which facts count in which order, where sources disagreed."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.event import Branch
from schemas.record import Record
from schemas.tool_result import ResultKind


class Prior(Record):
    """How strongly a segment is of one branch's kind of sound."""

    branch: Branch = Field(description="speech, music or general")
    strength: float = Field(
        ge=0.0, le=1.0, description="time of the branch's events weighted by their scores, over that of all events"
    )


class Resolution(StrEnum):
    """How a disagreement was settled; `open` where it was not, and then the caption says nothing of it."""

    SAME_PULSE = "same_pulse"
    SAME_NOTES = "same_notes"
    AGREED = "agreed"
    MAJORITY = "majority"
    STRONGER = "stronger"
    MANIFEST = "manifest"
    OPEN = "open"


class Conflict(Record):
    """Sources that say different things of one matter."""

    topic: str = Field(description="tempo, key, meter, language, transcript, speakers, words or events")
    resolution: Resolution = Field(
        description="same_pulse (twice or three times the tempo), same_notes (relative keys), agreed (systems that "
        "were compared say so), majority, stronger (the weights differ enough), manifest, or open"
    )
    kept: str | None = Field(description="the source whose word counts, as TABLE/BACKEND/FIELD; null where it is open")
    against: tuple[str, ...] = Field(description="the sources that say otherwise")
    detail: str = Field(description="what each of them says")


class PlannedFact(Record):
    """One tool result that the caption may tell."""

    kind: ResultKind = Field(description="what it is about")
    source: str = Field(description="where it stands, as TABLE/BACKEND/FIELD")
    weight: float = Field(ge=0.0, le=1.0, description="prior of its kind of sound times the tool's confidence")


class CaptionPlan(Record):
    """What a caption was written from."""

    priors: tuple[Prior, ...] = Field(default=(), description="of the branches, strongest first")
    facts: tuple[PlannedFact, ...] = Field(default=(), description="in the order in which they count")
    conflicts: tuple[Conflict, ...] = Field(default=(), description="where sources disagreed, and what came of it")

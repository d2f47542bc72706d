"""Claims, the evidence they rest on, and captions made of them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.event import Branch
from schemas.record import Record


class Verdict(StrEnum):
    """What a verifier said of a claim."""

    CONFIRMED = "confirmed"
    UNSURE = "unsure"
    DROPPED = "dropped"


class Evidence(Record):
    """One value of one row that a claim rests on."""

    table: str = Field(description="segments, annotations/speech, annotations/music or annotations/general")
    segment_id: str
    backend: str | None = Field(description="which row of an annotation table; null for segments")
    field: str = Field(description="path of the field in the row, as in voice.pitch_median_hz or profile.0.share")
    value: str = Field(description="the field's value as JSON")


class Claim(Record):
    """One checkable statement of a caption: a whole sentence."""

    text: str
    rule: str = Field(description="what derives the text from the evidence; a composer's name where no rule does")
    evidence: tuple[Evidence, ...]
    verdict: Verdict | None = None
    probability: float | None = Field(default=None, ge=0.0, le=1.0)


class BranchFacts(Record):
    """What every backend may answer besides its own typed fields: the caption of its branch."""

    caption: str | None = Field(default=None, description="by the backend of the branch that composes one")
    caption_claims: tuple[Claim, ...] = Field(default=(), description="the caption's sentences, in order")


class Caption(Record):
    """One row of `captions`."""

    segment_id: str
    recording_id: str
    caption: str
    composer: str
    language: str = Field(description="of the caption, BCP 47")
    branches: tuple[Branch, ...] = Field(description="whose evidence the caption rests on, leading first")
    claims: tuple[Claim, ...]
    verified: bool | None = Field(description="true or false once a verifier ran; null where none did")
    config_key: str

"""OUT/captions: one row a segment."""

from __future__ import annotations

from pydantic import Field

from schemas.claim import Claim
from schemas.event import Branch
from schemas.plan import CaptionPlan
from schemas.record import Record


class Caption(Record):
    """One row of `captions`: a segment's caption, claim by claim."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    caption: str = Field(description="the claims' texts, joined")
    composer: str = Field(description="what wrote it, with its version")
    language: str = Field(description="of the caption, BCP 47")
    branches: tuple[Branch, ...] = Field(description="whose evidence the caption rests on, leading first")
    claims: tuple[Claim, ...] = Field(description="its sentences, in order")
    verified: bool | None = Field(description="true or false once a verifier ran; null where none did")
    plan: CaptionPlan = Field(
        default=CaptionPlan(), description="what led, which facts counted, where sources disagreed and what came of it"
    )
    config_key: str = Field(description="key of the configuration and models that made this row")

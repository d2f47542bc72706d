"""OUT/captions: one row a segment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.claim import Claim, kept_claims
from schemas.event import Branch
from schemas.plan import CaptionPlan
from schemas.record import Record


class Doubt(StrEnum):
    """Why a claim is neither confirmed nor dropped."""

    UNDECIDED = "undecided"
    INCONSISTENT = "inconsistent"
    BELIEVED_IN_SILENCE = "believed_in_silence"


class ClaimCheck(Record):
    """What a verifier answered about one claim."""

    affirmed: float = Field(
        ge=0.0, le=1.0, description="probability of yes where it was asked whether the claim is true"
    )
    denied: float = Field(
        ge=0.0, le=1.0, description="probability of yes where it was asked whether the claim is false"
    )
    silence: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="probability that the claim holds, with silence in place of the audio; null where not asked",
    )
    doubt: Doubt | None = Field(
        default=None,
        description="why the claim is unsure: undecided (between the thresholds), inconsistent (the two answers "
        "contradict each other) or believed_in_silence; null where it is confirmed or dropped",
    )


class Caption(Record):
    """One row of `captions`: a segment's caption, claim by claim."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    caption: str = Field(description="the texts of the claims that were not dropped, joined")
    composer: str = Field(description="what wrote it: grammar, a captioner's name, or a writer's model and revision")
    language: str = Field(description="of the caption, BCP 47")
    branches: tuple[Branch, ...] = Field(description="whose evidence the caption rests on, leading first")
    claims: tuple[Claim, ...] = Field(
        description="its sentences, in order, and among them those that were dropped, which are no part of the caption"
    )
    verified: bool | None = Field(
        description="true where every sentence was confirmed, false where one is unsure; null where no verifier ran"
    )
    checks: tuple[ClaimCheck, ...] = Field(
        default=(), description="what the verifier answered, one for each claim, in order; empty where none ran"
    )
    plan: CaptionPlan = Field(
        default=CaptionPlan(), description="what led, which facts counted, where sources disagreed and what came of it"
    )
    thinking: str | None = Field(
        default=None, description="what a writer that thinks wrote before its answer; null where there is none"
    )
    clap_similarity: float | None = Field(
        default=None, ge=-1.0, le=1.0, description="cosine of the caption and the sound, by captions.clap; null without"
    )
    config_key: str = Field(description="key of the configuration and models that made this row")

    @property
    def kept(self) -> tuple[Claim, ...]:
        """The claims that the caption is made of."""
        return kept_claims(self.claims)

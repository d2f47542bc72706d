"""Claims, and the evidence they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record


class CaptionCandidate(Record):
    """One answer of the model."""

    text: str = Field(description="as the model wrote it")
    thinking: str | None = Field(description="what it wrote before its answer; null where it does not think")
    problem: str | None = Field(
        description="why it cannot be the caption, as in wrong_language; null where nothing speaks against it"
    )


class CaptionerOutput(Record):
    """A caption in a model's own words, and what it was chosen from."""

    prompt: str = Field(description="what it was asked with: name, language, version and hash of the words")
    language: str = Field(description="that it was asked for, BCP 47")
    chosen: int = Field(ge=0, description="position of the candidate that the row's caption was made of")
    candidates: tuple[CaptionCandidate, ...] = Field(description="all that it answered, in the order of their seeds")


class Verdict(StrEnum):
    """What a verifier said of a claim."""

    CONFIRMED = "confirmed"
    UNSURE = "unsure"
    DROPPED = "dropped"


class Evidence(Record):
    """One value of one row that a claim rests on."""

    table: str = Field(description="segments, annotations/speech, annotations/music or annotations/general")
    segment_id: str = Field(description="the segment it is about")
    backend: str | None = Field(description="which row of an annotation table; null for segments")
    field: str = Field(description="path of the field in the row, as in voice.pitch_median_hz or profile.0.share")
    value: str = Field(description="the field's value as JSON")


class Claim(Record):
    """One checkable statement of a caption: a whole sentence."""

    text: str = Field(description="the sentence, as it stands in the caption unless it was dropped")
    rule: str = Field(description="what derives the text from the evidence; a composer's name where no rule does")
    evidence: tuple[Evidence, ...] = Field(description="what it rests on; the check derives the claim from it again")
    verdict: Verdict | None = Field(default=None, description="confirmed, unsure or dropped; null before verification")
    probability: float | None = Field(
        default=None, ge=0.0, le=1.0, description="that the claim holds, as the verifier has it"
    )


def kept_claims(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Those that a caption is made of: all but what a verifier dropped."""
    return tuple(claim for claim in claims if claim.verdict is not Verdict.DROPPED)


class CaptionSimilarity(Record):
    """How near a caption lies to the sound, as a model of both hears it."""

    backend: str = Field(description="whose caption, of the rows of the same segment and branch")
    similarity: float = Field(ge=-1.0, le=1.0, description="cosine of the two embeddings; compare only within a model")


class BranchFacts(Record):
    """What every backend may answer besides its own typed fields: the caption of its branch."""

    caption: str | None = Field(default=None, description="by the backend of the branch that composes one")
    caption_claims: tuple[Claim, ...] = Field(default=(), description="the caption's sentences, in order")
    told: CaptionerOutput | None = Field(
        default=None, description="the answers of a model that captions what it hears, each with its own thinking"
    )
    thinking: str | None = Field(
        default=None, description="what a served model that thinks wrote before its answer; null where there is none"
    )
    clap_similarity: tuple[CaptionSimilarity, ...] | None = Field(
        default=None, description="of each caption that the branch's rows hold, nearest first; by clap_agreement"
    )

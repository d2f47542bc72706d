"""Claims, and the evidence they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record


class CaptionCandidate(Record):
    """One answer of a captioning model."""

    text: str = Field(description="as the model wrote it")
    thinking: str | None = Field(description="what it wrote before its answer; null if it does not think")
    problem: str | None = Field(description="why it cannot be the caption, as in wrong_language; null if it can")


class CaptionerOutput(Record):
    """A caption in a model's own words, and what it was chosen from."""

    prompt: str = Field(description="name, language, version and hash of the prompt")
    language: str = Field(description="the requested language, BCP 47")
    chosen: int = Field(ge=0, description="position of the candidate that became the row's caption")
    candidates: tuple[CaptionCandidate, ...] = Field(description="all answers, in the order of their seeds")


class Verdict(StrEnum):
    """A verifier's verdict on a claim."""

    CONFIRMED = "confirmed"
    UNSURE = "unsure"
    DROPPED = "dropped"


class Evidence(Record):
    """One value of one row that a claim rests on."""

    table: str = Field(
        description="segments, annotations/speech, annotations/music or annotations/general; samples about windows may "
        "also rest on recording_captions"
    )
    segment_id: str = Field(description="the segment it is about; for recording_captions the recording_id")
    backend: str | None = Field(description="which row of an annotation table; null for segments")
    field: str = Field(description="path of the field in the row, as in voice.pitch_median_hz or profile.0.share")
    value: str = Field(description="the field's value as JSON")


class Claim(Record):
    """One checkable statement of a caption: a whole sentence."""

    text: str = Field(description="the sentence; part of the caption unless it was dropped")
    rule: str = Field(
        description="the rule that derives the text from the evidence; a composer's name if there is none"
    )
    evidence: tuple[Evidence, ...] = Field(
        description="the values it rests on; the check derives the claim from them again"
    )
    verdict: Verdict | None = Field(default=None, description="confirmed, unsure or dropped; null before verification")
    probability: float | None = Field(
        default=None, ge=0.0, le=1.0, description="that the claim holds, according to the verifier"
    )


def remaining_claims(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims that a caption consists of: all except those that a verifier dropped."""
    return tuple(claim for claim in claims if claim.verdict is not Verdict.DROPPED)


class CaptionSimilarity(Record):
    """The similarity of a caption and the audio, according to a joint model of text and audio."""

    backend: str = Field(description="the backend whose caption it is, of the same segment and branch")
    similarity: float = Field(
        ge=-1.0, le=1.0, description="cosine similarity of the two embeddings; compare only within one model"
    )


class BranchFacts(Record):
    """What every backend may return besides its own typed fields: the caption of its branch."""

    caption: str | None = Field(default=None, description="by the backend that composes the branch's caption")
    caption_claims: tuple[Claim, ...] = Field(default=(), description="the caption's sentences, in order")
    told: CaptionerOutput | None = Field(
        default=None, description="the answers of a captioning model, each with its own thinking"
    )
    thinking: str | None = Field(
        default=None, description="what a served model that thinks wrote before its answer; null if there is none"
    )
    clap_similarity: tuple[CaptionSimilarity, ...] | None = Field(
        default=None, description="of each caption in the branch's rows, most similar first; by clap_agreement"
    )

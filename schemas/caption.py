"""OUT/captions: one row a segment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import Claim, Evidence, kept_claims
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan


class ResultKind(StrEnum):
    """What a tool result is about."""

    PROFILE = "profile"
    EVENT = "event"
    LANGUAGE = "language"
    TRANSCRIPT = "transcript"
    AGREEMENT = "agreement"
    ALIGNMENT = "alignment"
    SENTENCE = "sentence"
    SPEAKERS = "speakers"
    TURN = "turn"
    VOICE = "voice"
    RECORDING = "recording"
    OPINION = "opinion"
    RHYTHM = "rhythm"
    METER = "meter"
    TONALITY = "tonality"
    DYNAMICS = "dynamics"
    TIMBRE = "timbre"
    CHORD = "chord"
    SECTION = "section"
    NOTES = "notes"
    SINGING = "singing"
    LYRICS = "lyrics"
    TAG = "tag"
    REPETITION = "repetition"
    ACOUSTICS = "acoustics"
    STATEMENT = "statement"
    SIMILARITY = "similarity"


class ToolResult(Record):
    """One thing that one tool says of a segment: whose it is, what it is about, when it holds, how sure it is."""

    kind: ResultKind = Field(description="what it is about")
    branch: Branch | None = Field(description="whose it is; null for the segment's own events, profile and language")
    table: str = Field(description="segments, annotations/speech, annotations/music or annotations/general")
    backend: str | None = Field(description="which row of an annotation table; null for segments")
    field: str = Field(description="path of what it was read from; with table and backend it names the result")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    content: str = Field(description="in a listener's words, numbers as they may be told; empty for what is ordinary")
    confidence: float | None = Field(
        ge=0.0, le=1.0, description="the tool's own, not calibrated; null where it has none"
    )
    evidence: tuple[Evidence, ...] = Field(description="the values it was read from: it can be derived from them again")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.start_ms, self.end_ms)

    @property
    def name(self) -> str:
        """Tells it from every other result of its segment."""
        return f"{self.table}/{self.backend or ''}/{self.field}"

    def value(self, path: str) -> str | None:
        """The JSON at `path` of its row, where it is part of the evidence."""
        return next((one.value for one in self.evidence if one.field == path), None)


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


class UnsureReason(StrEnum):
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
    doubt: UnsureReason | None = Field(
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

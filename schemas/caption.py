"""OUT/captions: one row per segment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import Claim, Evidence, remaining_claims
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
    """One statement of one tool about a segment: its source, topic, time span and confidence."""

    kind: ResultKind = Field(description="what it is about")
    branch: Branch | None = Field(
        description="the branch of the tool; null for the segment's own events, profile and language"
    )
    table: str = Field(description="segments, annotations/speech, annotations/music or annotations/general")
    backend: str | None = Field(description="which row of an annotation table; null for segments")
    field: str = Field(
        description="path of the field it was read from; with table and backend it identifies the result"
    )
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    content: str = Field(description="in a listener's words, with rounded numbers; empty for what is ordinary")
    confidence: float | None = Field(ge=0.0, le=1.0, description="the tool's own, not calibrated; null if it has none")
    evidence: tuple[Evidence, ...] = Field(description="the values it was read from and can be derived from again")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.start_ms, self.end_ms)

    @property
    def name(self) -> str:
        """Unique among the results of its segment."""
        return f"{self.table}/{self.backend or ''}/{self.field}"

    def value(self, path: str) -> str | None:
        """The JSON at `path` of its row, if that is part of the evidence."""
        return next((evidence.value for evidence in self.evidence if evidence.field == path), None)


class Prior(Record):
    """How much of a segment is one branch's kind of sound."""

    branch: Branch = Field(description="speech, music or general")
    strength: float = Field(
        ge=0.0,
        le=1.0,
        description="time of the branch's events weighted by their scores, divided by that of all events",
    )


class Resolution(StrEnum):
    """How a disagreement was resolved; `open` if it was not, and then the caption leaves the topic out."""

    SAME_PULSE = "same_pulse"
    SAME_NOTES = "same_notes"
    AGREED = "agreed"
    MAJORITY = "majority"
    STRONGER = "stronger"
    MANIFEST = "manifest"
    OPEN = "open"


class Conflict(Record):
    """Sources that contradict each other on one topic."""

    topic: str = Field(description="tempo, key, meter, language, transcript, speakers, words or events")
    resolution: Resolution = Field(
        description="same_pulse (double or triple tempo), same_notes (relative keys), agreed (by systems that "
        "were compared), majority, stronger (the weights differ enough), manifest, or open"
    )
    kept: str | None = Field(description="the source that counts, as TABLE/BACKEND/FIELD; null if it is open")
    against: tuple[str, ...] = Field(description="the sources that contradict it")
    detail: str = Field(description="what each source says")


class PlannedFact(Record):
    """One tool result that the caption may mention."""

    kind: ResultKind = Field(description="what it is about")
    source: str = Field(description="its source, as TABLE/BACKEND/FIELD")
    weight: float = Field(ge=0.0, le=1.0, description="prior of its kind of sound times the tool's confidence")


class CaptionPlan(Record):
    """The basis of a caption."""

    priors: tuple[Prior, ...] = Field(default=(), description="of the branches, strongest first")
    facts: tuple[PlannedFact, ...] = Field(default=(), description="in order of importance")
    conflicts: tuple[Conflict, ...] = Field(
        default=(), description="disagreements between sources, and how they were resolved"
    )


class UnsureReason(StrEnum):
    """Why a claim is neither confirmed nor dropped."""

    UNDECIDED = "undecided"
    INCONSISTENT = "inconsistent"
    BELIEVED_IN_SILENCE = "believed_in_silence"


class ClaimCheck(Record):
    """What a verifier answered about one claim."""

    affirmed: float = Field(ge=0.0, le=1.0, description="probability of yes to the question whether the claim is true")
    denied: float = Field(ge=0.0, le=1.0, description="probability of yes to the question whether the claim is false")
    silence: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="probability that the claim holds, with silence in place of the audio; null if not asked",
    )
    doubt: UnsureReason | None = Field(
        default=None,
        description="why the claim is unsure: undecided (between the thresholds), inconsistent (the two answers "
        "contradict each other) or believed_in_silence; null if it is confirmed or dropped",
    )


class Caption(Record):
    """One row of `captions`: a segment's caption, claim by claim."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    caption: str = Field(description="the texts of the claims that were not dropped, joined")
    composer: str = Field(description="what wrote it: grammar, a captioner's name, or a writer's model and revision")
    language: str = Field(description="of the caption, BCP 47")
    branches: tuple[Branch, ...] = Field(description="whose evidence the caption rests on, the leading one first")
    claims: tuple[Claim, ...] = Field(
        description="its sentences, in order, including dropped ones, which are not part of the caption"
    )
    verified: bool | None = Field(
        description="true if every sentence was confirmed, false if one is unsure; null if no verifier ran"
    )
    checks: tuple[ClaimCheck, ...] = Field(
        default=(), description="the verifier's answers, one per claim, in order; empty if no verifier ran"
    )
    plan: CaptionPlan = Field(
        default=CaptionPlan(),
        description="which branch led, which facts counted, which sources disagreed and how that was resolved",
    )
    thinking: str | None = Field(
        default=None, description="what a writer that thinks wrote before its answer; null if there is none"
    )
    clap_similarity: float | None = Field(
        default=None,
        ge=-1.0,
        le=1.0,
        description="cosine similarity of the caption and the audio, by captions.clap; null without it",
    )
    config_key: str = Field(description="key of the configuration and models that made this row")

    @property
    def remaining(self) -> tuple[Claim, ...]:
        """The claims that the caption consists of."""
        return remaining_claims(self.claims)

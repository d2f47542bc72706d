"""The merge's interface: whatever any tool says of a segment, in one form."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.claim import Evidence
from schemas.event import Branch
from schemas.record import Record
from schemas.timespan import TimeSpan


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

"""OUT/duplicates: segments that sound again, here or in an evaluation set; and fingerprints to find them by."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record


class Relation(StrEnum):
    EXACT = "exact"
    NEAR = "near"


class LeaveOut(StrEnum):
    """Segments of which no training sample is made."""

    COPIES = "copies"
    """All of a cluster but the first."""
    EVALUATION = "evaluation"
    """Whatever an evaluation set has."""


class Match(Record):
    """Where else a segment is heard."""

    name: str = Field(description="a segment_id; of an evaluation set, the name of its item")
    source: str | None = Field(description="the evaluation set; null for this corpus")
    relation: Relation = Field(description="exact: the decoded samples are equal; near: the same sound, altered")
    offset_ms: int = Field(description="the time in the match minus the time in the segment at which both sound alike")
    overlap_ms: int = Field(description="how much of the two overlaps at that offset")
    similarity: float = Field(ge=0.0, le=1.0, description="share of the loudest peaks in the overlap that both have")


class Duplicate(Record):
    """One row of `duplicates`: a segment that is heard elsewhere too. Nothing is deleted: this table marks."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    cluster: str | None = Field(
        description="the first segment_id of all that are the same sound, also by way of others; null where only "
        "evaluation sets have it"
    )
    group: str | None = Field(
        description="the first recording_id of all that share a cluster, also by way of others: these belong on one "
        "side of a split; null as cluster is"
    )
    first: bool = Field(description="true for the one segment of its cluster to keep if the others are left out")
    corpus: Match | None = Field(description="the most similar segment of the corpus; null without one")
    evaluation: Match | None = Field(description="the most similar item of the evaluation sets; null without one")


class Fingerprint(Record):
    """One row of a fingerprint file: what a sound is found again by, from which no audio can be made."""

    name: str = Field(description="a segment_id, or a file's name in its folder")
    recording_id: str | None = Field(description="null for what is in no corpus")
    duration_ms: int = Field(ge=0, le=2**40, description="of the decoded samples")
    audio_sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="of the decoded samples: 16 kHz mono, 16 bits, little-endian"
    )
    peaks: bytes = Field(
        description="spectral peaks: uint64, little-endian, (frame * 256 + bin) * 256 + level, in order"
    )

"""OUT/duplicates: segments that occur again in the corpus or in an evaluation set; and their fingerprints."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record


class Relation(StrEnum):
    EXACT = "exact"
    NEAR = "near"


class LeaveOut(StrEnum):
    """Which segments to leave out of training samples."""

    COPIES = "copies"
    """All segments of a cluster except the first."""
    EVALUATION = "evaluation"
    """Segments that are also in an evaluation set."""


class Match(Record):
    """Another occurrence of a segment."""

    name: str = Field(description="a segment_id; in an evaluation set, the name of the item")
    source: str | None = Field(description="the evaluation set; null for this corpus")
    relation: Relation = Field(description="exact: the decoded samples are equal; near: the same sound, altered")
    offset_ms: int = Field(description="time in the match minus the corresponding time in the segment")
    overlap_ms: int = Field(description="length of the overlap at that offset")
    similarity: float = Field(
        ge=0.0, le=1.0, description="share of the loudest peaks in the overlap that both have in common"
    )


class Duplicate(Record):
    """One row of `duplicates`: a segment that occurs elsewhere too. The table only marks it; nothing is deleted."""

    segment_id: str = Field(description="the segment it is about")
    recording_id: str = Field(description="the recording of that segment")
    cluster: str | None = Field(
        description="the first segment_id of all segments with the same sound, directly or through others; null "
        "if only evaluation sets have it"
    )
    group: str | None = Field(
        description="the first recording_id of all recordings that share a cluster, directly or through others, "
        "which belong on one side of a split; null if cluster is null"
    )
    first: bool = Field(description="true for the segment of the cluster to keep if the others are left out")
    corpus: Match | None = Field(description="the most similar segment of the corpus; null without one")
    evaluation: Match | None = Field(description="the most similar item of the evaluation sets; null without one")


class Fingerprint(Record):
    """One row of a fingerprint file. The audio cannot be reconstructed from it."""

    name: str = Field(description="a segment_id, or a file's name in its folder")
    recording_id: str | None = Field(description="null if it is not from a corpus")
    duration_ms: int = Field(ge=0, le=2**40, description="of the decoded samples")
    audio_sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="of the decoded samples: 16 kHz mono, 16 bits, little-endian"
    )
    peaks: bytes = Field(
        description="spectral peaks: uint64, little-endian, (frame * 256 + bin) * 256 + level, in order"
    )

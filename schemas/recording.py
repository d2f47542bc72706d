"""OUT/recordings: one row a source file."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.record import Record


class ChannelRelation(StrEnum):
    """What the channels of a recording are to each other, measured before the downmix."""

    MONO = "mono"
    IDENTICAL = "identical"
    RELATED = "related"
    INDEPENDENT = "independent"
    ANTIPHASE = "antiphase"


class Downmix(StrEnum):
    """How one channel was made of several."""

    NONE = "none"
    MEAN = "mean"
    STRONGEST = "strongest"


class Quality(Record):
    """Measured on the source's own rate and channels, over the whole file."""

    level_dbfs: float | None = Field(description="RMS over all channels; null for digital silence")
    peak_dbfs: float | None = Field(description="highest absolute sample; null for digital silence")
    clipping_share: float = Field(ge=0.0, le=1.0, description="share of samples in runs of three or more at full scale")
    bandwidth_hz: int | None = Field(description="highest frequency with energy over the recording's own floor")
    channel_relation: ChannelRelation
    downmix: Downmix


class ModelUse(Record):
    """Which model took part, exactly enough to find it again."""

    name: str
    model: str
    revision: str


class Recording(Record):
    """One row of `recordings`."""

    recording_id: str
    source_uri: str
    manifest_id: str | None
    size_bytes: int
    duration_ms: int
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    license: str | None
    language: str | None
    metadata: str | None = Field(description="the manifest's free columns, a JSON object")
    quality: Quality
    detectors: tuple[ModelUse, ...]
    segment_count: int
    segment_ms: int
    config_key: str

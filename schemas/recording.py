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
    channel_relation: ChannelRelation = Field(
        description="mono, identical, related, independent or antiphase, measured before the downmix"
    )
    downmix: Downmix = Field(description="how one channel was made: none, mean or strongest")


class ModelUse(Record):
    """Which model took part, exactly enough to find it again."""

    name: str = Field(description="the backend's name in the configuration")
    model: str = Field(description="which model or algorithm answered")
    revision: str = Field(description="changes whenever its answers may: a checksum, a hub commit, a version")


class Recording(Record):
    """One row of `recordings`: a source file that could be decoded."""

    recording_id: str = Field(description="first 32 hex digits of the SHA-256 of the file's bytes")
    source_uri: str = Field(description="where it was read from, without credentials")
    manifest_id: str | None = Field(description="the manifest's `id`; null without one")
    size_bytes: int = Field(description="of the file")
    duration_ms: int = Field(description="of what could be decoded")
    container: str = Field(description="file format, as in flac or mov")
    codec: str = Field(description="audio codec, as in pcm_s16le or opus")
    sample_rate_hz: int = Field(description="of the source, before resampling")
    channels: int = Field(description="of the source, before the downmix")
    license: str | None = Field(description="as the manifest has it; null where nobody said")
    language: str | None = Field(description="as the manifest has it; null where nobody said")
    metadata: str | None = Field(description="the manifest's free columns, a JSON object")
    quality: Quality
    detectors: tuple[ModelUse, ...] = Field(description="what found the events, in order")
    segment_count: int = Field(description="how many segments it gave")
    segment_ms: int = Field(description="their total length")
    config_key: str = Field(description="key of the configuration and models that made this row")

"""OUT/recordings: one row per source file."""

from __future__ import annotations

import json
from collections.abc import Collection
from enum import StrEnum

from pydantic import Field

from soundseam.schemas.record import Record, content_key
from soundseam.schemas.segment import Segment
from soundseam.schemas.timespan import TimeSpan


class ChannelRelation(StrEnum):
    """The relation of a recording's channels, measured before the downmix."""

    MONO = "mono"
    IDENTICAL = "identical"
    RELATED = "related"
    INDEPENDENT = "independent"
    ANTIPHASE = "antiphase"


class Downmix(StrEnum):
    """How several channels were combined into one."""

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
    downmix: Downmix = Field(description="how channels were combined: none, mean or strongest")


class ModelUse(Record):
    """The exact model that was used."""

    name: str = Field(description="the backend's name in the configuration")
    model: str = Field(description="which model or algorithm answered")
    revision: str = Field(description="changes whenever its answers may: a checksum, a hub commit, a version")


class Recording(Record):
    """One row of `recordings`: a source file that could be decoded."""

    recording_id: str = Field(description="first 32 hex digits of the SHA-256 of the file's bytes")
    source_uri: str = Field(description="where it was read from, without credentials")
    manifest_id: str | None = Field(description="the manifest's `id`; null without one")
    size_bytes: int = Field(description="of the file")
    duration_ms: int = Field(description="of the part that could be decoded")
    container: str = Field(description="file format, as in flac or mov")
    codec: str = Field(description="audio codec, as in pcm_s16le or opus")
    sample_rate_hz: int = Field(description="of the source, before resampling")
    channels: int = Field(description="of the source, before the downmix")
    license: str | None = Field(description="from the manifest; null if not stated")
    language: str | None = Field(description="from the manifest; null if not stated")
    metadata: str | None = Field(description="the manifest's free columns, a JSON object")
    quality: Quality
    detectors: tuple[ModelUse, ...] = Field(description="the detectors that found the events, in order")
    segment_count: int = Field(description="number of segments cut from it")
    segment_ms: int = Field(description="their total length")
    config_key: str = Field(description="key of the configuration and models that made this row")


class SourceLine(Record):
    """An interval of a source with the values of its manifest line."""

    span: TimeSpan
    manifest_id: str | None = None
    license: str | None = None
    language: str | None = None
    metadata: str | None = None
    """The line's free columns as a JSON object."""
    is_rest: bool = False
    """True for the time between lines, if another line covers the whole file."""

    @property
    def said(self) -> tuple[str | None, ...]:
        return self.manifest_id, self.license, self.language, self.metadata


class Source(Record):
    """One source file. `uri` opens it and may carry credentials: only `source_uri` may be written or logged."""

    uri: str
    source_uri: str
    recording_id: str
    size_bytes: int
    manifest_id: str | None = None
    license: str | None = None
    language: str | None = None
    intervals: tuple[TimeSpan, ...] = ()
    """The intervals to segment: ordered, disjoint; empty means the whole recording."""
    metadata: str | None = None
    """The manifest's free columns as a JSON object."""

    lines: tuple[SourceLine, ...] = ()
    """One per interval, if their values differ: no segment gets another line's values or spans two lines.

    The source's own values then apply to all of them.
    """

    def parts(self, whole: TimeSpan) -> tuple[SourceLine, ...]:
        """The intervals to use, in order, each with its values; `whole` is the whole recording."""
        said = {name: getattr(self, name) for name in ("manifest_id", "license", "language", "metadata")}
        return self.lines or tuple(SourceLine(span=span, **said) for span in self.intervals or (whole,))

    @property
    def row_key(self) -> str:
        """Key of everything that this source contributes to its rows besides its bytes."""
        left_out = {"uri", "size_bytes"} | (set() if self.lines else {"lines"})
        return content_key(self.model_dump(mode="json", exclude=left_out))

    @property
    def content_key(self) -> str:
        """Key of the audio: the bytes and the intervals, whatever the file's location."""
        return content_key([self.recording_id, [list(span) for span in self.intervals]])

    @property
    def spoken_key(self) -> str:
        """Key of the audio and its stated languages; `content_key` if none is stated."""
        languages = [line.language for line in self.lines] or [self.language]
        return content_key([self.content_key, languages]) if any(languages) else self.content_key

    def stated(self, columns: Collection[str]) -> list[list[object]]:
        """The values of some free columns, line by line; empty if none has any."""
        if not columns:
            return []
        given = [json.loads(metadata or "{}") for metadata in [line.metadata for line in self.lines] or [self.metadata]]
        values = [[line.get(column) for column in sorted(columns)] for line in given]
        return values if any(value is not None for line in values for value in line) else []


MISSING_FILE = "missing_file"
UNREADABLE = "unreadable"
CHANGED = "changed_since_listed"
WORKER_DIED = "worker_died"
WORKER_STALLED = "worker_stalled"
PASSING_REASONS = frozenset({MISSING_FILE, UNREADABLE, CHANGED, WORKER_DIED, WORKER_STALLED})
"""Temporary faults, not caused by a recording's bytes: the next run tries again."""


class Rejected(Record):
    """One row of `rejected`: something that was dropped, and why."""

    recording_id: str | None = Field(description="null if no bytes could be read to derive it from")
    source_uri: str = Field(description="where it was read from, without credentials")
    segment_id: str | None = Field(default=None, description="null if a recording was dropped, or a part of one")
    start_ms: int | None = Field(default=None, description="in the recording's time; null for all of it, or unknown")
    end_ms: int | None = Field(default=None, description="in the recording's time, exclusive; null likewise")
    stage: str = Field(
        description="list, decode, detect, segments (a process lost in decode or detect), "
        "annotations/<branch>/<backend>, captions, filter"
    )
    reason: str = Field(description="one of a fixed set of codes, as in truncated or missing_file")
    detail: str = Field(description="details for a person, with numbers")

    @classmethod
    def of_segment(cls, segment: Segment, stage: str, reason: str, detail: str) -> Rejected:
        """The row for `segment`, dropped at `stage`."""
        return cls(
            recording_id=segment.recording_id,
            source_uri=segment.source_uri,
            segment_id=segment.segment_id,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            stage=stage,
            reason=reason,
            detail=detail,
        )

"""OUT/segments: one row per segment, with its audio."""

from __future__ import annotations

from pydantic import Field

from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan


class Boundary(Record):
    """Why a segment begins or ends where it does."""

    reason: str = Field(description="recording_edge, gap, class_change, touching_events or forced")
    cost: float = Field(description="the cost that this boundary added; 0 at a recording's edge")
    before: EventClass | None = Field(description="class of the event that ends before the boundary")
    after: EventClass | None = Field(description="class of the event that begins after it")
    gap_ms: int = Field(ge=0, description="event-free time around the boundary")
    forced: bool = Field(description="true if an event longer than the maximum had to be cut")


class Audio(Record):
    """The Hugging Face `Audio` layout: an encoded file and its nominal name."""

    bytes: bytes
    """A whole FLAC file, 16 kHz mono, 16 bits."""  # a default named bytes would hide the type
    path: str = Field(description="nominal file name; no such file exists")


class Segment(Record):
    """One row of `segments` without its audio: what is passed between stages."""

    segment_id: str = Field(description="recording_id, start and end: sortable by time within a recording")
    recording_id: str = Field(description="the recording it was cut from")
    source_uri: str = Field(description="where the recording was read from, without credentials")
    start_ms: int = Field(description="in the recording's time")
    end_ms: int = Field(description="in the recording's time, exclusive")
    branches: tuple[Branch, ...] = Field(description="the leading one first")
    profile: tuple[ProfileEntry, ...] = Field(description="strongest class first")
    events: tuple[Event, ...] = Field(description="in order of onset, in the recording's time, clipped to the segment")
    start_boundary: Boundary = Field(description="why it begins where it does")
    end_boundary: Boundary = Field(description="why it ends where it does")
    manifest_id: str | None = Field(default=None, description="`id` of its line in the manifest")
    license: str | None = Field(description="from the manifest, for this part of the recording")
    language: str | None = Field(description="from the manifest; null if not stated")
    metadata: str | None = Field(description="the manifest's free columns, a JSON object")
    config_key: str = Field(description="key of the configuration and models that made this row")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.start_ms, self.end_ms)


class SegmentRow(Segment):
    """One row of `segments`: a stretch of a recording that is annotated as a unit, with its audio."""

    audio: Audio = Field(description="16 kHz mono FLAC")


def segment_id_of(recording_id: str, span: TimeSpan) -> str:
    """The id of a segment: its recording and its interval, sortable by time within a recording."""
    return f"{recording_id}-{span.start_ms:09d}-{span.end_ms:09d}"

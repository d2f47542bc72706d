"""OUT/rejected: whatever was dropped, at which stage, and why."""

from __future__ import annotations

from pydantic import Field

from schemas.record import Record


class Rejected(Record):
    """One row of `rejected`: something that was dropped, and why."""

    recording_id: str | None = Field(description="null where no bytes could be read to derive it from")
    source_uri: str = Field(description="where it was read from, without credentials")
    segment_id: str | None = Field(default=None, description="null where a recording was dropped, or a part of one")
    start_ms: int | None = Field(default=None, description="in the recording's time; null for all of it, or unknown")
    end_ms: int | None = Field(default=None, description="in the recording's time, exclusive; null likewise")
    stage: str = Field(
        description="list, decode, detect, segments (a process lost in decode or detect), "
        "annotations/<branch>/<backend>, captions, filter"
    )
    reason: str = Field(description="one of a few words that can be counted, as in truncated or missing_file")
    detail: str = Field(description="for a person: what was seen, with numbers")

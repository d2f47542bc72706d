"""A recording as it was asked for, before anything of it is decoded."""

from __future__ import annotations

from schemas.record import Record, content_key
from schemas.timespan import TimeSpan


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
    """What a manifest restricts segmentation to: ordered, disjoint; empty means the whole recording."""
    metadata: str | None = None
    """The manifest's free columns as a JSON object."""

    @property
    def row_key(self) -> str:
        """Key of all that this source brings to its rows besides its bytes."""
        return content_key(self.model_dump(mode="json", exclude={"uri", "size_bytes"}))

    @property
    def content_key(self) -> str:
        """Key of what is heard: the bytes and the intervals, wherever the file lies."""
        return content_key([self.recording_id, [list(span) for span in self.intervals]])

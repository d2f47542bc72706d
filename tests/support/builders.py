"""Small builders of rows: what a test does not name has a harmless value."""

from __future__ import annotations

from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Audio, Boundary, Segment, SegmentRow, segment_id_of
from soundseam.schemas.timespan import TimeSpan

EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


def recording_id_of(name: str) -> str:
    """32 hex digits that begin with the letters of `name`, spelt in hex."""
    return name.encode().hex().ljust(32, "0")[:32]


def an_event(event_class: EventClass, onset_ms: int, offset_ms: int, label: str = "", score: float = 0.9) -> Event:
    return Event(
        event_class=event_class, label=label or event_class, onset_ms=onset_ms, offset_ms=offset_ms, score=score
    )


def a_segment(
    recording: str = "a", start_ms: int = 0, end_ms: int = 2000, events: tuple[Event, ...] = (), **changes: object
) -> Segment:
    """A segment of the general branch, or of what `changes` says."""
    recording_id = recording_id_of(recording)
    fields = {
        "segment_id": segment_id_of(recording_id, TimeSpan(start_ms, end_ms)),
        "recording_id": recording_id,
        "source_uri": f"{recording}.wav",
        "start_ms": start_ms,
        "end_ms": end_ms,
        "branches": (Branch.GENERAL,),
        "profile": tuple(
            ProfileEntry(event_class=event_class, share=0.5, strength=0.9)
            for event_class in sorted({event.event_class for event in events})
        ),
        "events": events,
        "start_boundary": EDGE,
        "end_boundary": EDGE,
        "license": None,
        "language": None,
        "metadata": None,
        "config_key": "k",
    }
    return Segment.model_validate({**fields, **changes})


def with_audio(segment: Segment, flac: bytes = b"fLaC") -> SegmentRow:
    audio = Audio(bytes=flac, path=f"{segment.segment_id}.flac")
    return SegmentRow(**{name: getattr(segment, name) for name in Segment.model_fields}, audio=audio)


def a_caption(segment: Segment, text: str = "Something is heard.") -> Caption:
    return Caption(
        segment_id=segment.segment_id,
        recording_id=segment.recording_id,
        caption=text,
        composer="test",
        language="en",
        branches=segment.branches,
        claims=(),
        verified=None,
        config_key="k",
    )


def a_reject(recording: str = "a", stage: str = "segments", detail: str = "") -> Rejected:
    return Rejected(
        recording_id=recording_id_of(recording),
        source_uri=f"{recording}.wav",
        stage=stage,
        reason="truncated",
        detail=detail,
    )

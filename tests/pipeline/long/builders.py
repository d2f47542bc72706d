"""Facts of recordings, drawn and by hand."""

from __future__ import annotations

from hypothesis import strategies as st

from soundseam.pipeline.long.facts import Origin, RecordingFacts, SegmentFacts, Sound, Spoken
from soundseam.schemas.event import EventClass
from soundseam.schemas.segment import segment_id_of
from soundseam.schemas.timespan import TimeSpan
from tests.support.builders import recording_id_of

EVENTS = Origin("segments", None, "events")
TURNS = Origin("annotations/speech", "diarization", "speakers")
WORDS = Origin("annotations/speech", "agreement", "transcript")


def facts(
    start_ms: int,
    end_ms: int,
    *events: tuple[str, str],
    turns: tuple[tuple[str, int, int], ...] = (),
    words: str = "",
    name: str = "a",
) -> SegmentFacts:
    """A segment with events (class, label) over all of it, and turns (speaker, start, end)."""
    span = TimeSpan(start_ms, end_ms)
    origins = {"events": EVENTS} | ({"turns": TURNS} if turns else {}) | ({"words": WORDS} if words else {})
    return SegmentFacts(
        segment_id_of(recording_id_of(name), span),
        span,
        tuple(Sound(EventClass(event_class), label, span, 0.95) for event_class, label in events),
        tuple(Spoken(speaker, TimeSpan(start, end)) for speaker, start, end in turns),
        bool(turns),
        voices=tuple(Spoken(speaker, TimeSpan(start, end)) for speaker, start, end in turns),
        words=words,
        origins=origins,
    )


def recording(*segments: SegmentFacts, rejected: tuple[TimeSpan, ...] = (), name: str = "a") -> RecordingFacts:
    said = {one.segment_id: (None, None, None) for one in segments}
    end_ms = segments[-1].span.end_ms if segments else 0
    return RecordingFacts(recording_id_of(name), f"{name}.wav", end_ms, segments, rejected, frozenset(), said)


CONTENTS = (
    (("speech", "speech"),),
    (("music", "music"),),
    (("animal", "Animal"),),
    (("object", "Bell"),),
    (("speech", "speech"), ("music", "music")),
    (),
)


@st.composite
def recordings(draw: st.DrawFn) -> RecordingFacts:
    """Up to 30 segments of 1 to 30 s with gaps of up to 90 s, and some rejected gaps."""
    segments, rejected, at = [], [], 0
    for _ in range(draw(st.integers(1, 30))):
        gap = draw(st.sampled_from((0, 0, 0, 300, 4_000, 90_000)))
        if gap and draw(st.booleans()):
            rejected.append(TimeSpan(at, at + gap))
        at += gap
        length = draw(st.integers(1_000, 30_000))
        content = draw(st.sampled_from(CONTENTS))
        speaker = draw(st.sampled_from(("x", "y", "")))
        spoken = speaker and any(name == "speech" for name, _ in content)
        turns = ((speaker, at, at + length),) if spoken else ()
        segments.append(facts(at, at + length, *content, turns=turns))
        at += length
    return recording(*segments, rejected=tuple(rejected))

"""Builders of events and recordings for the tests of segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from soundseam.pipeline.cutting.candidates import Activity
from soundseam.pipeline.cutting.segmentation import Scene
from soundseam.schemas.event import Event, EventClass


def event(onset_ms: int, offset_ms: int, event_class: EventClass = EventClass.SPEECH, score: float = 0.9) -> Event:
    return Event(event_class=event_class, label="x", onset_ms=onset_ms, offset_ms=offset_ms, score=score)


def scene_of(*events: Event, duration_ms: int, level: Sequence[float] | None = None) -> Scene:
    """A scene whose activity is 0.8 where an event sounds and 0.1 elsewhere, in frames of 40 ms, or `level`."""
    count = max(1, -(-duration_ms // 40))
    curve = np.full(count, 0.1, dtype=np.float16)
    for each in events:
        curve[each.onset_ms // 40 : -(-each.offset_ms // 40)] = 0.8
    if level is not None:
        curve = np.array(level, dtype=np.float16)
    return Scene(tuple(sorted(events, key=lambda each: each.onset_ms)), Activity(40, curve))


@st.composite
def recordings_with_events(draw: st.DrawFn, longest_ms: int = 90_000) -> tuple[Scene, int]:
    """A recording of any length with events that follow, touch, overlap or contain each other, beds among them."""
    duration_ms = draw(st.integers(1, longest_ms))
    classes = st.sampled_from([EventClass.SPEECH, EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS])
    events = []
    for _ in range(draw(st.integers(0, 12))):
        onset_ms = draw(st.integers(0, duration_ms - 1))
        length_ms = draw(st.one_of(st.integers(1, 3_000), st.integers(1, 70_000)))
        score = draw(st.sampled_from([0.3, 0.6, 0.9]))
        events.append(event(onset_ms, min(duration_ms, onset_ms + length_ms), draw(classes), score))
    # Some begin where another ends.
    if events and draw(st.booleans()):
        first = events[0].offset_ms
        if first < duration_ms:
            events.append(event(first, min(duration_ms, first + draw(st.integers(1, 5_000))), draw(classes)))
    levels = draw(st.one_of(st.none(), st.just([draw(st.floats(0, 1)) for _ in range(8)])))
    count = -(-duration_ms // 40)
    level = None if levels is None else [levels[index % 8] for index in range(count)]
    return scene_of(*events, duration_ms=duration_ms, level=level), duration_ms

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from annotators.speech.stretches import excerpt, gaps_between, sample_mask, speech_stretches, widen
from schemas.event import EventClass
from schemas.timespan import TimeSpan
from tests.annotators.speech.builders import a_clip, silence
from tests.builders import an_event

START_MS = 7_000


@st.composite
def disjoint_stretches(draw: st.DrawFn) -> tuple[TimeSpan, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 2_000), min_size=2, max_size=8)))
    return tuple(TimeSpan(a + START_MS, b + START_MS) for a, b in zip(edges[::2], edges[1::2], strict=False))


def test_overlapping_speech_is_one_stretch_and_other_sounds_are_none() -> None:
    clip = a_clip(silence(3_000), (100, 900), (800, 1_200), (2_000, 9_000))
    other = an_event(EventClass.MUSIC, 1_300, 1_900)
    segment = clip.segment.model_copy(update={"events": (*clip.segment.events, other)})
    assert speech_stretches(segment) == (TimeSpan(100, 1_200), TimeSpan(2_000, 3_000))


def test_widened_stretches_join_where_they_meet_and_stay_inside() -> None:
    stretches = (TimeSpan(50, 100), TimeSpan(300, 400), TimeSpan(900, 1_000))
    assert widen(stretches, 100, TimeSpan(0, 1_050)) == (TimeSpan(0, 500), TimeSpan(800, 1_050))


def test_gaps_lie_between_stretches_only() -> None:
    assert gaps_between((TimeSpan(10, 20), TimeSpan(50, 60))) == (TimeSpan(20, 50),)
    assert gaps_between(()) == ()


@given(disjoint_stretches())
def test_an_excerpt_holds_the_audio_of_its_stretches_and_nothing_else(stretches: tuple[TimeSpan, ...]) -> None:
    clip = a_clip(np.arange(32_000), start_ms=START_MS)
    heard = excerpt(clip, stretches)
    assert np.array_equal(heard.samples, clip.samples[sample_mask(clip, stretches)])


@given(disjoint_stretches(), st.integers(0, 2_000))
def test_every_time_of_an_excerpt_leads_back_to_the_sample_it_came_from(
    stretches: tuple[TimeSpan, ...], excerpt_ms: int
) -> None:
    clip = a_clip(np.arange(32_000), start_ms=START_MS)
    heard = excerpt(clip, stretches)
    if excerpt_ms * 16 < len(heard.samples):
        assert heard.samples[excerpt_ms * 16] == (heard.to_recording_ms(excerpt_ms) - START_MS) * 16


def test_a_joint_is_the_end_of_what_ends_and_the_start_of_what_starts() -> None:
    heard = excerpt(a_clip(silence(1_000)), (TimeSpan(100, 200), TimeSpan(500, 600)))
    assert heard.to_recording_ms(100, ends=True) == 200
    assert heard.to_recording_ms(100) == 500
    assert heard.to_recording_ms(5_000) == 600

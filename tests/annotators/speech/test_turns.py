from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.speech.turns import (
    SpeakerSpan,
    WindowTurns,
    join_windows,
    speakers_in,
    windows_over,
    with_speakers,
)
from soundseam.schemas.speech import Turn, Word
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.speech.builders import a_clip, silence

ANNA = np.array([1.0, 0.0], np.float32)
BERT = np.array([0.0, 1.0], np.float32)


def a_window(start_ms: int, end_ms: int, *turns: tuple[str, int, int], **voices: np.ndarray) -> WindowTurns:
    spans = tuple(SpeakerSpan(speaker, TimeSpan(start, end)) for speaker, start, end in turns)
    return WindowTurns(TimeSpan(start_ms, end_ms), spans, voices)


def told(windows: list[WindowTurns]) -> list[tuple[str, int, int]]:
    return [(turn.speaker, *turn.span) for turn in join_windows(windows)]


@given(st.integers(1, 10**8), st.integers(60_000, 900_000), st.integers(5_000, 50_000))
def test_windows_cover_a_recording_and_share_what_they_should(duration: int, window: int, overlap: int) -> None:
    spans = windows_over(duration, window, overlap)
    assert (spans[0].start_ms, spans[-1].end_ms) == (0, duration)
    assert all(span.duration_ms <= window for span in spans)
    assert all(b.start_ms == a.end_ms - overlap for a, b in pairwise(spans))


def test_speakers_are_named_in_order_of_appearance() -> None:
    assert told([a_window(0, 10_000, ("x", 5_000, 6_000), ("y", 1_000, 2_000))]) == [
        ("S1", 1_000, 2_000),
        ("S2", 5_000, 6_000),
    ]


def test_a_speaker_is_known_again_by_speaking_at_the_same_time_in_both_windows() -> None:
    first = a_window(0, 60_000, ("x", 0, 9_000), ("y", 50_000, 58_000))
    second = a_window(45_000, 100_000, ("a", 50_000, 58_000), ("b", 70_000, 80_000))
    assert told([first, second]) == [("S1", 0, 9_000), ("S2", 50_000, 58_000), ("S3", 70_000, 80_000)]


def test_a_speaker_who_is_silent_in_the_shared_time_is_known_by_the_voice() -> None:
    first = a_window(0, 60_000, ("x", 0, 9_000), ("y", 10_000, 20_000), x=ANNA, y=BERT)
    second = a_window(45_000, 100_000, ("a", 70_000, 80_000), ("b", 90_000, 95_000), a=BERT, b=ANNA + 0.1 * BERT)
    assert told([first, second])[2:] == [("S2", 70_000, 80_000), ("S1", 90_000, 95_000)]


def test_two_speakers_of_one_window_are_never_one_before() -> None:
    first = a_window(0, 60_000, ("x", 0, 9_000), x=ANNA)
    second = a_window(45_000, 100_000, ("a", 70_000, 80_000), ("b", 90_000, 95_000), a=ANNA, b=ANNA)
    assert told([first, second]) == [("S1", 0, 9_000), ("S1", 70_000, 80_000), ("S2", 90_000, 95_000)]


def test_a_new_speaker_never_gets_the_label_of_one_who_has_left() -> None:
    """Without voices nobody is known again who is silent in the shared time."""
    windows = [
        a_window(0, 60_000, ("x", 0, 9_000), ("y", 10_000, 20_000)),
        a_window(50_000, 110_000, ("a", 70_000, 80_000)),
        a_window(100_000, 160_000, ("b", 120_000, 130_000)),
    ]
    assert [speaker for speaker, _, _ in told(windows)] == ["S1", "S2", "S3", "S4"]


def test_a_turn_over_the_seam_of_two_windows_is_one_turn() -> None:
    first = a_window(0, 60_000, ("x", 40_000, 60_000))
    second = a_window(50_000, 100_000, ("a", 50_000, 70_000))
    assert told([first, second]) == [("S1", 40_000, 70_000)]


def test_turns_are_clipped_to_a_segment_and_overlap_is_kept_and_marked() -> None:
    segment = a_clip(silence(5_000), start_ms=10_000).segment
    turns = [
        SpeakerSpan("S1", TimeSpan(8_000, 12_000)),
        SpeakerSpan("S2", TimeSpan(11_500, 13_000)),
        SpeakerSpan("S1", TimeSpan(14_000, 99_000)),
        SpeakerSpan("S3", TimeSpan(20_000, 21_000)),
    ]
    speakers = speakers_in(segment, turns)
    assert [(turn.speaker, turn.start_ms, turn.end_ms, turn.overlapped) for turn in speakers.turns] == [
        ("S1", 10_000, 12_000, True),
        ("S2", 11_500, 13_000, True),
        ("S1", 14_000, 15_000, False),
    ]
    assert (speakers.count, speakers.overlap_ms) == (2, 500)


@pytest.mark.parametrize(("start", "end", "speaker"), [(0, 100, "S1"), (180, 260, "S2"), (300, 310, None)])
def test_a_word_is_said_by_who_speaks_during_most_of_it(start: int, end: int, speaker: str | None) -> None:
    turns = [
        Turn(speaker="S1", start_ms=0, end_ms=200, overlapped=False),
        Turn(speaker="S2", start_ms=200, end_ms=290, overlapped=False),
    ]
    (word,) = with_speakers([Word(text="a", start_ms=start, end_ms=end, confidence=None)], turns)
    assert word.speaker == speaker

"""Events from frame scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.annotators.base import Samples
from soundseam.annotators.detection.activity import (
    Thresholds,
    Windowing,
    active_runs,
    events_of,
    join_masked,
    join_runs,
    runs_of,
    stitched_scores,
)
from soundseam.schemas.event import EventClass
from tests.annotators.detection.sounds import ArrayWaveform, noise

FRAME = 320
WINDOWING = Windowing(window_ms=1_000, step_ms=500, hop_ms=20, batch=3)


def loudness(windows: Samples) -> Samples:
    """A tagger that judges each frame alone."""
    return np.abs(windows.reshape(len(windows), -1, FRAME)).mean(axis=2, keepdims=True)


def with_bad_edges(windows: Samples) -> Samples:
    """A tagger that is off by 1 at the first and the last frame of its window and right in between."""
    scores = loudness(windows)
    scores[:, [0, -1]] += 1.0
    return scores


def whole(samples: Samples) -> Samples:
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    return np.abs(padded.reshape(-1, FRAME)).mean(axis=1)


@given(st.integers(1, 60_000), st.sampled_from([100, 500, 1_000]), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_tagger_of_single_frames_gives_what_it_gives_in_one_piece(length: int, step_ms: int, batch: int) -> None:
    samples = noise(4, -20)[:length]
    windowing = Windowing(window_ms=1_000, step_ms=step_ms, hop_ms=20, batch=batch)
    found = np.concatenate(list(stitched_scores(ArrayWaveform(samples), loudness, windowing)))
    np.testing.assert_allclose(found[:, 0], whole(samples), rtol=1e-5, atol=1e-6)


def test_errors_at_a_windows_edges_nearly_vanish_inside_the_recording() -> None:
    samples = noise(5, -20)
    found = np.concatenate(list(stitched_scores(ArrayWaveform(samples), with_bad_edges, WINDOWING)))
    assert np.abs(found[2:-50, 0] - whole(samples)[2:-50]).max() < 0.05


def test_an_empty_recording_has_no_scores() -> None:
    assert list(stitched_scores(ArrayWaveform(noise(0, -20)), loudness, WINDOWING)) == []


def test_a_tagger_with_another_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="frames per window"):
        list(stitched_scores(ArrayWaveform(noise(2, -20)), lambda windows: loudness(windows)[:, 1:], WINDOWING))


def test_frames_must_line_up_with_windows() -> None:
    with pytest.raises(ValidationError, match="must divide"):
        Windowing(window_ms=1_000, step_ms=510, hop_ms=20)


LIMITS = Thresholds(enter=0.6, stay=0.3, bridge_ms=40, shortest_ms=40)


def runs(*scores: float) -> list[list[int]]:
    return active_runs(np.array(scores, dtype=np.float16), 20, LIMITS).tolist()


def test_an_event_needs_one_high_frame_and_lasts_while_frames_stay() -> None:
    assert runs(0.1, 0.4, 0.7, 0.4, 0.1, 0.4, 0.4, 0.4) == [[1, 4]]


def test_a_short_pause_is_bridged_and_a_long_one_is_not() -> None:
    assert runs(0.9, 0.9, 0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0.0, 0.9, 0.9) == [[0, 6], [9, 11]]


def test_a_weak_stretch_does_not_carry_a_bridge() -> None:
    assert runs(0.9, 0.9, 0.0, 0.0, 0.4, 0.4, 0.0, 0.0, 0.9, 0.9) == [[0, 2], [8, 10]]


def test_a_blip_is_dropped() -> None:
    assert runs(0.0, 0.9, 0.0) == []


def test_no_frames_give_no_runs() -> None:
    assert runs() == []


@given(st.lists(st.booleans()))
def test_runs_are_the_true_frames(active: list[bool]) -> None:
    frames = np.zeros(len(active), dtype=bool)
    for first, stop in runs_of(np.array(active, dtype=bool)).tolist():
        frames[first:stop] = True
    assert frames.tolist() == active


@given(st.lists(st.booleans()), st.integers(0, 5))
def test_joined_runs_are_further_apart_than_the_pause(active: list[bool], pause: int) -> None:
    joined = join_runs(runs_of(np.array(active, dtype=bool)), pause)
    assert (joined[1:, 0] - joined[:-1, 1] > pause).all()


def test_an_event_ends_with_the_recording_and_scores_its_mean() -> None:
    scores = np.array([0.5, 1.0], dtype=np.float16)
    (found,) = events_of(scores, np.array([[0, 2]]), 20, 33, EventClass.MUSIC, "music")
    assert (found.onset_ms, found.offset_ms, found.score) == (0, 33, 0.75)


def pause_of_music(speech_db: float, music_db: float, speech_frames: int) -> int:
    """How many events two stretches of music make, with `speech_frames` of 100 frames of speech between them."""
    music = np.array([[0, 200], [300, 500]])
    speech = np.zeros(500, dtype=bool)
    speech[200 : 200 + speech_frames] = True
    level = np.where(np.arange(500) // 100 == 2, speech_db, music_db).astype(np.float16)
    return len(join_masked(music, speech, level, longest_pause=150))


def test_quiet_music_goes_on_under_louder_speech() -> None:
    assert pause_of_music(speech_db=-20, music_db=-40, speech_frames=100) == 1


def test_music_as_loud_as_the_speech_between_has_ended() -> None:
    assert pause_of_music(speech_db=-20, music_db=-22, speech_frames=100) == 2


def test_a_pause_that_nothing_covers_is_a_pause() -> None:
    assert pause_of_music(speech_db=-20, music_db=-40, speech_frames=20) == 2


def test_a_long_cover_hides_an_end() -> None:
    music = np.array([[0, 100], [300, 400]])
    speech = np.zeros(400, dtype=bool)
    speech[100:300] = True
    level = np.where(speech, -20.0, -45.0)
    assert len(join_masked(music, speech, level, longest_pause=150)) == 2


def test_levels_are_compared_however_late_in_a_recording() -> None:
    before = 40_000
    music = np.array([[0, before + 200], [before + 300, before + 500]])
    speech = np.zeros(before + 500, dtype=bool)
    speech[before + 200 : before + 300] = True
    level = np.where(speech, -20.0, -22.0).astype(np.float16)
    assert len(join_masked(music, speech, level, longest_pause=150)) == 2

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.annotators.speech.onnx_diarization import (
    OnnxDiarization,
    OnnxDiarizer,
    speech_regions,
    window_starts,
)
from soundseam.annotators.speech.turns import SpeakerSpan, in_order_of_appearance
from soundseam.annotators.speech.voice_clusters import (
    Clustering,
    LocalVoice,
    WindowVoices,
    assigned,
    clusters_of,
    joined,
    reunited,
    speaker_centres,
    voice_margin,
)
from soundseam.annotators.speech.voice_models import (
    EMBEDDING_FILE,
    EMBEDDING_SHA256,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    VoiceModels,
)
from soundseam.schemas.speech import Speakers
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.speech.builders import InMemory, a_clip, noise, read_sample, silence
from tests.support.members import load_or_skip

MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def diarizer() -> OnnxDiarizer:
    loaded = load_or_skip(OnnxDiarization(step_ms=5_000))
    assert isinstance(loaded, OnnxDiarizer)
    return loaded


def speakers_of(diarizer: OnnxDiarizer, samples: np.ndarray, *segments: tuple[int, int]) -> list[Speakers]:
    """Who speaks in `segments` (start, end in ms) of a recording, all of which are speech."""
    made = [a_clip(silence(end - start), (0, end - start), start_ms=start).segment for start, end in segments]
    found = [facts.speakers for facts in diarizer.annotate_recording(InMemory(samples), made)]
    return [speakers for speakers in found if speakers is not None]


def test_two_people_in_a_meeting_take_turns(diarizer: OnnxDiarizer) -> None:
    (speakers,) = speakers_of(diarizer, read_sample("meeting.flac"), (6_000, 28_000))
    assert speakers.count == 2
    assert speakers.scope == "recording"
    assert speakers.sure
    assert len(speakers.turns) > 3


def test_one_voice_keeps_its_label_over_a_long_silence_and_another_gets_its_own(diarizer: OnnxDiarizer) -> None:
    menu, meeting = read_sample(MENU)[:128_000], read_sample("meeting.flac")[14_500 * 16 : 22_000 * 16]
    samples = np.concatenate([menu, silence(20_000), meeting, silence(20_000), menu])
    before, between, after = speakers_of(diarizer, samples, (0, 8_000), (28_000, 35_500), (55_500, 63_500))
    assert {turn.speaker for turn in before.turns} == {turn.speaker for turn in after.turns} == {"S1"}
    assert max(between.turns, key=lambda turn: turn.end_ms - turn.start_ms).speaker != "S1"


def test_one_clear_voice_is_sure_and_nobody_is_not(diarizer: OnnxDiarizer) -> None:
    (alone,) = speakers_of(diarizer, read_sample(MENU), (0, 12_000))
    assert (alone.count, alone.sure) == (1, True)
    assert alone.doubt is not None
    assert alone.doubt < 0.05
    (nobody,) = speakers_of(diarizer, noise(6_000, -40), (0, 6_000))
    assert (nobody.count, nobody.sure, nobody.doubt) == (0, False, 1.0)


def test_turns_lie_inside_their_segment_and_windows_are_all_that_is_read(diarizer: OnnxDiarizer) -> None:
    recording = InMemory(read_sample(MENU))
    segments = [a_clip(silence(6_000), (0, 6_000), start_ms=start).segment for start in (2_000, 12_000)]
    for segment, facts in zip(segments, diarizer.annotate_recording(recording, segments), strict=True):
        assert facts.speakers is not None
        assert facts.speakers.turns
        assert all(segment.start_ms <= turn.start_ms < turn.end_ms <= segment.end_ms for turn in facts.speakers.turns)
    assert recording.longest <= WINDOW_SAMPLES


def test_a_clip_alone_has_labels_of_its_own(diarizer: OnnxDiarizer) -> None:
    clip = a_clip(read_sample(MENU)[:64_000], (0, 4_000), start_ms=90_000)
    (facts,) = diarizer.annotate([clip])
    assert facts.speakers is not None
    assert facts.speakers.scope == "segment"
    assert facts.speakers.turns
    assert all(90_000 <= turn.start_ms < turn.end_ms <= 94_000 for turn in facts.speakers.turns)


def test_only_speech_is_listened_to_over_short_pauses() -> None:
    segments = [
        a_clip(silence(20_000), (1_000, 3_000), (7_000, 9_000), (19_000, 20_000)).segment,
        replace(a_clip(silence(4_000), start_ms=20_000)).segment,
    ]
    assert speech_regions(segments) == (TimeSpan(0, 10_000), TimeSpan(18_000, 21_000))


def test_turns_with_a_short_pause_between_them_are_one() -> None:
    turns = [
        SpeakerSpan(name, TimeSpan(*span)) for name, span in [("b", (900, 950)), ("a", (0, 400)), ("a", (700, 800))]
    ]
    assert in_order_of_appearance(turns, max_gap_ms=300) == (
        SpeakerSpan("S1", TimeSpan(0, 800)),
        SpeakerSpan("S2", TimeSpan(900, 950)),
    )
    assert len(in_order_of_appearance(turns, max_gap_ms=299)) == 3


@given(st.integers(0, 5_000), st.integers(1, 5_000), st.integers(0, 6_000), st.sampled_from([50, 125, 500]))
def test_windows_cover_a_region_and_lie_in_the_recording(first: int, length: int, total: int, step: int) -> None:
    starts = list(window_starts(first, first + length, total, step))
    wanted = set(range(min(first, total), min(first + length, total)))
    covered = {frame for start in starts for frame in range(start, start + WINDOW_FRAMES)}
    assert wanted <= covered
    assert all(0 <= start <= max(0, total - WINDOW_FRAMES) for start in starts)


@given(st.integers(0, 1_000))
def test_clusters_are_at_most_as_far_apart_inside_as_allowed_and_further_outside(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    voices = [(window, LocalVoice(0, point.astype(np.float32), 100, 0)) for window, point in enumerate(points)]
    found = joined(clusters_of(voices), max_distance=0.5, enough=1)
    assert found.sizes.sum() == 12
    assert found.alone_ms.sum() == pytest.approx(1_200)
    between = 1 - found.sums @ found.sums.T / np.outer(found.sizes, found.sizes)
    assert (between[~np.eye(len(found.sizes), dtype=bool)] > 0.5).all()


@pytest.mark.parametrize(
    ("second", "alone_ms", "speakers"), [((0, 1), 1_000, 2), ((0, 0), 1_000, 1), ((1, 1), 1_000, 1), ((0, 1), 900, 1)]
)
def test_similar_voices_are_two_speakers_if_one_window_separates_them(
    second: tuple[int, int], alone_ms: int, speakers: int
) -> None:
    similar = [np.array(vector, np.float32) for vector in [(1.0, 0.0), (0.8, 0.6)]]
    voices = [
        (window, LocalVoice(0, vector, alone_ms, source))
        for (window, source), vector in zip([(0, 0), second], similar, strict=True)
    ]
    assert len(joined(clusters_of(voices), max_distance=0.45, enough=1).sizes) == speakers


def test_no_two_voices_of_a_window_are_one_speaker() -> None:
    centres = np.array([[1.0, 0.0], [0.0, 1.0]])
    voices = [
        LocalVoice(column, np.array(vector, np.float32), 1_000, column)
        for column, vector in [(0, (0.9, 0.1)), (2, (1, 0))]
    ]
    assert sorted(assigned(voices, centres)) == [(0, 1), (2, 0)]


def test_parts_of_one_speaker_are_one_again_if_the_recording_has_one_voice_for_them() -> None:
    vectors = [(1.0, 0.0), (0.8, 0.6), (0.0, 1.0)]
    voices = tuple(
        LocalVoice(column, np.array(vector, np.float32), 1_000, source)
        for (column, vector), source in zip(enumerate(vectors), (0, 0, 1), strict=True)
    )
    active = np.repeat(np.eye(3, dtype=np.bool_), 50, axis=0)
    window = WindowVoices(0, active, voices, np.zeros(150, np.float16))
    one = reunited(window, np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert [voice.alone_ms for voice in one.voices] == [2_000, 1_000]
    assert sorted(assigned(one.voices, np.eye(2))) == [(0, 0), (2, 1)]
    assert one.active.sum(axis=0).tolist() == [100, 0, 50]
    two = reunited(window, np.array([[1.0, 0.0], [0.6, 0.8]]))
    assert len(two.voices) == 3


@pytest.mark.parametrize(
    ("second", "alone_ms", "margin"),
    [((0.0, 1.0), 1_000, 1.0), ((0.6, 0.8), 1_000, 0.2), ((0.6, 0.8), 500, 1.0), ((1.0, 0.0), 1_000, -1.0)],
)
def test_the_margin_is_that_of_the_least_clear_voice(second: tuple[float, float], alone_ms: int, margin: float) -> None:
    voices = tuple(
        LocalVoice(column, np.array(vector, np.float32), each_ms, column)
        for column, (vector, each_ms) in enumerate([((1.0, 0.0), 1_000), (second, alone_ms)])
    )
    window = WindowVoices(0, np.ones((100, 2), np.bool_), voices, np.zeros(100, np.float16))
    assert voice_margin([window], np.eye(2), 0, 100, 600) == pytest.approx(margin)
    assert voice_margin([window], np.eye(2), 90, 100, 600) == 1.0


class OneSpeaker:
    """A segmentation model that takes whatever sounds in a window for one speaker."""

    def run(self, names: object, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        middles = 495 + 270 * np.arange(589)
        loud = np.abs(inputs["samples"][0, 0])[middles[:, None] + np.arange(-200, 200)].max(axis=1) > 0.001
        scores = np.full((1, 589, 7), -20.0, np.float32)
        scores[0, np.arange(589), loud.astype(int)] = 0.0
        return [scores]


@pytest.mark.parametrize(("second", "voices"), [("meeting.flac", 2), (MENU, 1)])
def test_two_voices_that_the_segmentation_takes_for_one_are_told_apart(second: str, voices: int) -> None:
    embedding = open_session(carried_weights(EMBEDDING_FILE, "speech"), EMBEDDING_SHA256)
    first = read_sample(MENU)[: 4_000 * 16]
    other = read_sample(second)[14_500 * 16 : 18_500 * 16]
    window = VoiceModels(OneSpeaker(), embedding).analyse(np.concatenate([first, silence(600), other]), 50)
    assert len(window.voices) == voices
    assert sorted(voice.column for voice in window.voices)[-1] < window.active.shape[1]
    assert window.active.sum(axis=1).max() == 1
    if voices == 2:
        of_first = window.active[:200].sum(axis=0)
        assert sorted(of_first > 0.9 * of_first.sum()).count(True) == 1


def windows_of(seconds: int, rare_ms: int) -> list[WindowVoices]:
    """One voice for `seconds`, 8 s of it alone in each window, and once another one for `rare_ms`."""
    often, rare = np.eye(2, dtype=np.float32)
    voices = [(LocalVoice(0, often, 8_000, 0),) for _ in range(seconds // 8)] + [(LocalVoice(0, rare, rare_ms, 0),)]
    active, doubt = np.ones((WINDOW_FRAMES, 1), np.bool_), np.zeros(WINDOW_FRAMES, np.float16)
    return [WindowVoices(125 * index, active, voice, doubt) for index, voice in enumerate(voices)]


@pytest.mark.parametrize(("seconds", "rare_ms", "speakers"), [(160, 4_000, 1), (160, 7_000, 2), (40, 4_000, 2)])
def test_a_voice_heard_once_in_much_speech_is_a_fragment(seconds: int, rare_ms: int, speakers: int) -> None:
    assert len(speaker_centres(windows_of(seconds, rare_ms), Clustering(0.45, 1_000, 800, 6_000))) == speakers

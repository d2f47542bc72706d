"""Sounds that the detection stage found get names, no narrower than can be defended."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.detection.yamnet import WINDOW_FRAMES, open_yamnet, yamnet_labels
from soundseam.annotators.general.naming import KIND_LABELS, Namer, candidates
from soundseam.annotators.general.sound_names import MAX_WINDOWS, SoundNamer, SoundNames, window_starts
from soundseam.annotators.grammar.sound_names import broader_labels
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.general.builders import RATE_HZ, clip, event, silence, tone
from tests.samples.audio import SAMPLES

NAMER = SoundNamer(open_yamnet(), Namer(sure=0.7))


def named(name: str, event_class: EventClass = EventClass.SOURCE_AMBIGUOUS) -> tuple[Event, ...]:
    """What a sample, one sound as a whole, is called."""
    samples, rate_hz = soundfile.read(SAMPLES / "recordings" / name, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ)
    whole = event("sound", 0, len(mono) * 1000 // RATE_HZ, event_class)
    (facts,) = NAMER.annotate([clip(mono, [whole])])
    assert facts.tagged is not None
    return facts.tagged


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("sound-trash.wav", {"Crumpling, crinkling", "Friction"}),
        ("sound-alarm-clock.flac", {"Alarm", "Signal", "Beep, bleep", "Smoke detector, smoke alarm", "Buzzer"}),
    ],
)
def test_real_sounds_are_named_rightly_or_not_at_all(name: str, labels: set[str]) -> None:
    assert {found.label for found in named(name)} <= labels


def test_speech_and_music_keep_their_own_names() -> None:
    assert named("sound-trash.wav", EventClass.MUSIC) == named("sound-trash.wav", EventClass.SPEECH) == ()


def test_speech_is_given_no_name_of_a_sound() -> None:
    assert named("speech-circuits-busy.wav") == ()


def test_a_segment_without_sounds_has_no_names() -> None:
    (facts,) = NAMER.annotate([clip(silence(2.0))])
    assert facts.tagged == ()


def test_names_have_the_times_of_their_events() -> None:
    sound = np.concatenate((silence(1.0), tone(3_000, 1.0), silence(1.0)))
    (facts,) = SoundNamer(open_yamnet(), Namer(sure=0.0)).annotate(
        [clip(sound, [event("sound", 11_000, 12_000)], start_ms=10_000)]
    )
    assert [(found.onset_ms, found.offset_ms) for found in facts.tagged or ()] in ([], [(11_000, 12_000)])


@given(st.integers(0, 20_000), st.integers(20, 20_000), st.integers(WINDOW_FRAMES, 2_500))
def test_windows_lie_in_the_segment_and_are_few(start_ms: int, length_ms: int, num_frames: int) -> None:
    starts = window_starts(TimeSpan(start_ms, start_ms + length_ms), num_frames)
    assert 1 <= len(starts) <= MAX_WINDOWS
    assert starts == sorted(set(starts))
    assert all(0 <= start <= num_frames - WINDOW_FRAMES for start in starts)


def test_a_short_event_is_judged_by_the_window_around_it() -> None:
    assert window_starts(TimeSpan(5_000, 5_300), 1_000) == [(500 + 530 - WINDOW_FRAMES) // 2]


def scored(**scores: float) -> np.ndarray:
    given_scores = np.full(len(yamnet_labels()), 0.01, dtype=np.float32)
    for label, score in scores.items():
        given_scores[yamnet_labels().index(label)] = score
    return given_scores


def surely(kind: str) -> np.ndarray:
    return np.array([0.9 if one == kind else 0.1 / (len(KIND_LABELS) - 1) for one in KIND_LABELS], dtype=np.float32)


def narrowest(scores: np.ndarray, kind: str) -> str | None:
    sure = [name for name in candidates(scores, surely(kind)) if name.confidence >= 0.7]
    return max(sure, key=lambda name: len(broader_labels(name.label))).label if sure else None


def test_a_sure_class_is_named_by_itself() -> None:
    assert narrowest(scored(Animal=0.95, Bird=0.95, Crow=0.93, Caw=0.9), "animal") == "Caw"


def test_two_birds_that_may_be_either_are_a_bird() -> None:
    assert narrowest(scored(Animal=0.95, Bird=0.95, Crow=0.8, Owl=0.75), "animal") == "Bird"


def test_an_unsure_class_is_called_by_the_broader_word() -> None:
    assert narrowest(scored(Animal=0.8, Bird=0.4), "animal") == "Animal"


def test_a_siren_of_which_the_net_says_animal_is_no_siren() -> None:
    assert narrowest(scored(Siren=0.97, Alarm=0.97), "animal") in (None, "Animal")


@pytest.mark.parametrize("kind", ["music", "speech"])
def test_nothing_is_named_that_may_be_music_or_speech(kind: str) -> None:
    assert candidates(scored(Animal=0.99, Music=0.99), surely(kind)) == []


def test_the_revision_changes_with_the_weights() -> None:
    assert SoundNames().revision != SoundNames().model

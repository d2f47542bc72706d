from __future__ import annotations

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError
from soundseam.annotators.music.mir import Mir
from soundseam.schemas.event import EventClass, ProfileEntry
from soundseam.schemas.music import Dynamics, MusicFacts, Timbre
from tests.annotators.music.builders import RATE_HZ, chord, clicks, clip, noise, note, silence


def facts_of(samples: np.ndarray) -> MusicFacts:
    return Mir().load().annotate([clip(samples)])[0]


def dynamics_of(samples: np.ndarray) -> Dynamics:
    dynamics = facts_of(samples).dynamics
    assert dynamics is not None
    return dynamics


def timbre_of(samples: np.ndarray) -> Timbre:
    timbre = facts_of(samples).timbre
    assert timbre is not None
    return timbre


def sine(frequency_hz: float, seconds: float, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def test_a_full_scale_sine_of_997_hz_has_minus_3_lufs() -> None:
    # ITU-R BS.1770-4, the calibration tone of one channel.
    assert dynamics_of(sine(997, 5, 1.0)).loudness_lufs == pytest.approx(-3.01, abs=0.1)


def test_half_the_amplitude_is_6_db_less_loud() -> None:
    loud, soft = dynamics_of(noise(5, 0.2)).loudness_lufs, dynamics_of(noise(5, 0.1)).loudness_lufs
    assert loud is not None
    assert soft == pytest.approx(loud - 6.02, abs=0.05)


@pytest.mark.parametrize("samples", [silence(5), sine(440, 0.3)], ids=["silence", "300 ms"])
def test_silence_and_a_moment_have_no_loudness(samples: np.ndarray) -> None:
    assert dynamics_of(samples).loudness_lufs is None


def test_a_crescendo_has_a_rising_trend() -> None:
    trend = dynamics_of(noise(9) * np.linspace(0.05, 1, 9 * RATE_HZ)).trend_db
    assert trend is not None
    assert trend > 10


def test_loud_and_soft_halves_have_a_wide_range_and_steady_noise_a_narrow_one() -> None:
    wide = dynamics_of(np.concatenate([noise(5, 0.2), noise(5, 0.02)])).loudness_range_db
    assert wide == pytest.approx(20, abs=1)
    narrow = dynamics_of(noise(10)).loudness_range_db
    assert narrow == pytest.approx(0, abs=0.5)


def test_under_three_seconds_there_is_no_range_and_no_trend() -> None:
    dynamics = dynamics_of(noise(2.5))
    assert (dynamics.loudness_range_db, dynamics.trend_db) == (None, None)


def test_strokes_are_percussive_and_chords_are_not() -> None:
    assert timbre_of(clicks(np.arange(0.2, 9.9, 0.5), 10)).percussive_share > 0.9
    assert timbre_of(np.concatenate([chord([48, 60, 64, 67], 2)] * 5)).percussive_share < 0.2


def test_brightness_is_the_frequency_of_a_sine() -> None:
    assert timbre_of(sine(2_000, 5)).brightness_hz == pytest.approx(2_000, rel=0.02)


def test_the_share_of_singing_comes_from_the_profile() -> None:
    profile = [
        ProfileEntry(event_class=EventClass.MUSIC, share=1.0, strength=0.9),
        ProfileEntry(event_class=EventClass.SINGING, share=0.4, strength=0.8),
    ]
    assert Mir().load().annotate([clip(noise(1), profile=profile)])[0].voice_share == 0.4


def test_clips_are_answered_in_order_and_alone_as_in_a_batch() -> None:
    clips = [clip(noise(2)), clip(np.concatenate([note(60, 1)] * 4)), clip(silence(1))]
    annotator = Mir().load()
    together = annotator.annotate(clips)
    assert list(together) == [annotator.annotate([one])[0] for one in clips]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [(silence(0), "empty_clip"), (np.array([0.1, np.nan]), "not_finite"), (np.array([np.inf]), "not_finite")],
)
def test_audio_that_cannot_be_measured_is_an_annotation_error(samples: np.ndarray, reason: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        facts_of(samples)
    assert caught.value.reason == reason


class NeedsTheImpossible(Mir):
    requires = ("no_such_module_anywhere",)


def test_a_missing_package_is_named_with_its_remedy() -> None:
    with pytest.raises(BackendUnavailableError, match="no_such_module_anywhere: pip install pyloudnorm"):
        NeedsTheImpossible().load()

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.general.acoustics import SegmentAcoustics, measure_acoustics, sound_spectra, tonal_share
from soundseam.schemas.general import Acoustics
from tests.annotators.general.builders import clip, noise, ringing, silence, tone


def measure(samples: np.ndarray) -> Acoustics:
    return measure_acoustics(samples.astype(np.float32))


def test_a_sine_has_the_level_of_its_rms_and_the_peak_of_its_amplitude() -> None:
    acoustics = measure(tone(440, 2, amplitude=0.5))
    assert acoustics.level_dbfs == pytest.approx(-9.03, abs=0.05)
    assert acoustics.peak_dbfs == pytest.approx(-6.02, abs=0.05)


def test_silence_has_no_level_and_is_silent_all_the_time() -> None:
    acoustics = measure(silence(2))
    assert acoustics.silence_share == 1.0
    assert acoustics.model_dump(exclude={"silence_share"}) == dict.fromkeys(
        Acoustics.model_fields.keys() - {"silence_share"}
    )


def test_a_constant_offset_counts_as_silence() -> None:
    assert measure(np.full(32_000, 0.5)) == measure(silence(2))


def test_an_offset_changes_no_level() -> None:
    assert measure(noise(2) + 0.2).level_dbfs == measure(noise(2)).level_dbfs


def test_half_a_clip_of_silence_is_half_silent() -> None:
    assert measure(np.concatenate([noise(2), silence(2)])).silence_share == pytest.approx(0.5, abs=0.02)


def test_steady_noise_is_not_taken_for_its_own_floor() -> None:
    assert measure(noise(4)).silence_share == 0.0


def test_quiet_noise_between_loud_bursts_counts_as_silence() -> None:
    samples = np.concatenate([noise(1, 0.2), noise(3, 0.004)])
    assert measure(samples).silence_share == pytest.approx(0.75, abs=0.05)


def test_dynamic_range_is_the_distance_between_loud_and_quiet() -> None:
    samples = np.concatenate([noise(2, 0.1), noise(2, 0.01)])
    assert measure(samples).dynamic_range_db == pytest.approx(20, abs=1.5)


def test_bandwidth_ends_where_the_sound_ends() -> None:
    spectrum = np.fft.rfft(noise(4))
    spectrum[(3_000 * 4) :] = 0
    assert measure(np.fft.irfft(spectrum)).bandwidth_hz == pytest.approx(3_000, abs=150)


def test_white_noise_fills_the_whole_band() -> None:
    assert (measure(noise(2)).bandwidth_hz or 0) > 7_500


def test_steady_noise_is_more_stationary_than_speech_like_bursts_and_a_siren_less_than_a_hum() -> None:
    bursts = np.concatenate([np.concatenate([noise(0.2, 0.2, seed), silence(0.2)]) for seed in range(10)])
    times = np.arange(64_000) / 16_000
    siren = 0.3 * np.sin(2 * np.pi * (600 * times + 250 * np.cos(2 * times)))
    steady, jumpy = measure(noise(4)).stationarity, measure(bursts).stationarity
    hum, wailing = measure(tone(100, 4)).stationarity, measure(siren).stationarity
    assert steady is not None
    assert jumpy is not None
    assert hum is not None
    assert wailing is not None
    assert steady > 0.9 > jumpy
    assert hum > 0.9 > wailing


@pytest.mark.parametrize("decay_s", [0.4, 0.8, 1.5])
def test_decay_time_is_that_of_the_free_decays(decay_s: float) -> None:
    strokes = np.concatenate([ringing(1.5, decay_s, seed) for seed in range(4)])
    assert measure(strokes).decay_time_ms == pytest.approx(1000 * decay_s, rel=0.15)


def test_steady_sound_has_no_decay_time() -> None:
    assert measure(noise(4)).decay_time_ms is None


def test_one_decay_alone_is_not_enough_to_tell() -> None:
    assert measure(ringing(2, 0.5)).decay_time_ms is None


def test_a_clip_of_50_ms_has_a_level_but_no_dynamics() -> None:
    acoustics = measure(tone(440, 0.05))
    assert acoustics.level_dbfs is not None
    assert acoustics.dynamic_range_db is None
    assert acoustics.stationarity is None


def test_a_single_click_in_silence_is_heard_as_its_peak() -> None:
    samples = silence(2)
    samples[16_000] = 0.5
    acoustics = measure(samples)
    assert acoustics.peak_dbfs == pytest.approx(-6.02, abs=0.05)
    assert acoustics.silence_share > 0.9


def test_clipped_audio_has_a_peak_at_full_scale() -> None:
    assert measure(np.clip(tone(200, 1, amplitude=5.0), -1, 1)).peak_dbfs == pytest.approx(0.0, abs=0.05)


def test_a_clip_without_samples_is_an_annotation_error() -> None:
    with pytest.raises(AnnotationError, match="no samples"):
        measure(silence(0))


def test_a_clip_with_nan_is_an_annotation_error() -> None:
    with pytest.raises(AnnotationError, match="NaN"):
        measure(np.array([0.1, np.nan]))


def test_clips_are_answered_in_order() -> None:
    loud, quiet = clip(noise(1, 0.3)), clip(noise(1, 0.01))
    answers = SegmentAcoustics().load().annotate([loud, quiet, loud])
    levels = [answer.acoustics.level_dbfs for answer in answers if answer.acoustics is not None]
    assert levels[0] == levels[2] > levels[1]


@given(st.integers(1, 6_000), st.floats(0.001, 1.0), st.integers(0, 5))
def test_any_noise_of_any_length_is_measured_within_the_records_ranges(
    length: int, amplitude: float, seed: int
) -> None:
    samples = np.random.default_rng(seed).uniform(-amplitude, amplitude, length).astype(np.float32)
    acoustics = measure_acoustics(samples)
    if acoustics.level_dbfs is not None and acoustics.peak_dbfs is not None:
        assert acoustics.level_dbfs <= acoustics.peak_dbfs + 0.01


@given(st.integers(0, 5), st.floats(0.1, 0.5))
def test_gain_moves_the_level_and_leaves_the_character(seed: int, gain: float) -> None:
    samples = noise(1.5, 0.1, seed)
    plain, quieter = measure(samples), measure(samples * gain)
    assert quieter.level_dbfs == pytest.approx((plain.level_dbfs or 0) + 20 * np.log10(gain), abs=0.02)
    assert quieter.dynamic_range_db == pytest.approx(plain.dynamic_range_db, abs=0.02)
    assert quieter.bandwidth_hz == plain.bandwidth_hz


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_the_hum_of_mains_is_tonal(mains_hz: int) -> None:
    hum = sum(tone(mains_hz * partial, 3) / partial for partial in (1, 2, 3, 5))
    assert tonal_share(sound_spectra(hum.astype(np.float32))) > 0.9

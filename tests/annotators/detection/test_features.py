"""The spectrogram and its noise floor."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.detection.features import FLOOR_REACH, HOP_SAMPLES, MELS, MelStream, contrast, mel_filters
from tests.annotators.detection.sounds import beeps, mixed, noise

SOUND = noise(3, -40) + mixed(3, (1, beeps(1, -20)))


def spectrogram(samples: np.ndarray) -> np.ndarray:
    return MelStream().push(samples)


@given(st.lists(st.integers(0, 48_000), max_size=6))
@settings(max_examples=40, deadline=None)
def test_frames_do_not_depend_on_how_the_stream_is_cut_up(cuts: list[int]) -> None:
    stream = MelStream()
    parts = [stream.push(part) for part in np.split(SOUND, sorted(cuts))]
    np.testing.assert_allclose(np.concatenate(parts), spectrogram(SOUND), atol=1e-4)


def test_every_band_hears_something() -> None:
    assert mel_filters().shape == (257, MELS)
    assert (mel_filters().sum(axis=0) > 0.5).all()


def test_a_full_scale_tone_has_a_power_near_one_in_its_band() -> None:
    t = np.arange(16_000) / 16_000
    loudest = spectrogram(np.sin(2 * np.pi * 1_000 * t).astype(np.float32))[10:-10].max(axis=1)
    assert np.abs(loudest).max() < 0.5


def test_the_end_repeats_the_last_whole_frame() -> None:
    stream = MelStream()
    frames = stream.push(SOUND[:16_000])
    np.testing.assert_array_equal(stream.finish(3), np.repeat(frames[-1:], 3, axis=0))
    assert MelStream().finish(2).shape == (2, MELS)


def test_steady_noise_stands_little_out_of_its_floor_even_at_the_ends() -> None:
    stream = MelStream()
    mel = np.concatenate((stream.push(noise(30, -30)), stream.finish(3)))
    assert contrast(mel).mean(axis=1).max() < 1.2


def test_a_sound_stands_out_by_its_level_over_the_noise() -> None:
    above = contrast(spectrogram(noise(20, -60) + mixed(20, (10, beeps(1, -20)))))
    during = slice(10 * 16_000 // HOP_SAMPLES, 11 * 16_000 // HOP_SAMPLES)
    assert above[during].max() > 3.5


def test_contrast_depends_on_no_frame_beyond_its_reach() -> None:
    mel = spectrogram(noise(30, -40))
    changed = mel.copy()
    changed[1_500:] = -9.0
    kept = 1_500 - FLOOR_REACH
    np.testing.assert_array_equal(contrast(mel)[:kept], contrast(changed)[:kept])

"""YAMNet's carried weights and its own spectrogram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.detection.yamnet import (
    NUM_CLASSES,
    WINDOW_FRAMES,
    open_yamnet,
    spectrogram_windows,
    window_scores,
    yamnet_labels,
    yamnet_scores,
    yamnet_spectrogram,
)
from tests.annotators.detection.sounds import noise, tune

RECORDINGS = Path(__file__).parents[3] / "samples" / "recordings"
SESSION = open_yamnet()


def surest(samples: np.ndarray) -> str:
    scores = yamnet_scores(samples, SESSION, WINDOW_FRAMES // 2).max(axis=0)
    return yamnet_labels()[int(scores.argmax())]


def test_every_score_has_a_name() -> None:
    assert len(set(yamnet_labels())) == NUM_CLASSES
    assert yamnet_scores(noise(1, -30), SESSION, 96).shape == (1, NUM_CLASSES)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("speech-circuits-busy.wav", "Speech"),
        ("sound-chime.flac", "Ding"),
        ("sound-trash.wav", "Crumpling, crinkling"),
    ],
)
def test_real_sounds_get_their_names(name: str, label: str) -> None:
    samples, rate_hz = soundfile.read(RECORDINGS / name, dtype="float32", always_2d=True)
    assert surest(soxr.resample(samples.mean(axis=1), rate_hz, 16_000)) == label


def test_silence_is_called_silence() -> None:
    assert surest(np.zeros(16_000, dtype=np.float32)) == "Silence"


@given(st.integers(1, 40_000), st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_windows_start_a_hop_apart_and_end_inside_the_sound(num_samples: int, hop_frames: int) -> None:
    spectrogram = yamnet_spectrogram(np.zeros(num_samples, dtype=np.float32))
    frames = max(WINDOW_FRAMES, 1 + (num_samples - 400) // 160)
    assert spectrogram.shape == (frames, 64)
    assert spectrogram_windows(spectrogram, hop_frames).shape == (1 + (frames - WINDOW_FRAMES) // hop_frames, 96, 64)


def test_a_window_scores_the_same_alone_and_in_a_batch() -> None:
    windows = spectrogram_windows(yamnet_spectrogram(tune(4, -20) + noise(4, -40)), 10)
    together = window_scores(windows, SESSION)
    alone = np.concatenate([window_scores(windows[index : index + 1], SESSION) for index in range(len(windows))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_spectrogram_of_a_tone_peaks_in_the_tones_band() -> None:
    seconds = np.arange(32_000) / 16_000
    bands = [
        int(yamnet_spectrogram(np.sin(2 * np.pi * hertz * seconds).astype(np.float32))[50].argmax())
        for hertz in (200, 1_000, 4_000, 7_000)
    ]
    # 64 bands between 125 and 7500 Hz, evenly spaced on HTK's mel scale of 2595 log10(1 + f / 700): the tones lie 2.46,
    # 20.45, 49.2 and 63.2 steps above its lower end, and band k is centred k + 1 steps above it.
    assert bands == [1, 19, 48, 62]


def test_a_hop_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        yamnet_scores(noise(1, -30), SESSION, 0)

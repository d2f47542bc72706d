"""Histograms, waveforms and spectrograms tell the truth, also of nothing."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.pipeline.report.picture import BANDS, PEAKS, peaks_of, spectrogram_png
from soundseam.pipeline.report.totals import MAX_BINS, Histogram


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    """(height, width) indices into the palette."""
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT") + 4
    length = int.from_bytes(png[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8).reshape(height, width + 1)
    return rows[:, 1:]


@given(st.lists(st.floats(-1000, 1000) | st.none() | st.just(float("nan")), max_size=300))
def test_a_histogram_counts_every_number_once(values: list[float | None]) -> None:
    histogram = Histogram("t", "n", "dB", 0.5, -100, 100)
    for value in values:
        histogram.add(value)
    numbers = [value for value in values if value is not None and value == value]  # noqa: PLR0124
    view = histogram.view()
    assert sum(view.counts) == view.total == len(numbers)
    assert len(view.counts) <= MAX_BINS + 1
    if numbers:
        clamped = np.clip(numbers, -100, 99.9)
        assert view.median == pytest.approx(sorted(numbers)[(len(numbers) - 1) // 2], abs=0.001)
        assert view.start <= min(clamped)
        assert view.start + view.step * len(view.counts) >= max(clamped)


def test_a_waveform_is_its_lowest_and_highest_samples() -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8_000:] = 0.5
    samples[8_005] = -1.0
    pairs = np.frombuffer(base64.b64decode(peaks_of(samples)), np.int8).reshape(-1, 2)
    assert pairs.shape == (PEAKS, 2)
    assert pairs[: PEAKS // 2].tolist() == [[0, 0]] * (PEAKS // 2)
    assert pairs[PEAKS // 2 :, 1].min() == 64
    assert pairs[:, 0].min() == -127


@pytest.mark.parametrize("frequency_hz", [200, 1000, 6000])
def test_a_tone_is_a_line_at_its_height(frequency_hz: int) -> None:
    t = np.arange(32_000) / 16_000
    picture = pixels_of(spectrogram_png(np.sin(2 * np.pi * frequency_hz * t).astype(np.float32), 16_000))
    mel = 2595 * np.log10(1 + frequency_hz / 700) / (2595 * np.log10(1 + 8000 / 700))
    assert picture.shape[0] == BANDS
    assert abs((BANDS - picture.argmax(axis=0)[50]) / BANDS - mel) < 0.03
    assert np.median(picture) < 20


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), np.zeros(1, np.float32), np.ones(100, np.float32), np.zeros(16_000, np.float32)],
)
def test_the_least_and_the_most_silent_sounds_have_pictures(samples: Samples) -> None:
    assert pixels_of(spectrogram_png(samples, 16_000)).shape[0] == BANDS
    assert len(base64.b64decode(peaks_of(samples))) == 2 * min(PEAKS, len(samples))


def test_a_long_sound_has_no_wider_a_picture() -> None:
    assert pixels_of(spectrogram_png(np.zeros(16_000 * 600, np.float32), 16_000)).shape[1] <= 900

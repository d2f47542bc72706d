"""One short-time Fourier transform for every measure and every model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.spectra import frames_of, hann, level_hann, magnitude_spectra, mel_filters, power_spectra
from soundseam.pipeline.dedup.fingerprint import BINS, FFT, FIRST_BIN, HOP, peaks_of_blocks


@given(st.integers(0, 3000), st.sampled_from([64, 400, 512]), st.integers(1, 300))
def test_frames_are_those_that_lie_whole_in_the_samples(count: int, length: int, hop: int) -> None:
    samples = np.arange(count, dtype=np.float32)
    expected = [samples[start : start + length].tolist() for start in range(0, count - length + 1, hop)]
    assert frames_of(samples, length, hop).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("length", "size"), [(400, 512), (2048, 2048), (8192, 8192)])
def test_powers_are_those_of_a_transform_of_each_frame(dtype: type[np.floating], length: int, size: int) -> None:
    samples = np.random.default_rng(0).standard_normal(length + 300 * 50).astype(dtype)
    frames, window = frames_of(samples, length, 50), hann(length)
    exact = np.abs(np.fft.rfft(frames.astype(np.float64) * window, size)) ** 2
    powers = power_spectra(frames, window, size)
    assert powers.dtype == dtype
    assert np.abs(powers - exact).max() <= 1e-6 * exact.max()
    assert np.array_equal(power_spectra(frames, window, size, slice(3, 40)), powers[:, 3:40])
    assert np.array_equal(power_spectra(frames[None], window, size)[0], powers)
    assert np.array_equal(magnitude_spectra(frames, window, size), np.sqrt(powers))


def test_a_full_scale_sine_has_a_magnitude_of_one() -> None:
    sine = np.sin(2 * np.pi * 16 / 512 * np.arange(4096)).astype(np.float32)
    magnitudes = magnitude_spectra(frames_of(sine, 512, 256), level_hann(512))
    assert np.allclose(magnitudes.max(axis=1), 1, atol=1e-5)
    assert set(magnitudes.argmax(axis=1)) == {16}


def test_mel_filters_meet_at_their_halves() -> None:
    filters = mel_filters(64, 125.0, 7500.0, 512, 16_000)
    assert filters.shape == (257, 64)
    inner = filters[8:230].sum(axis=1)
    assert np.allclose(inner, 1, atol=1e-5)
    assert not filters[:4].any()
    assert not filters[-16:].any()


def test_fingerprints_rest_on_the_same_bits_as_before_the_transform_was_shared() -> None:
    from scipy.fft import rfft

    from soundseam.pipeline.dedup import fingerprint

    samples = np.random.default_rng(1).standard_normal(16_000 * 20).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, FFT // 2), FFT)[::HOP]
    spectrum = rfft(windows * np.hanning(FFT).astype(np.float32), axis=1)[:, FIRST_BIN : FIRST_BIN + BINS]
    assert np.array_equal(fingerprint._power_spectrum(samples), np.square(spectrum.real) + np.square(spectrum.imag))
    assert len(peaks_of_blocks([samples]))

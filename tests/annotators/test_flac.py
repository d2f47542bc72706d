"""Sound as FLAC and back: equal to the last bit, whatever the number of channels."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from soundseam.annotators.flac import decode_flac, encode_flac, num_flac_samples, read_flac, to_pcm16, wav_of

PCM = arrays(np.int16, st.integers(1, 200), elements=st.integers(-32768, 32767))


@given(PCM)
def test_encoded_audio_comes_back_to_the_last_bit(pcm: NDArray[np.int16]) -> None:
    samples = (pcm / 32768).astype(np.float32)
    flac = encode_flac(samples)
    assert np.array_equal(decode_flac(flac), samples)
    assert np.array_equal(to_pcm16(samples), pcm)
    assert num_flac_samples(flac) == len(pcm)
    assert np.array_equal(soundfile.read(io.BytesIO(wav_of(flac)), dtype="int16")[0], pcm)


def test_what_is_beyond_full_scale_is_clipped() -> None:
    assert decode_flac(encode_flac(np.array([2, -2, 0.5], np.float32))).tolist() == [32767 / 32768, -1.0, 0.5]


def test_a_file_keeps_its_channels_and_its_rate() -> None:
    stereo = np.array([[0.25] * 100, [-0.25] * 100], np.float32)
    flac = encode_flac(stereo, 44_100)
    assert np.array_equal(soundfile.read(io.BytesIO(flac), dtype="float32")[0].T, stereo)
    first, rate_hz = read_flac(flac)
    assert (np.unique(first).tolist(), rate_hz) == ([0.25], 44_100)

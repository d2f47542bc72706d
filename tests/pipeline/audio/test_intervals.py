"""Exact intervals of a recording, at any rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.audio.decode import DecodeConfig, DecodeError, SpooledWaveform, decode_recording, read_intervals
from soundseam.pipeline.audio.stretches import Resampler
from soundseam.schemas.recording import Downmix
from soundseam.schemas.timespan import TimeSpan
from tests.support.recordings import EXACT_FORMATS, Sound, a_tone, cut_off, noise, spoil, write

SPANS = (TimeSpan(0, 137), TimeSpan(137, 1001), TimeSpan(4321, 9000), TimeSpan(9999, 10_000))


def read(
    path: Path, *spans: TimeSpan, rate_hz: int = 16_000, mono: bool = True, downmix: Downmix = Downmix.MEAN
) -> list[Sound]:
    return list(read_intervals(path, spans, rate_hz, mono, downmix))


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "opus", "ogg"])
def test_intervals_are_those_of_the_decoded_recording(tmp_path: Path, suffix: str) -> None:
    path = EXACT_FORMATS[suffix](tmp_path / f"x.{suffix}", noise(10.0, 48_000, channels=2), 48_000)
    intervals = read(path, *SPANS)
    with decode_recording(path, DecodeConfig()) as recording:
        for span, samples in zip(SPANS, intervals, strict=True):
            spooled = recording.waveform.read(16 * span.start_ms, 16 * span.end_ms)
            assert samples.shape == (16 * span.duration_ms,)
            # The waveform is rounded to 16 bits, the intervals are not.
            assert np.abs(samples - spooled).max() <= 0.51 / 32768


def test_what_the_fast_path_leaves_to_the_other_has_intervals_too(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", a_tone(2.0), subtype="IMA_ADPCM")
    with decode_recording(path, DecodeConfig()) as recording:
        spooled = recording.waveform.read(8000, 16_000)
    (samples,) = read(path, TimeSpan(500, 1000))
    assert np.array_equal(samples, spooled)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_lengths_are_exact_at_every_rate(tmp_path: Path, rate_hz: int) -> None:
    path = write(tmp_path / "x.flac", noise(10.0, 44_100), 44_100)
    for span, samples in zip(SPANS, read(path, *SPANS, rate_hz=rate_hz), strict=True):
        begin, end = (round(time_ms * rate_hz / 1000) for time_ms in span)
        assert abs(len(samples) - (end - begin)) <= (span.end_ms == 10_000)


def test_at_the_source_rate_samples_are_the_sources_own(tmp_path: Path) -> None:
    sound = noise(10.0, 44_100, channels=3)
    path = write(tmp_path / "x.wav", sound, 44_100, "FLOAT")
    (samples,) = read(path, TimeSpan(2500, 7000), rate_hz=44_100, mono=False)
    assert np.array_equal(samples, sound[:, 110_250:308_700])


def test_all_channels_are_resampled_alike(tmp_path: Path) -> None:
    sound = noise(3.0, 44_100, channels=2)
    path = write(tmp_path / "x.wav", sound, 44_100, "FLOAT")
    (both,) = read(path, TimeSpan(500, 2500), mono=False)
    for number in range(2):
        single = write(tmp_path / f"{number}.wav", sound[number : number + 1], 44_100, "FLOAT")
        (samples,) = read(single, TimeSpan(500, 2500))
        assert np.array_equal(both[number], samples)


def test_one_channel_has_two_dimensions_where_channels_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", a_tone())
    assert read(path, TimeSpan(0, 500), mono=False)[0].shape == (1, 8000)


def test_the_strongest_channel_is_the_one_that_was_decoded(tmp_path: Path) -> None:
    sound = np.concatenate([-0.5 * a_tone(), a_tone(), -a_tone()])
    path = write(tmp_path / "x.wav", sound, subtype="FLOAT")
    with decode_recording(path, DecodeConfig()) as recording:
        assert recording.quality.downmix is Downmix.STRONGEST
        spooled = recording.waveform.read(1600, 8000)
    (samples,) = read(path, TimeSpan(100, 500), downmix=Downmix.STRONGEST)
    assert np.abs(samples - spooled).max() <= 0.51 / 32768


def test_what_lies_past_the_end_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", a_tone(1.0))
    lengths = [len(samples) for samples in read(path, TimeSpan(900, 1500), TimeSpan(2000, 3000))]
    assert lengths == [1600, 0]


def test_damage_is_got_over_as_in_decoding(tmp_path: Path) -> None:
    path = spoil(write(tmp_path / "x.flac", noise(30.0)), count=2000)
    with decode_recording(path, DecodeConfig()) as recording:
        whole = recording.waveform.read(0, recording.waveform.num_samples)
    spans = [TimeSpan(start, start + 1000) for start in range(0, 29_000, 1000)]
    joined = np.concatenate(read(path, *spans))
    assert len(joined) == 29_000 * 16
    assert np.abs(joined - whole[: len(joined)]).max() <= 0.51 / 32768


def test_a_truncated_file_gives_what_it_has(tmp_path: Path) -> None:
    path = cut_off(write(tmp_path / "x.flac", noise(10.0)))
    first, last = read(path, TimeSpan(0, 4000), TimeSpan(8000, 9000))
    assert (len(first), len(last)) == (64_000, 0)


@pytest.mark.parametrize("spans", [[(0, 10), (5, 20)], [(20, 30), (0, 10)], [(10, 5)], [(-5, 5)]])
def test_spans_out_of_order_are_refused(tmp_path: Path, spans: list[tuple[int, int]]) -> None:
    path = write(tmp_path / "x.wav", a_tone())
    with pytest.raises(ValueError, match="ordered and disjoint"):
        read(path, *(TimeSpan(*span) for span in spans))


def test_what_is_no_audio_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"text" * 100)
    with pytest.raises(DecodeError):
        read(tmp_path / "x.wav", TimeSpan(0, 10))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.sampled_from([8_000, 11_025, 44_100, 96_000]))
def test_resampling_is_the_same_whatever_the_blocks(sizes: list[int], rate_hz: int) -> None:
    sound = noise(sum(sizes) / rate_hz, rate_hz)[0]
    whole = Resampler(rate_hz, 16_000)
    parts = Resampler(rate_hz, 16_000)
    cuts = np.cumsum(sizes)[:-1]
    assert np.array_equal(
        np.concatenate([whole.add(sound), whole.finish()]),
        np.concatenate([*(parts.add(part) for part in np.split(sound, cuts)), parts.finish()]),
    )


@given(st.lists(st.integers(0, 3000), max_size=8), st.integers(1, 4000))
def test_a_spooled_waveform_gives_back_what_it_was_given(sizes: list[int], block_samples: int) -> None:
    sound = noise(sum(sizes) / 16_000)[0]
    with SpooledWaveform() as waveform:
        for part in np.split(sound, np.cumsum(sizes, dtype=int)):
            waveform.append(part)
        blocks = list(waveform.blocks(block_samples))
        assert waveform.num_samples == len(sound)
        assert [len(block) for block in blocks[:-1]] == [block_samples] * max(0, len(blocks) - 1)
        joined = np.concatenate([np.empty(0, np.float32), *blocks])
        assert np.abs(joined - sound).max(initial=0) <= 0.51 / 32768
        half = len(sound) // 2
        assert np.array_equal(waveform.read(half, len(sound) + 5), joined[half:])


def test_samples_beyond_full_scale_are_clipped_when_spooled() -> None:
    with SpooledWaveform() as waveform:
        waveform.append(np.array([2.0, -2.0, 0.5], np.float32))
        assert waveform.read(0, 3) == pytest.approx([32767 / 32768, -1.0, 0.5])

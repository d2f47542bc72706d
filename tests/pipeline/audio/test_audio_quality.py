"""Level, peak, clipping and bandwidth of a recording at its own rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.audio.audio_quality import QualityMeter
from soundseam.pipeline.audio.channels import mean_channel
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.audio.stream import AudioFormat
from soundseam.schemas.recording import Quality
from tests.support.recordings import Sound, a_tone, encode, noise, silence, write


def quality_of(path: Path) -> Quality:
    with decode_recording(path, DecodeConfig()) as recording:
        return recording.quality


def metered(sound: Sound, rate_hz: int, bits: int = 16, hops: tuple[int, ...] = ()) -> QualityMeter:
    """`sound` through a meter, in blocks of so many hops and then the rest."""
    audio = AudioFormat("wav", "pcm", rate_hz, len(sound), bits)
    meter = QualityMeter(audio)
    begin = 0
    for end in [*np.cumsum(hops, dtype=int) * audio.hop_frames, sound.shape[1]]:
        block = sound[:, begin:end]
        if block.size:
            meter.add(block, mean_channel(block))
        begin = max(begin, end)
    return meter


def test_level_and_peak_of_a_full_scale_tone(tmp_path: Path) -> None:
    quality = quality_of(write(tmp_path / "x.wav", a_tone(gain=1.0), subtype="FLOAT"))
    assert (quality.level_dbfs, quality.peak_dbfs) == (-3.01, 0.0)


def test_the_level_is_over_all_channels(tmp_path: Path) -> None:
    sound = np.concatenate([a_tone(gain=0.5), silence()])
    assert quality_of(write(tmp_path / "x.wav", sound, subtype="FLOAT")).level_dbfs == pytest.approx(-12.04, abs=0.01)


def test_digital_silence_has_no_level_and_no_bandwidth(tmp_path: Path) -> None:
    quality = quality_of(write(tmp_path / "x.wav", silence(channels=2)))
    assert (quality.level_dbfs, quality.peak_dbfs, quality.bandwidth_hz, quality.clipping_share) == (
        None,
        None,
        None,
        0,
    )


def test_clipped_samples_are_counted_in_runs(tmp_path: Path) -> None:
    sound = np.clip(a_tone(10.0, gain=2.0), -1, 1)
    share = float(np.mean(np.abs(a_tone(10.0, gain=2.0)) >= 1))
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        assert quality_of(write(tmp_path / "x.wav", sound, subtype=subtype)).clipping_share == pytest.approx(
            share, abs=2e-3
        )


def test_a_clipped_recording_of_eight_bits_is_noticed(tmp_path: Path) -> None:
    sound = np.clip(a_tone(gain=2.0), -1, 1)
    assert quality_of(write(tmp_path / "x.wav", sound, subtype="PCM_U8")).clipping_share > 0.5


def test_a_tone_that_just_touches_full_scale_is_not_clipped(tmp_path: Path) -> None:
    # At 3 kHz and 44.1 kHz no two neighbours are at the top.
    sound = a_tone(1.0, 44_100, hz=3000, gain=1.0)
    assert quality_of(write(tmp_path / "x.wav", sound, 44_100)).clipping_share == 0


@pytest.mark.parametrize(
    ("content_hz", "rate_hz"), [(8_000, 16_000), (8_000, 48_000), (16_000, 44_100), (22_050, 48_000)]
)
def test_an_upsampled_recording_shows_its_true_bandwidth(tmp_path: Path, content_hz: int, rate_hz: int) -> None:
    original = noise(5.0, content_hz, gain=0.2)
    sound = soxr.resample(original[0], content_hz, rate_hz)[np.newaxis].astype(np.float32)
    bandwidth_hz = quality_of(write(tmp_path / "x.wav", sound, rate_hz)).bandwidth_hz
    assert bandwidth_hz == pytest.approx(content_hz / 2, rel=0.06)


def test_a_low_pass_of_a_lossy_codec_shows(tmp_path: Path) -> None:
    sound = noise(5.0, 44_100, channels=2, gain=0.2)
    with_low_pass = encode(tmp_path / "x.mp3", sound, 44_100, "mp3")
    assert quality_of(with_low_pass).bandwidth_hz == pytest.approx(16_500, abs=1500)


def test_noise_up_to_the_end_of_the_spectrum_is_bandwidth(tmp_path: Path) -> None:
    assert quality_of(write(tmp_path / "x.wav", noise(5.0, 44_100), 44_100)).bandwidth_hz == pytest.approx(
        22_050, abs=50
    )


def test_rumble_does_not_hide_the_noise_above_it(tmp_path: Path) -> None:
    sound = a_tone(5.0, 16_000, hz=60, gain=0.5) + noise(5.0, gain=0.05)
    assert quality_of(write(tmp_path / "x.wav", sound)).bandwidth_hz == pytest.approx(8_000, abs=50)


def test_recording_noise_is_a_floor_not_bandwidth(tmp_path: Path) -> None:
    low = soxr.resample(soxr.resample(noise(5.0, 16_000, gain=0.2)[0], 16_000, 8_000), 8_000, 16_000)
    sound = low[np.newaxis] + noise(5.0, 16_000, seed=1, gain=2e-4)
    assert quality_of(write(tmp_path / "x.wav", sound.astype(np.float32))).bandwidth_hz == pytest.approx(
        4_000, rel=0.06
    )


def test_bandwidth_is_heard_wherever_in_a_long_recording_it_is() -> None:
    # 400 s: more hops than spectra are kept.
    sound = a_tone(400.0, 8_000, hz=300)
    sound[:, 2_000_000:2_400_000] += noise(50.0, 8_000)
    assert metered(sound, 8_000).quality().bandwidth_hz == pytest.approx(4_000, abs=50)


@given(st.lists(st.integers(0, 12), max_size=6), st.integers(0, 3), st.sampled_from([8_000, 11_025]))
def test_blocks_make_no_difference(hops: list[int], seed: int, rate_hz: int) -> None:
    sound = np.clip(noise(3.03, rate_hz, channels=2, seed=seed, gain=0.8), -1, 1)
    assert metered(sound, rate_hz, hops=tuple(hops)).quality() == metered(sound, rate_hz).quality()


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(1, 20), max_size=5))
def test_clipping_is_counted_as_one_would_by_hand(full: list[bool], cuts: list[int]) -> None:
    runs = "".join("x" if is_full else " " for is_full in full).split()
    expected = sum(len(run) for run in runs if len(run) >= 3)
    sound = np.array([[1.0 if is_full else 0.5 for is_full in full]], np.float32)
    meter = QualityMeter(AudioFormat("wav", "pcm", 16_000, 1, 16))
    for block in np.split(sound, sorted({cut for cut in cuts if cut < len(full)}), axis=1):
        meter.add(block, block[0])
    assert meter.quality().clipping_share == round(expected / len(full), 6)

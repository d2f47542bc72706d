"""What several channels are to each other, and which sound the one channel made of them keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.schemas.recording import ChannelRelation, Downmix, Quality
from tests.support.recordings import Sound, a_tone, encode, noise, silence, write


def measured(tmp_path: Path, *channels: Sound) -> tuple[Quality, Sound]:
    """Quality and waveform (num_samples,) of a recording with these channels, at 16 kHz."""
    path = write(tmp_path / "x.wav", np.concatenate(channels), subtype="FLOAT")
    with decode_recording(path, DecodeConfig()) as recording:
        return recording.quality, recording.waveform.read(0, recording.waveform.num_samples)


def turns(speaker: int, seed: int) -> Sound:
    """20 s in which two speakers take turns of 2 s; noise stands for a voice, a faint one for the room between."""
    sound = noise(20.0, seed=seed)
    for turn in range(10):
        if turn % 2 != speaker:
            sound[:, turn * 32_000 : (turn + 1) * 32_000] *= 0.01
    return sound


def test_one_channel_is_left_alone(tmp_path: Path) -> None:
    quality, samples = measured(tmp_path, a_tone())
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.MONO, Downmix.NONE)
    assert samples == pytest.approx(a_tone()[0], abs=1e-4)


def test_equal_channels_are_averaged(tmp_path: Path) -> None:
    quality, samples = measured(tmp_path, a_tone(), a_tone())
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.IDENTICAL, Downmix.MEAN)
    assert samples == pytest.approx(a_tone()[0], abs=1e-4)


def test_equal_channels_stay_equal_through_a_lossy_codec(tmp_path: Path) -> None:
    sound = noise(5.0, 44_100, gain=0.2)
    path = encode(tmp_path / "x.mp3", np.concatenate([sound, sound]), 44_100, "mp3")
    with decode_recording(path, DecodeConfig()) as recording:
        assert recording.quality.channel_relation is ChannelRelation.IDENTICAL


def test_a_stereo_picture_is_related(tmp_path: Path) -> None:
    middle, left, right = noise(5.0), noise(5.0, seed=1), noise(5.0, seed=2)
    quality, _ = measured(tmp_path, middle + 0.5 * left, middle + 0.5 * right)
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.RELATED, Downmix.MEAN)


def test_two_microphones_at_a_distance_are_related(tmp_path: Path) -> None:
    sound = turns(0, seed=1)
    late = np.roll(sound, 300)
    quality, _ = measured(tmp_path, sound, late)
    assert quality.channel_relation is ChannelRelation.RELATED


def test_two_speakers_on_two_channels_are_noticed_and_both_kept(tmp_path: Path) -> None:
    quality, samples = measured(tmp_path, turns(0, seed=1), turns(1, seed=2))
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.INDEPENDENT, Downmix.MEAN)
    levels = [np.sqrt(np.mean(samples[turn * 32_000 : (turn + 1) * 32_000] ** 2)) for turn in range(10)]
    assert min(levels) > 0.8 * max(levels)


@pytest.mark.parametrize("mirror", [-1.0, -0.8])
def test_channels_in_antiphase_are_noticed_and_the_stronger_one_kept(tmp_path: Path, mirror: float) -> None:
    quality, samples = measured(tmp_path, mirror * a_tone(), a_tone())
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.ANTIPHASE, Downmix.STRONGEST)
    assert np.abs(samples) == pytest.approx(np.abs(a_tone()[0]), abs=1e-4)


def test_antiphase_in_half_of_a_recording_is_noticed(tmp_path: Path) -> None:
    sound = noise(10.0)
    other = sound.copy()
    other[:, 80_000:] *= -1
    quality, samples = measured(tmp_path, sound, other)
    assert quality.channel_relation is ChannelRelation.ANTIPHASE
    assert samples == pytest.approx(sound[0], abs=1e-4)


def test_a_passing_antiphase_effect_is_no_reason_to_drop_a_channel(tmp_path: Path) -> None:
    sound = noise(10.0)
    other = sound.copy()
    other[:, :16_000] *= -1
    quality, _ = measured(tmp_path, sound, other)
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.RELATED, Downmix.MEAN)


@pytest.mark.parametrize("channels", [2, 6])
def test_where_one_channel_alone_carries_sound_it_keeps_its_level(tmp_path: Path, channels: int) -> None:
    dead = 1e-4 * noise(1.0, channels=channels - 1)
    quality, samples = measured(tmp_path, dead, a_tone())
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.MONO, Downmix.STRONGEST)
    assert samples == pytest.approx(a_tone()[0], abs=1e-4)


def test_an_array_of_unrelated_channels_is_independent(tmp_path: Path) -> None:
    quality, _ = measured(tmp_path, *(noise(10.0, seed=seed) for seed in range(8)))
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.INDEPENDENT, Downmix.MEAN)


def test_silent_channels_are_equal(tmp_path: Path) -> None:
    quality, _ = measured(tmp_path, silence(channels=2))
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.IDENTICAL, Downmix.MEAN)


@pytest.mark.parametrize("offset", [0.002, 0.1])
@pytest.mark.parametrize("level_db", [-16, -36])
def test_antiphase_under_a_constant_offset_is_noticed(tmp_path: Path, offset: float, level_db: float) -> None:
    sound = noise(10.0, gain=10 ** (level_db / 20))
    quality, samples = measured(tmp_path, sound + offset, offset - sound)
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.ANTIPHASE, Downmix.STRONGEST)
    assert np.std(samples) == pytest.approx(np.std(sound), rel=0.01)


@pytest.mark.parametrize("offset", [-0.01, 0.3])
def test_a_dead_channel_with_a_constant_offset_is_dead(tmp_path: Path, offset: float) -> None:
    sound = noise(10.0, gain=0.02)
    quality, samples = measured(tmp_path, silence(10.0) + np.float32(offset), sound)
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.MONO, Downmix.STRONGEST)
    assert samples == pytest.approx(sound[0], abs=1e-4)


def test_equal_channels_with_different_offsets_are_equal(tmp_path: Path) -> None:
    quality, _ = measured(tmp_path, noise(5.0) + np.float32(0.1), noise(5.0) - np.float32(0.05))
    assert (quality.channel_relation, quality.downmix) == (ChannelRelation.IDENTICAL, Downmix.MEAN)

"""Fingerprints outlive what happens to audio on its way into another corpus."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.distortions import DISTORTIONS
from soundseam.annotators.base import Samples
from soundseam.pipeline.dedup.fingerprint import (
    BLOCK,
    PEAKS_A_SECOND,
    audio_sha256,
    frames_and_bins,
    levels_of,
    peaks_of,
    peaks_of_blocks,
    tokens_of,
)
from tests.pipeline.dedup.sounds import BEAT, MELODY, NOISE, SILENCE

SOUNDS = {"melody": MELODY, "beat": BEAT, "noise": NOISE}


def test_silence_has_no_peaks() -> None:
    assert not len(peaks_of(SILENCE))
    assert not len(peaks_of(np.zeros(0, np.float32)))
    assert not len(peaks_of_blocks([]))
    assert not len(tokens_of(peaks_of(SILENCE))[0])


@pytest.mark.parametrize("samples", [np.ones(1, np.float32), np.ones(300, np.float32), MELODY[:1000]])
def test_sounds_of_any_length_have_a_fingerprint(samples: Samples) -> None:
    assert len(peaks_of(samples)) == len(peaks_of_blocks([samples]))


@pytest.mark.parametrize("name", SOUNDS)
def test_peaks_are_in_order_and_not_too_many(name: str) -> None:
    frames, bins = frames_and_bins(peaks_of(SOUNDS[name]))
    assert np.all(np.diff(frames) >= 0)
    assert np.bincount(frames // 50).max() <= PEAKS_A_SECOND
    assert bins.max() < 250


def test_another_level_moves_levels_and_nothing_else() -> None:
    loud, soft = peaks_of(MELODY), peaks_of(MELODY * np.float32(0.5))
    moved = np.isin(loud >> np.uint64(8), soft >> np.uint64(8))
    assert moved.mean() > 0.98
    both = min(len(loud), len(soft))
    assert abs(np.median(levels_of(loud)[:both] - levels_of(soft)[:both]) - 12) <= 1


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_keys_come_again_after_a_distortion(distortion: str) -> None:
    before, after = (
        set(tokens_of(peaks_of(samples))[0].tolist())
        for samples in (MELODY, DISTORTIONS[distortion](MELODY, np.random.default_rng(0)))
    )
    assert len(before & after) > 20


def test_a_shift_leaves_keys_and_moves_frames() -> None:
    late = np.concatenate([np.zeros(3200, np.float32), MELODY])
    (keys, frames), (late_keys, late_frames) = tokens_of(peaks_of(MELODY)), tokens_of(peaks_of(late))
    shared = set(zip(keys.tolist(), (frames + 10).tolist(), strict=True)) & set(
        zip(late_keys.tolist(), late_frames.tolist(), strict=True)
    )
    assert len(shared) > 0.7 * len(keys)


def test_a_long_sound_has_the_peaks_of_its_blocks_in_its_own_time() -> None:
    long = np.tile(MELODY, 10)
    whole = peaks_of_blocks(long[start : start + BLOCK] for start in range(0, len(long), BLOCK))
    second = peaks_of(long[BLOCK:])
    frames, bins = frames_and_bins(whole)
    assert np.array_equal(frames[-len(second) :] - 3000, frames_and_bins(second)[0])
    assert np.array_equal(bins[-len(second) :], frames_and_bins(second)[1])


def test_the_digest_is_of_samples_not_of_files() -> None:
    pcm = np.array([1, -2, 3], np.int16)
    assert audio_sha256(pcm) == audio_sha256(pcm.copy())
    assert audio_sha256(pcm) != audio_sha256(pcm + np.int16(1))

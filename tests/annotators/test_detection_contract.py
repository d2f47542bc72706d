"""What every detector keeps to besides the contract of all backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.base import DETECTION_RATE_HZ, AnnotationError, Samples
from soundseam.annotators.detection.base import Detection, Detector
from tests.support.members import DETECTION_MEMBERS, a_member, load_or_skip, tiny_maker
from tests.support.sounds import SOUNDS

SCENE = Path(__file__).parents[2] / "samples" / "recordings" / "scene.flac"

every_detector = pytest.mark.parametrize("name", DETECTION_MEMBERS)
every_sound = pytest.mark.parametrize("sound", [*SOUNDS, "nothing", "one sample"])


@dataclass(frozen=True)
class ArrayWaveform:
    """Implements Waveform in memory."""

    samples: Samples

    @property
    def num_samples(self) -> int:
        return len(self.samples)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        starts = range(0, len(self.samples), block_samples)
        return (self.samples[start : start + block_samples] for start in starts)

    def read(self, start: int, stop: int) -> Samples:
        return self.samples[start:stop]


def samples_of(sound: str) -> Samples:
    if sound in SOUNDS:
        return SOUNDS[sound](DETECTION_RATE_HZ)
    return np.full(1 if sound == "one sample" else 0, 0.5, np.float32)


@pytest.fixture
def detector(name: str, tmp_path: Path) -> Detector:
    loaded: Detector = load_or_skip(a_member(name, tmp_path))
    return loaded


def detect(detector: Detector, samples: Samples) -> Detection | AnnotationError:
    try:
        return detector.detect(ArrayWaveform(samples))
    except AnnotationError as error:
        return error


@every_detector
@every_sound
def test_events_are_ordered_and_lie_inside_the_recording(name: str, sound: str, detector: Detector) -> None:
    samples = samples_of(sound)
    found = detect(detector, samples)
    if isinstance(found, AnnotationError):
        assert found.reason
        return
    duration_ms = -(-len(samples) * 1000 // DETECTION_RATE_HZ)
    for event in found.events:
        assert 0 <= event.onset_ms < event.offset_ms <= duration_ms
    assert all(before.onset_ms <= after.onset_ms for before, after in pairwise(found.events))


@every_detector
@every_sound
def test_frames_cover_the_recording_with_scores_from_0_to_1(name: str, sound: str, detector: Detector) -> None:
    samples = samples_of(sound)
    found = detect(detector, samples)
    if isinstance(found, AnnotationError):
        return
    frames = found.frames
    assert frames.scores.shape[1] == len(frames.classes) > 0
    assert frames.scores.dtype == np.float16
    assert np.all((frames.scores >= 0) & (frames.scores <= 1))
    seconds_left_over = abs(len(frames.scores) * frames.hop_ms / 1000 - len(samples) / DETECTION_RATE_HZ)
    assert seconds_left_over <= frames.hop_ms / 1000


@every_detector
def test_the_same_audio_gives_the_same_events_on_every_load(name: str, detector: Detector, tmp_path: Path) -> None:
    scene, rate_hz = soundfile.read(SCENE, dtype="float32", stop=20 * DETECTION_RATE_HZ)
    assert rate_hz == DETECTION_RATE_HZ
    first, again = detect(detector, scene), detect(load_or_skip(a_member(name, tmp_path / "again")), scene)
    assert isinstance(first, Detection)
    assert isinstance(again, Detection)
    assert first.events == again.events != ()
    assert np.array_equal(first.frames.scores, again.frames.scores)


@every_detector
def test_silence_has_no_event(name: str, detector: Detector) -> None:
    if tiny_maker(name):
        pytest.skip("its tiny model has random weights, which hear what they like")
    found = detect(detector, np.zeros(10 * DETECTION_RATE_HZ, np.float32))
    assert isinstance(found, AnnotationError) or found.events == ()

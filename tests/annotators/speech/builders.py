"""Clips for the tests of the speech branch: what is said, where, and voices made of nothing but pulses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from soundseam.annotators.base import Clip, Samples
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.speech import Agreement, ErrorUnit
from tests.support.builders import a_segment, an_event

RATE_HZ = 16_000
RECORDINGS = Path(__file__).parents[3] / "samples" / "recordings"


def a_clip(
    samples: NDArray[np.floating], *spoken: tuple[int, int], start_ms: int = 0, recording: str = "a", **segment: object
) -> Clip:
    """A clip at `start_ms` of its recording with speech events at `spoken`, which count from the clip's start."""
    end_ms = start_ms + round(1000 * len(samples) / RATE_HZ)
    events = tuple(an_event(EventClass.SPEECH, start_ms + onset, start_ms + offset) for onset, offset in spoken)
    segment = {"events": events, "branches": (Branch.SPEECH,), **segment}
    return Clip(a_segment(recording, start_ms, end_ms, **segment), samples.astype(np.float32), RATE_HZ)


def a_sample(name: str, start_ms: int = 0, first_ms: int = 0, last_ms: int = 30_000) -> Clip:
    """Milliseconds `first_ms` to `last_ms` of the sample recording `name`, all of it called speech."""
    samples = read_sample(name)[first_ms * 16 : last_ms * 16]
    return a_clip(samples, (0, round(len(samples) / 16)), start_ms=start_ms, recording=name)


def read_sample(name: str) -> Samples:
    samples, rate = soundfile.read(RECORDINGS / name, dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, RATE_HZ).astype(np.float32)


def silence(duration_ms: int) -> Samples:
    return np.zeros(duration_ms * RATE_HZ // 1000, np.float32)


def noise(duration_ms: int, level_dbfs: float, seed: int = 0) -> Samples:
    samples = np.random.default_rng(seed).normal(size=duration_ms * RATE_HZ // 1000)
    return (samples * 10 ** (level_dbfs / 20)).astype(np.float32)


def a_vowel(duration_ms: int, pitch_hz: float = 120.0, level_dbfs: float = -20.0) -> Samples:
    """A steady vowel: harmonics that fall by 6 dB an octave, up to 4 kHz, with 20 ms fades."""
    times = np.arange(duration_ms * RATE_HZ // 1000) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * times) / k for k in range(1, int(4000 / pitch_hz)))
    fade = np.clip(np.minimum(times, times[-1] - times) / 0.02, 0, 1)
    wave = wave / np.sqrt(np.mean(np.square(wave))) * fade
    return (wave * 10 ** (level_dbfs / 20)).astype(np.float32)


def syllables(count: int, each_ms: int = 200, pitch_hz: float = 120.0) -> Samples:
    """`count` vowels one after the other, each swelling from and to near silence."""
    vowel = a_vowel(each_ms, pitch_hz)
    return np.concatenate([vowel * np.hanning(len(vowel)).astype(np.float32)] * count)


class InMemory:
    """A recording that remembers the longest stretch that was read of it at once."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.longest = 0

    @property
    def num_samples(self) -> int:
        return len(self._samples)

    def blocks(self, block_samples: int = 480_000) -> Iterator[Samples]:
        yield from (self.read(start, start + block_samples) for start in range(0, self.num_samples, block_samples))

    def read(self, start: int, stop: int) -> Samples:
        self.longest = max(self.longest, stop - start)
        return self._samples[start:stop]


NO_FIGURES = Agreement(
    systems=("a", "b"),
    chosen="b",
    unit=ErrorUnit.WORDS,
    pairs=(),
    coverage=None,
    untranscribed_tail_ms=None,
    letters_per_second=None,
)
"""An agreement of two systems without a comparison."""

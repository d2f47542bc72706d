"""Clips for the tests of the music branch: clicks, tones and chords of known tempo and pitch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Clip
from soundseam.schemas.event import Branch, ProfileEntry
from soundseam.schemas.segment import Boundary, Segment

RATE_HZ = 22_050
EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


def clip(samples: NDArray[np.floating], start_ms: int = 0, profile: Sequence[ProfileEntry] = ()) -> Clip:
    segment = Segment(
        segment_id="s",
        recording_id="r",
        source_uri="a.wav",
        start_ms=start_ms,
        end_ms=start_ms + round(1000 * len(samples) / RATE_HZ),
        branches=(Branch.MUSIC,),
        profile=tuple(profile),
        events=(),
        start_boundary=EDGE,
        end_boundary=EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="k",
    )
    return Clip(segment=segment, samples=samples.astype(np.float32), sample_rate_hz=RATE_HZ)


def silence(seconds: float) -> NDArray[np.float64]:
    return np.zeros(round(seconds * RATE_HZ))


def noise(seconds: float, amplitude: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, amplitude, round(seconds * RATE_HZ))


def note(midi: float, seconds: float, partials: int = 6) -> NDArray[np.float64]:
    """A plucked tone: partials that fall off, a decay over its length."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    frequency = 440 * 2 ** ((midi - 69) / 12)
    waves = sum(0.6**k * np.sin(2 * np.pi * frequency * (k + 1) * times) for k in range(partials))
    attack = np.minimum(1, times / 0.005)
    return 0.1 * waves * attack * np.exp(-2 * times / seconds)


def chord(midis: Sequence[float], seconds: float) -> NDArray[np.float64]:
    return np.sum([note(midi, seconds) for midi in midis], axis=0)


def clicks(times_s: Sequence[float], seconds: float, loud: Sequence[float] | None = None) -> NDArray[np.float64]:
    """Short strokes of noise at `times_s`."""
    samples = silence(seconds)
    stroke = noise(0.06, 0.3) * np.exp(-np.arange(round(0.06 * RATE_HZ)) / 250)
    for index, time in enumerate(times_s):
        first = round(time * RATE_HZ)
        part = stroke[: max(0, len(samples) - first)]
        samples[first : first + len(part)] += part * (1.0 if loud is None else loud[index])
    return samples

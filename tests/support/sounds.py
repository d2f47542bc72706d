"""Short sounds that every backend must have an answer for, at any rate, mono or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from soundseam.annotators.base import AnyBackend, Clip, Samples
from soundseam.schemas.event import Branch, EventClass
from tests.support.builders import a_segment, an_event

START_MS = 5_000
"""Where the clips lie in their recording: a backend that counts from the clip's start is found out."""

SPOKEN = {Branch.SPEECH: EventClass.SPEECH, Branch.MUSIC: EventClass.MUSIC, Branch.GENERAL: EventClass.OBJECT}


def _times(seconds: float, rate_hz: int) -> Samples:
    return (np.arange(round(seconds * rate_hz)) / rate_hz).astype(np.float32)


def _silence(rate_hz: int) -> Samples:
    return np.zeros_like(_times(2.0, rate_hz))


def _instant(rate_hz: int) -> Samples:
    return _voice(rate_hz)[: rate_hz // 20]


def _noise(rate_hz: int) -> Samples:
    return np.random.default_rng(0).normal(0.0, 0.1, len(_times(2.0, rate_hz))).astype(np.float32)


def _clipping(rate_hz: int) -> Samples:
    return np.clip(40.0 * _voice(rate_hz), -1.0, 1.0)


def _voice(rate_hz: int) -> Samples:
    """Three half-second vowels of 140 Hz with pauses between."""
    times = _times(2.0, rate_hz)
    tone = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    return (0.1 * tone * (times % 0.7 < 0.5)).astype(np.float32)


def _melody(rate_hz: int) -> Samples:
    """Eight notes of a C major scale, two a second."""
    times = _times(4.0, rate_hz)
    notes = np.array([0, 2, 4, 5, 7, 9, 11, 12])[np.minimum((times * 2).astype(int), 7)]
    decay = np.exp(-3.0 * (times % 0.5))
    return (0.3 * decay * np.sin(2 * np.pi * 261.63 * 2 ** (notes / 12) * times)).astype(np.float32)


def _constant(rate_hz: int) -> Samples:
    return np.full_like(_times(1.0, rate_hz), 0.5)


SOUNDS: dict[str, Callable[[int], Samples]] = {
    "silence": _silence,
    "fifty milliseconds": _instant,
    "noise": _noise,
    "clipping": _clipping,
    "a constant": _constant,
    "a voice": _voice,
    "a melody": _melody,
}


def a_clip(sound: str, backend: AnyBackend) -> Clip:
    """`sound` as `backend` would be given it, with one event of its branch over the middle, and none in silence."""
    rate_hz = backend.sample_rate_hz or 16_000
    samples = SOUNDS[sound](rate_hz)
    duration_ms = round(1000 * len(samples) / rate_hz)
    span = (START_MS + duration_ms // 10, START_MS + duration_ms * 9 // 10)
    segment = a_segment(
        sound,
        START_MS,
        START_MS + duration_ms,
        () if sound == "silence" else (an_event(SPOKEN[backend.branch], *span),),
        branches=(backend.branch,),
    )
    if backend.sample_rate_hz is None:
        samples = np.zeros(0, np.float32)
    elif not backend.mono:
        samples = np.stack([samples, 0.5 * samples])
    samples.flags.writeable = False
    return Clip(segment, samples, rate_hz)

"""Segments, events and clips for the tests of the general branch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Clip
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.segment import Boundary, Segment

RATE_HZ = 16_000
EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


def event(label: str, onset_ms: int, offset_ms: int, event_class: EventClass = EventClass.OBJECT) -> Event:
    return Event(event_class=event_class, label=label, onset_ms=onset_ms, offset_ms=offset_ms, score=0.9)


def clip(samples: NDArray[np.floating], events: Sequence[Event] = (), start_ms: int = 0) -> Clip:
    end_ms = start_ms + round(1000 * len(samples) / RATE_HZ)
    segment = Segment(
        segment_id="s",
        recording_id="r",
        source_uri="a.wav",
        start_ms=start_ms,
        end_ms=end_ms,
        branches=(Branch.GENERAL,),
        profile=(),
        events=tuple(events),
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


def tone(frequency_hz: float, seconds: float, amplitude: float = 0.3) -> NDArray[np.float64]:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def noise(seconds: float, amplitude: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, amplitude, round(seconds * RATE_HZ))


def ringing(seconds: float, decay_s: float, seed: int = 0) -> NDArray[np.float64]:
    """Noise that falls by 60 dB in `decay_s`."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return noise(seconds, 0.3, seed) * 10 ** (-3 * times / decay_s)

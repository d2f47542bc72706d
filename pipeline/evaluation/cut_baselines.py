"""The simple ways of cutting, to compare with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from annotators.detection.activity import join_runs, runs_of
from annotators.detection.base import Detector
from annotators.waveform import DETECTION_RATE_HZ, Waveform
from schemas.event import Event, EventClass
from schemas.timespan import TimeSpan

ENERGY_HOP_MS = 20
ENERGY_RANGE_DB = 40.0

Baseline = Callable[[Waveform], tuple[list[TimeSpan], list[Event]]]
"""From a waveform to its segments and the events it takes them for; a way that finds no events gives none."""


def fixed(window_ms: int) -> Baseline:
    """Windows of one length, the last one shorter."""

    def cut(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        starts = range(0, duration_ms, window_ms)
        return [TimeSpan(start, min(start + window_ms, duration_ms)) for start in starts], []

    return cut


def energy(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
    """Each stretch within 40 dB of the loudest 20 ms, as many an audio splitter does it."""
    hop = ENERGY_HOP_MS * DETECTION_RATE_HZ // 1000
    powers = []
    for block in waveform.blocks():
        count = len(block) // hop
        powers.append(np.square(block[: count * hop].reshape(count, hop)).mean(axis=1))
    level_db = 10.0 * np.log10(np.concatenate(powers) + 1e-18) if powers else np.zeros(0)
    runs = runs_of(level_db > level_db.max(initial=-180.0) - ENERGY_RANGE_DB)
    spans = [TimeSpan(first * ENERGY_HOP_MS, stop * ENERGY_HOP_MS) for first, stop in runs.tolist()]
    return spans, [_event(span, EventClass.SOURCE_AMBIGUOUS) for span in spans]


def speech_cuts(detector: Detector) -> Baseline:
    """Segments of speech and what lies between them, as a voice activity detector alone would cut."""

    def cut(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        events = [event for event in detector.detect(waveform).events if event.event_class is EventClass.SPEECH]
        runs = join_runs(np.array([event.span for event in events], dtype=np.int64).reshape(-1, 2), 0)
        edges = sorted({0, duration_ms, *runs.ravel().tolist()})
        return [TimeSpan(start, end) for start, end in pairwise(edges)], events

    return cut


def _event(span: TimeSpan, event_class: EventClass) -> Event:
    return Event(
        event_class=event_class, label=str(event_class), onset_ms=span.start_ms, offset_ms=span.end_ms, score=1.0
    )

"""Sounds that come again at even distances: among the events, or inside one long event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotators.general.levels import HOP_MS, Array
from schemas.event import Event, EventClass
from schemas.general import Repetition

_FEWEST = 3
_LEAST_REGULARITY = 0.75
_LEAST_PULSE = 0.6
_SHORTEST_MS, _LONGEST_MS = 150, 5_000
_VOICES = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)
"""Their level always pulses; that is rhythm, not a sound that comes again."""


def repeated_event(events: Sequence[Event]) -> Repetition | None:
    """The label (speech and music apart) whose onsets lie at the most even distances, three of them at least.

    Regularity is 1 less the mean deviation of the distances from their median, as a share of it.
    """
    onsets: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.event_class not in _VOICES:
            onsets[event.label].append(event.onset_ms)
    found = [_of_onsets(label, sorted(times)) for label, times in sorted(onsets.items()) if len(times) >= _FEWEST]
    regular = [one for one in found if one is not None]
    return max(regular, key=lambda one: (one.count, one.regularity), default=None)


def _of_onsets(label: str, onsets: list[int]) -> Repetition | None:
    distances = np.diff(onsets)
    period = float(np.median(distances))
    if period <= 0:
        return None
    regularity = 1 - float(np.mean(np.abs(distances - period))) / period
    if regularity < _LEAST_REGULARITY:
        return None
    return Repetition(period_ms=round(period), count=len(onsets), regularity=round(regularity, 3), label=label)


def repeated_level(hop_levels: Array, events: Sequence[Event], start_ms: int) -> Repetition | None:
    """Evenly spaced bursts inside the longest event that is neither speech nor music, from the level every 10 ms.

    `start_ms` is where `hop_levels` begins in the events' time. Regularity is the autocorrelation of the level's
    rises at the period. Steady sound has no bursts and gives None.
    """
    candidates = [event for event in events if event.event_class not in _VOICES]
    longest = max(candidates, key=lambda event: event.span.duration_ms, default=None)
    if longest is None:
        return None
    first = max(0, (longest.onset_ms - start_ms) // HOP_MS)
    last = max(first, (longest.offset_ms - start_ms) // HOP_MS)
    return _of_levels(hop_levels[first:last])


def _of_levels(levels: Array) -> Repetition | None:
    if len(levels) < _FEWEST * _SHORTEST_MS // HOP_MS:
        return None
    rises = np.maximum(np.diff(np.maximum(levels, levels.max() - 40)), 0).astype(np.float64)
    # Jitter of steady noise is about 1 dB a step; a burst rises far more.
    rises = np.convolve(np.where(rises > 3, rises, 0), np.array([0.25, 0.5, 1, 0.5, 0.25]), mode="same")
    if not rises.any():
        return None
    rises = rises - rises.mean()
    size = 1 << (2 * len(rises) - 1).bit_length()
    spectrum = np.fft.rfft(rises, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(rises)]
    correlation /= correlation[0] * (1 - np.arange(len(rises)) / len(rises))
    low, high = _SHORTEST_MS // HOP_MS, min(_LONGEST_MS // HOP_MS, len(rises) // _FEWEST)
    if high <= low + 1:
        return None
    peak = _first_high_peak(correlation, low, high)
    if peak is None or correlation[peak] < _LEAST_PULSE:
        return None
    return Repetition(
        period_ms=peak * HOP_MS,
        count=round(len(levels) / peak),
        regularity=round(float(min(1.0, correlation[peak])), 3),
    )


def _first_high_peak(correlation: NDArray[np.float64], low: int, high: int) -> int | None:
    """The shortest period nearly as good as the best: multiples of a period are periods too."""
    best = float(correlation[low : high + 1].max())
    inner = correlation[low : high + 1]
    peaks = np.flatnonzero((inner >= correlation[low - 1 : high]) & (inner >= correlation[low + 1 : high + 2])) + low
    good = peaks[correlation[peaks] >= 0.85 * best]
    return int(good[0]) if good.size else None

"""Periodic repetition: among the events, or within the sound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundseam.annotators.general.acoustics import BIN_HZ, STRIDE_MS, Array, Sound
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.general import Repetition

_FEWEST = 3
_MIN_REGULARITY = 0.75
_MIN_PULSE = 0.5
_MIN_LIKENESS = 0.5
"""Correlation of the sound with itself one period later; that of different sounds is about 0."""
_SHORTEST_MS, _LONGEST_MS = 150, 5_000
_RANGE_DB = 50.0
_BANDS = 32
_RISE_DB = 3.0
"""Bands of steady noise vary by about this much from one spectrum to the next."""
_VOICES = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)
"""Their level always pulses; that is rhythm, not repetition."""


def find_repetition(sound: Sound, events: Sequence[Event], start_ms: int) -> Repetition | None:
    """The repetition in the events that are neither speech nor music, if it is the same sound each time.

    `start_ms` is the start of `sound` in the events' time.
    """
    own = [event for event in events if event.event_class not in _VOICES]
    if not own or sound.is_silent:
        return None
    bands = _band_levels(sound, own, start_ms)
    among = repeated_event(own)
    if among is not None and _likeness(bands, among.period_ms / STRIDE_MS) >= _MIN_LIKENESS:
        return among
    return _repeated_sound(bands)


def repeated_event(events: Sequence[Event]) -> Repetition | None:
    """The label with the most regular onsets, at least three of them.

    Regularity is 1 minus the mean deviation of the distances from their median, relative to the median.
    """
    onsets: dict[str, list[int]] = defaultdict(list)
    for event in events:
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
    if regularity < _MIN_REGULARITY:
        return None
    return Repetition(period_ms=round(period), count=len(onsets), regularity=round(regularity, 3), label=label)


def _band_levels(sound: Sound, events: Sequence[Event], start_ms: int) -> Array:
    """Level of each band in each spectrum from the first event to the last, in dB over the range's floor, 0 outside."""
    edges = np.unique(np.geomspace(60, 8_000, _BANDS + 1) / BIN_HZ // 1).astype(np.int64)
    power = np.add.reduceat(np.square(sound.spectra[:, : edges[-1]]), edges[:-1], axis=1)
    levels = 10 * np.log10(power + 1e-12)
    above = np.maximum(levels - float(levels.max()) + _RANGE_DB, 0)
    inside = np.zeros(len(above), dtype=bool)
    for event in events:
        inside[sound.frame_slice(event.onset_ms - start_ms, event.offset_ms - start_ms)] = True
    above[~inside] = 0
    active = np.flatnonzero(inside)
    bands: Array = above[active[0] : active[-1] + 1]
    return bands


def _repeated_sound(bands: Array) -> Repetition | None:
    rises = _rises(bands)
    low, high = round(_SHORTEST_MS / STRIDE_MS), min(round(_LONGEST_MS / STRIDE_MS), len(rises) // 2)
    if not rises.any() or high <= low + 1:
        return None
    peak = _first_high_peak(_autocorrelation(rises), low, high)
    if peak is None:
        return None
    period, pulse = peak
    strokes = _count(rises, period)
    if pulse < _MIN_PULSE or strokes < _FEWEST or _likeness(bands, period) < _MIN_LIKENESS:
        return None
    return Repetition(period_ms=round(period * STRIDE_MS), count=strokes, regularity=round(min(1.0, pulse), 3))


def _rises(bands: Array) -> NDArray[np.float64]:
    """The rise of the bands' level over two spectra, (num_frames,): 0 if nothing begins."""
    # Compared with the loudest of three bands, so that a gliding tone does not count as many onsets.
    padded = np.pad(np.pad(bands, ((0, 0), (1, 1)), mode="edge"), ((2, 0), (0, 0)))
    before = sliding_window_view(padded, 3, axis=1).max(axis=2)[:-2]
    rise = np.maximum(bands - before - _RISE_DB, 0).mean(axis=1)
    strokes = np.where(rise > 0.2 * rise.max(initial=0.0), rise, 0.0)
    spread: NDArray[np.float64] = np.convolve(strokes, np.array([0.5, 1.0, 0.5]), mode="same")
    return spread


def _autocorrelation(rises: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 at lag 0, corrected for the shorter overlap at longer lags."""
    first, last = np.flatnonzero(rises)[[0, -1]]
    part = rises[first : last + 1] - rises[first : last + 1].mean()
    size = 1 << (2 * len(part) - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(part, size)) ** 2)[: len(part)]
    correlation /= max(correlation[0], 1e-12) * np.maximum(1 - np.arange(len(part)) / len(part), 0.1)
    return np.pad(correlation, (0, len(rises) + 2 - len(part)))


def _first_high_peak(correlation: NDArray[np.float64], low: int, high: int) -> tuple[float, float] | None:
    """The shortest period nearly as good as the best, in fractional frames, and its height: multiples of a period are
    periods too."""
    inner = correlation[low : high + 1]
    peaks = np.flatnonzero((inner >= correlation[low - 1 : high]) & (inner >= correlation[low + 1 : high + 2])) + low
    good = peaks[correlation[peaks] >= 0.65 * float(inner.max())]
    if not good.size:
        return None
    at = int(good[0])
    left, middle, right = correlation[at - 1 : at + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return at + float(np.clip(shift, -0.5, 0.5)), float(middle)


def _count(rises: NDArray[np.float64], period: float) -> int:
    """Number of occurrences: onsets of at least a third of the strongest, at least half a period apart."""
    taken: list[int] = []
    for frame in np.argsort(-rises, kind="stable"):
        if rises[frame] < rises.max() / 3:
            break
        if all(abs(frame - other) >= period / 2 for other in taken):
            taken.append(int(frame))
    return len(taken)


def _likeness(bands: Array, period: float) -> float:
    """Correlation of the band levels, without their means, with those one period later; the best of nearby lags."""
    lags = {max(1, round(period) + step) for step in (-1, 0, 1)}
    return max((_correlation_at(bands, lag) for lag in lags if lag < len(bands) - 1), default=0.0)


def _correlation_at(bands: Array, lag: int) -> float:
    one, other = bands[:-lag], bands[lag:]
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / lengths if lengths > 0 else 0.0

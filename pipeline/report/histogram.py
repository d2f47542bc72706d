"""Distributions in flat memory: counts in bins of a fixed width, whatever comes."""

from __future__ import annotations

import math
from collections import Counter

from pipeline.report.page_data import HistogramView

MOST_BINS, FEWEST_BINS = 60, 8


class Histogram:
    """Counts of numbers in bins `[n * step, (n + 1) * step)`, clamped to `low` and `high`."""

    def __init__(self, title: str, note: str, unit: str, step: float, low: float, high: float) -> None:
        self.title, self.note, self.unit = title, note, unit
        self._per_unit = 1 / step
        self._first, self._last = round(low / step), round(high / step) - 1
        self._bins: Counter[int] = Counter()

    @property
    def total(self) -> int:
        return self._bins.total()

    def add(self, value: object) -> None:
        """Counts a number; null and what is no number is left out."""
        if isinstance(value, int | float) and value == value:  # noqa: PLR0124  # a NaN differs from itself
            place = (value * self._per_unit) // 1
            self._bins[int(min(max(place, self._first), self._last))] += 1

    def view(self) -> HistogramView:
        """The bins from the first that counts to the last; wide ranges in fewer, wider bins."""
        first, last = (min(self._bins), max(self._bins)) if self._bins else (0, 0)
        bins = min(MOST_BINS, max(FEWEST_BINS, 2 * math.isqrt(self.total)))  # few values in few bins
        merge = -(-(last - first + 1) // bins)
        first -= first % merge
        counts = [0] * ((last - first) // merge + 1)
        for place, count in self._bins.items():
            counts[(place - first) // merge] += count
        return HistogramView(
            title=self.title,
            note=self.note,
            unit=self.unit,
            start=round(first / self._per_unit, 6),
            step=round(merge / self._per_unit, 6),
            counts=tuple(counts),
            total=self.total,
            median=self._median(),
        )

    def _median(self) -> float:
        seen = 0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if seen * 2 >= self.total:
                return round((place + 0.5) / self._per_unit, 3)
        return 0.0

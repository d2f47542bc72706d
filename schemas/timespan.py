"""Time spans: integer milliseconds, half-open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class TimeSpan(NamedTuple):
    """`[start_ms, end_ms)`; empty if `end_ms <= start_ms`."""

    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return max(0, self.end_ms - self.start_ms)

    def intersection(self, other: TimeSpan) -> TimeSpan:
        """The common part; empty (at an undefined position) if the two do not overlap."""
        return TimeSpan(max(self.start_ms, other.start_ms), min(self.end_ms, other.end_ms))

    def overlap_ms(self, other: TimeSpan) -> int:
        return self.intersection(other).duration_ms

    def shift(self, offset_ms: int) -> TimeSpan:
        return TimeSpan(self.start_ms + offset_ms, self.end_ms + offset_ms)


def union_spans(spans: Iterable[TimeSpan]) -> tuple[TimeSpan, ...]:
    """The smallest number of disjoint spans, in order, that cover the same time; touching spans are merged."""
    joined: list[TimeSpan] = []
    for span in sorted(span for span in spans if span.duration_ms > 0):
        if joined and span.start_ms <= joined[-1].end_ms:
            joined[-1] = TimeSpan(joined[-1].start_ms, max(joined[-1].end_ms, span.end_ms))
        else:
            joined.append(span)
    return tuple(joined)


def covered_ms(spans: Iterable[TimeSpan]) -> int:
    """Time covered by at least one span."""
    return sum(span.duration_ms for span in union_spans(spans))


def clock(ms: int) -> str:
    """A time as a player shows it: 2:05, 1:02:05."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

"""Where someone speaks in a segment, by its events, in the recording's time and in a clip's samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from annotators.base import Clip, Samples
from schemas.event import EventClass
from schemas.segment import Segment
from schemas.timespan import TimeSpan, union_spans


def speech_stretches(segment: Segment) -> tuple[TimeSpan, ...]:
    """The segment's speech events as disjoint stretches, in order, clipped to the segment."""
    return union_spans(
        event.span.intersection(segment.span) for event in segment.events if event.event_class is EventClass.SPEECH
    )


def widen(stretches: tuple[TimeSpan, ...], margin_ms: int, within: TimeSpan) -> tuple[TimeSpan, ...]:
    """`stretches` with `margin_ms` more on both sides, clipped to `within`; those that then touch become one."""
    return union_spans(
        TimeSpan(span.start_ms - margin_ms, span.end_ms + margin_ms).intersection(within) for span in stretches
    )


def gaps_between(stretches: tuple[TimeSpan, ...]) -> tuple[TimeSpan, ...]:
    """The time between neighbouring stretches."""
    return tuple(TimeSpan(before.end_ms, after.start_ms) for before, after in pairwise(stretches))


def sample_mask(clip: Clip, spans: tuple[TimeSpan, ...]) -> NDArray[np.bool_]:
    """True for the samples of the mono `clip` inside one of `spans`: (num_samples,)."""
    mask = np.zeros(len(clip.samples), dtype=np.bool_)
    for span in spans:
        start, stop = _sample_range(clip, span)
        mask[start:stop] = True
    return mask


@dataclass(frozen=True)
class Excerpt:
    """Stretches of a clip put one after the other, with the way back to the recording's time."""

    samples: Samples
    stretches: tuple[TimeSpan, ...]

    def to_recording_ms(self, excerpt_ms: int, ends: bool = False) -> int:
        """The recording's time of `excerpt_ms`; a joint is the end of a stretch where `ends`, else the next's start."""
        passed = 0
        for stretch in self.stretches:
            into = excerpt_ms - passed
            if into < stretch.duration_ms or (ends and into == stretch.duration_ms):
                return stretch.start_ms + max(0, into)
            passed += stretch.duration_ms
        return self.stretches[-1].end_ms


def excerpt(clip: Clip, stretches: tuple[TimeSpan, ...]) -> Excerpt:
    """The audio of `stretches`, which are disjoint, in order, inside the segment and at least one."""
    parts = [clip.samples[start:stop] for start, stop in (_sample_range(clip, span) for span in stretches)]
    return Excerpt(np.concatenate(parts), stretches)


def _sample_range(clip: Clip, span: TimeSpan) -> tuple[int, int]:
    local = span.shift(-clip.segment.start_ms)
    start, stop = (time_ms * clip.sample_rate_hz // 1000 for time_ms in local)
    return max(0, start), max(0, min(stop, len(clip.samples)))

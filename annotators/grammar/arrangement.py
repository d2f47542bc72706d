"""How separate sounds lie: beside a stream, next to each other, in time and in loudness."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from soundseam.annotators.grammar.events import ALL_OF_IT, SegmentEvent, Timeline
from soundseam.schemas.timespan import covered_ms, union_spans

_CLEARLY_LOUDER_DB = 6.0
_LOUDEST_DB = 3.0
ORDINALS = ("first", "second", "third")
COUNTED = 6
"""Up to this number sounds are counted; above it, the words are several or many."""
_TOO_SHORT_FOR_PLACES_MS = 2_000


class Beside(StrEnum):
    """Where sounds lie relative to a stream."""

    DURING = "during"
    BEFORE = "before"
    AFTER = "after"
    GAP = "in a gap"
    PARTLY = "partly during"
    ALONG = "along with"


def beside_stream(sounds: Sequence[SegmentEvent], timeline: Timeline) -> Beside | None:
    """The position of all `sounds` relative to the only stream; None for none or several."""
    if len(timeline.streams) != 1:
        return None
    stream = timeline.streams[0]
    spans = union_spans(sound.span for sound in sounds)
    covered = stream.covered_ms(spans) / covered_ms(spans)
    if covered >= ALL_OF_IT:
        return Beside.DURING
    if covered <= 1 - ALL_OF_IT:
        if spans[-1].start_ms < stream.start_ms:
            return Beside.BEFORE
        return Beside.AFTER if spans[0].end_ms > stream.end_ms else Beside.GAP
    return Beside.PARTLY if len(sounds) == 1 else Beside.ALONG


def has_no_place(sound: SegmentEvent, timeline: Timeline) -> bool:
    """Whether a sound is alone and fills its segment, or the segment is too short to name places in it."""
    fills = sound.span.duration_ms >= 0.75 * timeline.duration_ms
    return not timeline.streams and (fills or timeline.duration_ms < _TOO_SHORT_FOR_PLACES_MS)


def peak_of(sound: SegmentEvent) -> Literal["start", "end"] | None:
    """Where a sound is loudest; None for in between, or if it is too short to say."""
    if sound.attack_ms is None or sound.span.duration_ms < 300:
        return None
    if sound.attack_ms <= 40:
        return "start"
    return "end" if sound.attack_ms > 0.8 * sound.span.duration_ms else None


def are_together(first: SegmentEvent, second: SegmentEvent) -> bool:
    return first.span.overlap_ms(second.span) >= 0.8 * max(first.span.duration_ms, second.span.duration_ms)


def comes_late(first: SegmentEvent, second: SegmentEvent) -> bool:
    return second.span.start_ms - first.span.end_ms >= 4_000


def louder_of(first: SegmentEvent, second: SegmentEvent) -> Literal[0, 1] | None:
    """The index of the clearly louder one; None if neither is."""
    if first.level_dbfs is None or second.level_dbfs is None:
        return None
    if abs(first.level_dbfs - second.level_dbfs) < _CLEARLY_LOUDER_DB:
        return None
    return 0 if first.level_dbfs > second.level_dbfs else 1


def do_overlap(sounds: Sequence[SegmentEvent]) -> bool:
    return any(after.span.start_ms < before.span.end_ms for before, after in pairwise(sounds))


def loudest_of(sounds: Sequence[SegmentEvent]) -> int | None:
    """The index of the loudest sound, if it is clearly so, and the first, second, third or last one."""
    known = [sound.level_dbfs for sound in sounds if sound.level_dbfs is not None]
    if len(known) < len(sounds) or len(sounds) > COUNTED:
        return None
    ranked = sorted(known, reverse=True)
    if ranked[0] - ranked[1] < _LOUDEST_DB:
        return None
    place = known.index(ranked[0])
    return place if place == len(sounds) - 1 or place < len(ORDINALS) else None


def spread_of(sounds: Sequence[SegmentEvent], timeline: Timeline) -> Literal["quick", "whole"] | float | None:
    """Whether sounds come in quick succession, at one place (a share of the timeline), over the whole time, or
    neither.
    """
    start, end = sounds[0].span.start_ms, max(sound.span.end_ms for sound in sounds)
    gaps = [after.span.start_ms - before.span.end_ms for before, after in pairwise(sounds)]
    if max(gaps) <= 350:
        return None if do_overlap(sounds) else "quick"
    if end - start <= 0.4 * timeline.duration_ms:
        return (start + end) / 2 / timeline.duration_ms
    reaches = end - start >= 0.75 * timeline.duration_ms and max(gaps) <= 0.5 * timeline.duration_ms
    return "whole" if reaches and len(sounds) > 2 else None

"""Windows of a recording: runs of consecutive segments of drawn lengths, ending with chapters if they can."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from soundseam.pipeline.long.config import LongConfig, WindowConfig
from soundseam.pipeline.long.facts import RecordingFacts, SegmentFacts
from soundseam.schemas.long import Stretch, Window
from soundseam.schemas.record import draw
from soundseam.schemas.segment import segment_id_of
from soundseam.schemas.timespan import TimeSpan, union_spans


@dataclass(frozen=True)
class _Edges:
    """The chapters of a recording as indices into its segments."""

    spans: Sequence[tuple[int, int]]

    @property
    def starts(self) -> list[int]:
        return [first for first, _ in self.spans]

    def touched(self, first: int, stop: int) -> tuple[int, ...]:
        """The chapters that have one of the segments from `first` to `stop`."""
        starts = self.starts
        return tuple(range(bisect_right(starts, first) - 1, bisect_right(starts, stop - 1)))


def windows_of(
    recording: RecordingFacts,
    chapters: Sequence[tuple[int, int]],
    config: LongConfig,
    left_out: Collection[str],
    config_key: str,
) -> Iterator[Window]:
    """The windows of a recording in order; `left_out` are segments to leave out besides filtered ones.

    Every run of segments that a window may span is divided completely. Pure: equal facts give equal windows.
    """
    bad = _excluded(recording, left_out)
    for first, stop in _runs(recording, bad, config.windows):
        ends = {end for _, end in chapters}
        at = first
        while at < stop:
            name = recording.segments[at].segment_id
            target_ms = _drawn_ms(config.windows, draw(config.seed, name))
            end = _end_of(recording.segments, (at, stop), target_ms, ends, config.windows)
            if end - at >= config.windows.min_segments:
                yield _window(recording, (at, end), target_ms, _Edges(chapters), bad, config_key)
            at = end


def _excluded(recording: RecordingFacts, left_out: Collection[str]) -> tuple[TimeSpan, ...]:
    """Stretches that no window may span: rejected ones, and segments that are filtered or left out."""
    names = recording.excluded | frozenset(left_out)
    return union_spans([*recording.rejected, *(one.span for one in recording.segments if one.segment_id in names)])


def _runs(recording: RecordingFacts, bad: Sequence[TimeSpan], config: WindowConfig) -> Iterator[tuple[int, int]]:
    """(first, stop) of segments that may stand in one window: of one licence and manifest line, without a long gap."""
    segments, said = recording.segments, recording.said
    first: int | None = None
    for index, segment in enumerate(segments):
        allowed = config.allow_excluded or not _crosses(bad, segment.span)
        if first is not None and (not allowed or not _goes_on(segments[index - 1], segment, said, bad, config)):
            yield first, index
            first = None
        if allowed and first is None:
            first = index
    if first is not None:
        yield first, len(segments)


def _goes_on(
    before: SegmentFacts,
    after: SegmentFacts,
    said: object,
    bad: Sequence[TimeSpan],
    config: WindowConfig,
) -> bool:
    gap = TimeSpan(before.span.end_ms, after.span.start_ms)
    if gap.duration_ms > config.max_gap_ms or (not config.allow_excluded and _crosses(bad, gap)):
        return False
    return not isinstance(said, dict) or said.get(before.segment_id) == said.get(after.segment_id)


def _crosses(bad: Sequence[TimeSpan], span: TimeSpan) -> bool:
    """Whether `span` has a part of the disjoint, ordered stretches `bad`."""
    at = bisect_right(bad, span.start_ms, key=lambda one: one.end_ms)
    return at < len(bad) and bad[at].overlap_ms(span) > 0


def _drawn_ms(config: WindowConfig, drawn: float) -> int:
    """The length at `drawn`, in [0, 1), of the cumulated shares."""
    left = drawn * sum(length.share for length in config.lengths)
    for length in config.lengths:
        left -= length.share
        if left < 0:
            return round(1000 * length.seconds)
    return round(1000 * config.lengths[-1].seconds)


def _end_of(
    segments: Sequence[SegmentFacts], run: tuple[int, int], target_ms: int, ends: Collection[int], config: WindowConfig
) -> int:
    """Where a window that begins at run[0] ends: the end of a chapter near the target, else the nearest segment's."""
    first, stop = run
    start_ms, best, best_cost = segments[first].span.start_ms, first + 1, float("inf")
    allowed_ms = config.tolerance * target_ms
    for end in range(first + 1, stop + 1):
        off_ms = segments[end - 1].span.end_ms - start_ms - target_ms
        at_chapter = end in ends and abs(off_ms) <= allowed_ms
        cost = abs(off_ms) - (allowed_ms if at_chapter else 0)
        # Too few segments are no window, so that their end is the last choice.
        cost += 0 if end - first >= config.min_segments else 2 * target_ms
        if cost < best_cost:
            best, best_cost = end, cost
        if off_ms > allowed_ms and end - first >= config.min_segments:
            break
    return (
        stop if stop - best < config.min_segments and stop != best and _fits(segments, first, stop, target_ms) else best
    )


def _fits(segments: Sequence[SegmentFacts], first: int, stop: int, target_ms: int) -> bool:
    """Whether the rest of a run, too short for a window of its own, may join this one."""
    return segments[stop - 1].span.end_ms - segments[first].span.start_ms <= min(2 * target_ms, 3_600_000)


def _window(
    recording: RecordingFacts,
    part: tuple[int, int],
    target_ms: int,
    chapters: _Edges,
    bad: Sequence[TimeSpan],
    config_key: str,
) -> Window:
    first, stop = part
    segments = recording.segments[first:stop]
    span = TimeSpan(segments[0].span.start_ms, segments[-1].span.end_ms)
    license_, language, _ = _common([recording.said.get(one.segment_id, (None, None, None)) for one in segments])
    inside = (one.intersection(span) for one in bad)
    return Window(
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        window_id=segment_id_of(recording.recording_id, span),
        recording_id=recording.recording_id,
        source_uri=recording.source_uri,
        target_ms=target_ms,
        segment_ids=tuple(one.segment_id for one in segments),
        segment_ms=sum(one.span.duration_ms for one in segments),
        chapters=chapters.touched(first, stop),
        starts_chapter=first in chapters.starts,
        ends_chapter=stop in {end for _, end in chapters.spans},
        excluded=tuple(Stretch(start_ms=one.start_ms, end_ms=one.end_ms) for one in inside if one.duration_ms),
        license=license_,
        language=language,
        config_key=config_key,
    )


def _common(said: Sequence[tuple[str | None, ...]]) -> tuple[str | None, ...]:
    return tuple(values[0] if len(set(values)) == 1 else None for values in zip(*said, strict=True))


def gaps_of(window: Window) -> Iterator[TimeSpan]:
    """The stretches of a window without a segment, in order."""
    times = [tuple(map(int, name.rsplit("-", 2)[1:])) for name in window.segment_ids]
    for (_, end_ms), (start_ms, _) in pairwise(times):
        if start_ms > end_ms:
            yield TimeSpan(end_ms, start_ms)

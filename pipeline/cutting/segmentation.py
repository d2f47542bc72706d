"""From a waveform to the drafts of its segments: detect, combine, cut, profile, route."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Waveform
from soundseam.annotators.detection.activity import duration_ms_of, in_order
from soundseam.annotators.detection.base import Detection, Detector
from soundseam.pipeline.cutting.candidates import (
    CLASSES,
    ONE_EVENT,
    Activity,
    Candidates,
    CutConfig,
    Foreground,
    Ints,
    candidates_of,
    look_around,
)
from soundseam.pipeline.cutting.cut import choose_boundaries, islands_of, segment_cost
from soundseam.pipeline.cutting.route import RouteConfig, profile_of, route
from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Boundary
from soundseam.schemas.timespan import TimeSpan


class SegmentationConfig(Record):
    """Options for cutting a recording and routing its segments."""

    cut: CutConfig = Field(default=CutConfig(), description="lengths and costs of the cut")
    route: RouteConfig = Field(default=RouteConfig(), description="which branches get a segment")


@dataclass(frozen=True)
class SegmentDraft:
    """A segment before it belongs to a recording; times count from the waveform's start."""

    span: TimeSpan
    events: tuple[Event, ...]
    """In order of onset, clipped to the span, including beds."""
    profile: tuple[ProfileEntry, ...]
    branches: tuple[Branch, ...]
    start_boundary: Boundary
    end_boundary: Boundary


def segment_waveform(
    waveform: Waveform, detectors: Sequence[Detector], config: SegmentationConfig
) -> tuple[SegmentDraft, ...]:
    """The segments of a waveform, in order; none if it has no event."""
    duration_ms = duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
    detections = [detector.detect(waveform) for detector in detectors]
    return segment_detection(combine(detections), duration_ms, config)


@dataclass(frozen=True)
class Scene:
    """The combined result of all detectors."""

    events: tuple[Event, ...]
    activity: Activity


def combine(detections: Sequence[Detection]) -> Scene:
    """One list of events: each class comes from the first detector that detects it.

    So `silero_vad` before another detector replaces only that one's speech. The activity is the highest score of any
    class, except beds, in the detector it comes from.
    """
    taken: set[EventClass] = set()
    events: list[Event] = []
    curves = []
    for detection in detections:
        own = [index for index, name in enumerate(detection.frames.classes) if name not in taken]
        names = {detection.frames.classes[index] for index in own}
        events += [event for event in detection.events if event.event_class in names]
        taken |= names
        if own and len(detection.frames.scores):
            curves.append(_activity(detection, own))
    return Scene(in_order(events), _loudest(curves))


def _activity(detection: Detection, columns: Sequence[int]) -> Activity:
    """The highest score among `columns` at each frame, without classes that are a bed there."""
    hop_ms, level = detection.frames.hop_ms, np.zeros(len(detection.frames.scores), dtype=np.float16)
    for column in columns:
        own = detection.frames.scores[:, column].copy()
        for event in detection.events:
            if event.is_bed and event.event_class is detection.frames.classes[column]:
                own[event.onset_ms // hop_ms : -(-event.offset_ms // hop_ms)] = 0.0
        np.maximum(level, own, out=level)
    return Activity(hop_ms, level)


def _loudest(curves: Sequence[Activity]) -> Activity:
    """The maximum of `curves` on the finest of their grids; zero if there are none."""
    if not curves:
        return Activity(1000, np.zeros(1, dtype=np.float16))
    hop_ms = min(curve.hop_ms for curve in curves)
    length = max(-(-len(curve.level) * curve.hop_ms // hop_ms) for curve in curves)
    middle_ms = np.arange(length) * hop_ms + hop_ms // 2
    level = np.zeros(length, dtype=np.float16)
    for curve in curves:
        np.maximum(level, curve.level[np.minimum(middle_ms // curve.hop_ms, len(curve.level) - 1)], out=level)
    return Activity(hop_ms, level)


def segment_detection(scene: Scene, duration_ms: int, config: SegmentationConfig) -> tuple[SegmentDraft, ...]:
    """The segments of a recording of `duration_ms` in which a detector found `scene`."""
    within = TimeSpan(0, duration_ms)
    events = in_order([_clip(event, within) for event in scene.events if event.span.overlap_ms(within) > 0])
    foreground = Foreground.of(events)
    pieces: list[_Piece] = []
    for island in islands_of(events, duration_ms, config.cut):
        candidates = candidates_of(island, foreground, scene.activity, config.cut)
        pieces += _pieces(candidates, choose_boundaries(candidates, config.cut), config.cut)
    spans = [piece.span for piece in pieces]
    boundaries = _boundaries(pieces, foreground, duration_ms)
    return tuple(
        SegmentDraft(
            span=span,
            events=own,
            profile=profile_of(own, span),
            branches=route(own, config.route),
            start_boundary=start,
            end_boundary=end,
        )
        for span, own, (start, end) in zip(spans, _events_of_spans(events, spans), boundaries, strict=True)
    )


@dataclass(frozen=True)
class _Piece:
    """A segment's span and the cost of each of its boundaries."""

    span: TimeSpan
    start_cost: float
    end_cost: float


def _pieces(candidates: Candidates, path: Ints, config: CutConfig) -> list[_Piece]:
    times = candidates.time_ms[path]
    segments = segment_cost(candidates, path[:-1], path[1:], config)
    # A boundary's cost includes that of the segment that it ends; only cut events cost thousands.
    costs = np.concatenate(([0], segments)) / 1000 + candidates.break_cost[path] / 1000
    costs += 1000 * (candidates.cut_cost[path] / ONE_EVENT)
    costs[[0, -1]] = 0.0
    rounded = [round(float(cost), 3) for cost in costs]
    spans = [TimeSpan(int(start), int(end)) for start, end in pairwise(times)]
    return [_Piece(*piece) for piece in zip(spans, rounded[:-1], rounded[1:], strict=True)]


def _boundaries(
    pieces: Sequence[_Piece], foreground: Foreground, duration_ms: int
) -> Iterator[tuple[Boundary, Boundary]]:
    times = np.array([time for piece in pieces for time in piece.span], dtype=np.int64)
    around = look_around(times, foreground, duration_ms)
    costs = [cost for piece in pieces for cost in (piece.start_cost, piece.end_cost)]
    made = []
    for index, time_ms in enumerate(times.tolist()):
        before, after = (CLASSES[code] if code >= 0 else None for code in (around.before[index], around.after[index]))
        forced = bool(around.cut_events[index] > 0)
        gap_ms = int(around.gap_ms[index])
        edge = time_ms in (0, duration_ms)
        made.append(
            Boundary(
                reason=_reason(edge, forced, gap_ms, changes=before is not after),
                cost=costs[index],
                before=before,
                after=after,
                gap_ms=gap_ms,
                forced=forced,
            )
        )
    yield from zip(made[::2], made[1::2], strict=True)


def _reason(edge: bool, forced: bool, gap_ms: int, changes: bool) -> str:
    if edge:
        return "recording_edge"
    if forced:
        return "forced"
    if gap_ms == 0:
        return "touching_events"
    return "class_change" if changes else "gap"


def _events_of_spans(events: Sequence[Event], spans: Sequence[TimeSpan]) -> Iterator[tuple[Event, ...]]:
    """The events of each of `spans`, which are disjoint and in order, clipped to it."""
    onsets = [event.onset_ms for event in events]
    waiting: list[Event] = []
    taken = 0
    for span in spans:
        stop = bisect_left(onsets, span.end_ms)
        waiting = [event for event in [*waiting, *events[taken:stop]] if event.offset_ms > span.start_ms]
        taken = stop
        yield in_order([_clip(event, span) for event in waiting])


def _clip(event: Event, span: TimeSpan) -> Event:
    if span.start_ms <= event.onset_ms and event.offset_ms <= span.end_ms:
        return event
    inside = event.span.intersection(span)
    return event.model_copy(update={"onset_ms": inside.start_ms, "offset_ms": inside.end_ms})

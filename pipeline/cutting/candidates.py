"""Candidate cuts of a recording and their costs. Vectorised over events and candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan

FINEST_CELL_MS = 100
COARSEST_CELL_MS = 1000


class CutConfig(Record):
    """Lengths and costs. Cutting an event always costs more than anything else; the rest is weighted by these options.

    The unit of a weight is the cost of one segment of length zero or twice the target.
    """

    min_ms: int = Field(
        default=1_000, ge=1, description="shortest segment; only a shorter recording gives a shorter one"
    )
    target_ms: int = Field(default=12_000, ge=1, description="preferred length, with cost 0")
    max_ms: int = Field(default=30_000, ge=1, description="longest segment")
    leave_out_ms: int = Field(
        default=4_000,
        ge=1,
        description="a stretch without any event longer than this is left out except for its margins",
    )
    margin_ms: int = Field(default=500, ge=0, description="the part of such a stretch that is kept next to an event")
    impure_weight: float = Field(
        default=20.0, ge=0.0, description="cost per second of event time in a segment that is not of its main class"
    )
    change_weight: float = Field(
        default=2.0, ge=0.0, description="cost of a change of class inside a segment, if it has a gap to cut in"
    )
    change_gap_ms: int = Field(default=400, ge=1, description="with a shorter gap the cost is proportionally less")
    break_weight: float = Field(
        default=0.5, ge=0.0, description="cost of a boundary between two events of one class that almost touch"
    )
    pause_ms: int = Field(default=600, ge=1, description="a gap of at least this length between them costs nothing")
    risk_weight: float = Field(
        default=1.0, ge=0.0, description="cost of a boundary where a detector has a high score without an event"
    )
    tight_weight: float = Field(default=1.0, ge=0.0, description="cost of a boundary right at an event's edge")
    clearance_ms: int = Field(default=200, ge=1, description="at this distance from any event, that costs nothing")

    @property
    def cell_ms(self) -> int:
        """Every two cells contain at least one candidate, so any stretch can be cut within the length limits."""
        return min(COARSEST_CELL_MS, (self.max_ms - 2 * self.min_ms) // 2)

    @model_validator(mode="after")
    def _a_cut_within_the_limits_exists(self) -> Self:
        if not self.min_ms <= self.target_ms <= self.max_ms:
            raise ValueError(
                f"cut.target_ms ({self.target_ms}) must lie from min_ms ({self.min_ms}) to max_ms ({self.max_ms})"
            )
        if self.max_ms < 2 * self.min_ms + 2 * FINEST_CELL_MS:
            raise ValueError(
                f"cut.max_ms ({self.max_ms}) must be at least twice min_ms ({self.min_ms}) and "
                f"{2 * FINEST_CELL_MS} ms "
                "more, or some lengths could not be cut at all: raise it or lower min_ms"
            )
        if self.leave_out_ms < 2 * max(self.margin_ms, self.min_ms):
            raise ValueError(
                f"cut.leave_out_ms ({self.leave_out_ms}) must be at least twice margin_ms ({self.margin_ms}) and "
                "twice "
                f"min_ms ({self.min_ms}), so that segments on both sides have room"
            )
        return self


Ints = NDArray[np.int64]

ONE_EVENT = 1_000_000
"""Cost of cutting one event; its salience, at most a thousandth of this, decides among equals."""
SALIENCE = 1000

CLASSES = tuple(EventClass)


@dataclass(frozen=True)
class Activity:
    """A detector's highest score of any class except beds: `level` (num_frames,), in [0, 1], one per `hop_ms`."""

    hop_ms: int
    level: NDArray[np.float16]


@dataclass(frozen=True)
class Foreground:
    """The events that boundaries respect (all except beds), in order of onset, as arrays (num_events,)."""

    onset_ms: Ints
    offset_ms: Ints
    event_class: Ints
    """Index into CLASSES."""
    salience: Ints
    """Score in thousandths."""

    @staticmethod
    def of(events: Sequence[Event]) -> Foreground:
        foreground = sorted(
            (event for event in events if not event.is_bed and event.span.duration_ms > 0),
            key=lambda event: (event.onset_ms, event.offset_ms, event.event_class),
        )
        return Foreground(
            np.array([event.onset_ms for event in foreground], dtype=np.int64),
            np.array([event.offset_ms for event in foreground], dtype=np.int64),
            np.array([CLASSES.index(event.event_class) for event in foreground], dtype=np.int64),
            np.array([round(SALIENCE * event.score) for event in foreground], dtype=np.int64),
        )

    def within(self, span: TimeSpan) -> Foreground:
        """The events that begin in `span`."""
        own = slice(*np.searchsorted(self.onset_ms, span).tolist())
        return Foreground(self.onset_ms[own], self.offset_ms[own], self.event_class[own], self.salience[own])


@dataclass(frozen=True)
class Surroundings:
    """The surroundings of given times: arrays (num_times,)."""

    cut_events: Ints
    """Events that begin before and end after the time."""
    cut_salience: Ints
    gap_ms: Ints
    """Event-free time around it; 0 inside an event; extends to the recording's edges if there is no event."""
    clearance_ms: Ints
    """Distance to the nearest event; 0 inside one."""
    before: Ints
    """Class of the event that ended last, an index into CLASSES; -1 for none. Inside an event, that event's."""
    after: Ints
    """Class of the event that begins next, likewise."""


def look_around(times_ms: Ints, foreground: Foreground, duration_ms: int) -> Surroundings:
    """The surroundings of each of `times_ms` (num_times,)."""
    onset, offset = foreground.onset_ms, foreground.offset_ms
    by_offset = np.argsort(offset, kind="stable")
    begun = np.searchsorted(onset, times_ms, side="left")
    ended = np.searchsorted(offset[by_offset], times_ms, side="right")
    begun_salience = np.concatenate(([0], np.cumsum(foreground.salience)))
    ended_salience = np.concatenate(([0], np.cumsum(foreground.salience[by_offset])))
    latest_end = np.concatenate(([0], np.maximum.accumulate(offset)))
    # The event that extends furthest so far: at the last new value of the running maximum.
    record = np.where(offset >= latest_end[1:], np.arange(len(offset)), 0)
    furthest = np.maximum.accumulate(record)
    classes = np.concatenate((foreground.event_class, [-1]))
    previous_end = latest_end[begun]
    next_onset = np.concatenate((onset, [duration_ms]))[begun]
    before = np.where(begun > 0, classes[np.concatenate(([-1], furthest))[begun]], -1)
    inside = begun > ended
    return Surroundings(
        cut_events=begun - ended,
        cut_salience=begun_salience[begun] - ended_salience[ended],
        gap_ms=np.where(inside, 0, next_onset - previous_end),
        clearance_ms=np.where(inside, 0, np.minimum(_clear(times_ms - previous_end, begun > 0), next_onset - times_ms)),
        before=before,
        after=np.where(inside, before, classes[np.minimum(begun, len(onset))]),
    )


def _clear(distance: Ints, has_event: NDArray[np.bool_]) -> Ints:
    return np.where(has_event, distance, np.iinfo(np.int64).max)


def class_time(times_ms: Ints, foreground: Foreground) -> Ints:
    """Time of each class up to each of `times_ms`: (num_times, num_classes), each class's overlaps counted once."""
    columns = []
    for index in np.unique(foreground.event_class):
        own = foreground.event_class == index
        columns.append(_covered_before(times_ms, foreground.onset_ms[own], foreground.offset_ms[own]))
    return np.stack(columns, axis=1) if columns else np.zeros((len(times_ms), 1), dtype=np.int64)


def _covered_before(times_ms: Ints, onset: Ints, offset: Ints) -> Ints:
    """Time before each of `times_ms` covered by the spans, which are sorted by onset."""
    reach = np.maximum.accumulate(offset)
    fresh = np.concatenate(([True], onset[1:] > reach[:-1]))
    starts = onset[fresh]
    stops = reach[np.concatenate((np.flatnonzero(fresh)[1:] - 1, [len(onset) - 1]))]
    whole = np.concatenate(([0], np.cumsum(stops - starts)))
    index = np.searchsorted(starts, times_ms, side="right")
    last_start, last_stop = starts[np.maximum(index - 1, 0)], stops[np.maximum(index - 1, 0)]
    partial = np.minimum(times_ms, last_stop) - last_start
    return np.where(index > 0, whole[np.maximum(index - 1, 0)] + partial, 0)


def candidate_times(island: TimeSpan, foreground: Foreground, activity: Activity, cell_ms: int) -> Ints:
    """The candidate times in `island`, including its ends, ascending, each once.

    The edges of every event, and the quietest point of each piece between two of them or between the ticks of a grid of
    `cell_ms`: so every two cells contain a candidate, in gaps and inside events.
    """
    ticks = np.arange(-(-island.start_ms // cell_ms), island.end_ms // cell_ms + 1) * cell_ms
    edges = np.concatenate((foreground.onset_ms, foreground.offset_ms))
    edges = edges[(edges > island.start_ms) & (edges < island.end_ms)]
    bounds = np.unique(np.concatenate((list(island), ticks, edges)))
    quiet = _quietest(bounds[:-1], bounds[1:], activity)
    return np.unique(np.concatenate((list(island), edges, quiet)))


def _quietest(start_ms: Ints, stop_ms: Ints, activity: Activity) -> Ints:
    """The centre of the quietest frame inside each piece; among nearly equal ones the closest to its middle."""
    hop, middle = activity.hop_ms, (start_ms + stop_ms) // 2
    first = -(-start_ms // hop)
    count = np.minimum(stop_ms // hop, len(activity.level)) - first
    has_frames = count > 0
    if not has_frames.any():
        return middle
    first, count = first[has_frames], count[has_frames]
    piece = np.repeat(np.arange(len(first)), count)
    begin = np.concatenate(([0], np.cumsum(count)[:-1]))
    frame = np.arange(len(piece)) - np.repeat(begin - first, count)
    middle_frame = np.repeat(first + (count - 1) / 2, count)
    off_centre = np.abs(frame - middle_frame) / np.repeat(count, count)
    risk = activity.level[frame].astype(np.float64) + OFF_CENTRE * off_centre
    lowest = np.minimum.reduceat(risk, begin)
    hits = np.flatnonzero(risk == lowest[piece])
    chosen = hits[np.concatenate(([True], np.diff(piece[hits]) > 0))]
    middle = middle.copy()
    middle[has_frames] = frame[chosen] * hop + hop // 2
    return middle


OFF_CENTRE = 0.02
"""Penalty, as a score, for a point at the distance of a whole piece from the middle."""


@dataclass(frozen=True)
class Candidates:
    """The candidates of one island: arrays (num_candidates,), ascending, its ends first and last."""

    time_ms: Ints
    cut_cost: Ints
    """ONE_EVENT per event cut, plus salience."""
    break_cost: Ints
    """The boundary's cost in coherence, in thousandths."""
    class_ms: Ints
    """(num_candidates, num_classes): time of each class before the candidate."""
    changes_ended: Ints
    changes_begun: Ints
    """The cost, in thousandths, of not cutting at the changes of class whose gap ends before the candidate, and of
    those whose gap has begun there: a segment pays the first at its end minus the second at its start.
    """


def candidates_of(island: TimeSpan, foreground: Foreground, activity: Activity, config: CutConfig) -> Candidates:
    """The candidates of `island` with their costs; its two ends cost nothing."""
    foreground = foreground.within(island)
    times = candidate_times(island, foreground, activity, config.cell_ms)
    around = look_around(times, foreground, island.end_ms)
    level = activity.level[np.minimum(times // activity.hop_ms, len(activity.level) - 1)].astype(np.float64)
    weakness = np.where(around.cut_events > 0, np.rint(SALIENCE * level).astype(np.int64), 0)
    cut_cost = ONE_EVENT * around.cut_events + around.cut_salience + weakness
    break_cost = _break_cost(around, level, config)
    break_cost[[0, -1]] = 0
    ended, begun = changes_around(times, foreground, config)
    return Candidates(times, cut_cost, break_cost, class_time(times, foreground), ended, begun)


def changes_around(times_ms: Ints, foreground: Foreground, config: CutConfig) -> tuple[Ints, Ints]:
    """The weights of all changes of class that end before, and that begin at or before, each of `times_ms`.

    A change is a gap without events whose preceding event, the one that ended last, has another class than the next
    one. Its weight is `change_weight` for a gap of at least `change_gap_ms`, less for a shorter one.
    """
    onset = foreground.onset_ms
    reach = np.maximum.accumulate(foreground.offset_ms)[:-1]
    last = np.maximum.accumulate(np.where(foreground.offset_ms[:-1] >= reach, np.arange(len(reach)), 0))
    changes = (onset[1:] >= reach) & (foreground.event_class[1:] != foreground.event_class[last])
    begins, ends = reach[changes], onset[1:][changes]
    share = np.minimum((ends - begins) / config.change_gap_ms, 1.0)
    weight = np.rint(1000.0 * config.change_weight * share).astype(np.int64)
    total = np.concatenate(([0], np.cumsum(weight)))
    return total[np.searchsorted(ends, times_ms, side="left")], total[np.searchsorted(begins, times_ms, side="right")]


def _break_cost(around: Surroundings, level: NDArray[np.float64], config: CutConfig) -> Ints:
    same_class = (around.before == around.after) & (around.before >= 0)
    nearness = 1.0 - np.minimum(around.gap_ms / config.pause_ms, 1.0)
    pause = np.where(same_class & (around.cut_events == 0), config.break_weight * nearness, 0.0)
    tight = config.tight_weight * (1.0 - np.minimum(around.clearance_ms / config.clearance_ms, 1.0))
    # Inside an event, the level is already part of the cost of cutting it.
    risk = np.where(around.cut_events > 0, 0.0, config.risk_weight * level)
    return np.rint(1000.0 * (pause + tight + risk)).astype(np.int64)

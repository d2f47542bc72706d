"""Chooses all boundaries together: the exact path of minimum cost through all candidates, by dynamic programming.

Costs are integers and compared in two ranks: first the cost of cutting events; then, among equal ones, the cost of
incoherent content, short pauses and unusual lengths. With integers, sums do not depend on the order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundseam.pipeline.cutting.candidates import Candidates, CutConfig, Ints
from soundseam.schemas.event import Event
from soundseam.schemas.timespan import TimeSpan, union_spans

UNREACHED = np.iinfo(np.int64).max // 4


def islands_of(events: Sequence[Event], duration_ms: int, config: CutConfig) -> tuple[TimeSpan, ...]:
    """The stretches of a recording to cut further, disjoint and in order; they contain all events, including beds.

    The time between two of them is event-free and longer than `leave_out_ms` minus its margins. Each is at least
    `min_ms` long unless the recording is shorter.
    """
    spans = union_spans(event.span.intersection(TimeSpan(0, duration_ms)) for event in events)
    islands: list[TimeSpan] = []
    for start_ms, end_ms in spans:
        if islands and start_ms - islands[-1].end_ms <= config.leave_out_ms:
            islands[-1] = TimeSpan(islands[-1].start_ms, end_ms)
        else:
            islands.append(TimeSpan(start_ms, end_ms))
    if not islands:
        return ()
    starts = [0 if islands[0].start_ms <= config.leave_out_ms else islands[0].start_ms - config.margin_ms]
    starts += [island.start_ms - config.margin_ms for island in islands[1:]]
    ends = [island.end_ms + config.margin_ms for island in islands[:-1]]
    last_ms = islands[-1].end_ms
    ends += [duration_ms if duration_ms - last_ms <= config.leave_out_ms else last_ms + config.margin_ms]
    return tuple(
        _at_least(TimeSpan(start, end), config.min_ms, duration_ms) for start, end in zip(starts, ends, strict=True)
    )


def _at_least(span: TimeSpan, min_ms: int, duration_ms: int) -> TimeSpan:
    """`span` extended into the free time around it, evenly if the recording has room on both sides."""
    missing = max(0, min_ms - span.duration_ms)
    start_ms = max(0, min(span.start_ms - missing // 2, duration_ms - min_ms))
    return TimeSpan(start_ms, min(duration_ms, max(span.end_ms, start_ms + min_ms)))


def length_cost(length_ms: Ints, config: CutConfig) -> Ints:
    """Thousandths for each segment length: 0 at the target, 1000 at zero and at twice the target."""
    cost: Ints = 1000 * (length_ms - config.target_ms) ** 2 // config.target_ms**2
    return cost


def segment_cost(candidates: Candidates, starts: Ints, stops: Ints | np.int64, config: CutConfig) -> Ints:
    """Thousandths for each segment between candidates `starts` and `stops`, two arrays of indices or one and a scalar.

    The cost of its length, of event time outside its main class, and of changes of class inside it.
    """
    length_ms = candidates.time_ms[stops] - candidates.time_ms[starts]
    own_ms = candidates.class_ms[stops] - candidates.class_ms[starts]
    changes: Ints = np.maximum(candidates.changes_ended[stops] - candidates.changes_begun[starts], 0)
    impure_ms = own_ms.sum(axis=1) - own_ms.max(axis=1)
    impure_cost: Ints = np.rint(config.impure_weight * impure_ms).astype(np.int64)
    return impure_cost + changes + length_cost(length_ms, config)


def choose_boundaries(candidates: Candidates, config: CutConfig) -> Ints:
    """Indices of the candidates that cut an island at minimum cost, including its two ends.

    Of two paths of equal cost, the one with the earlier boundary, seen from the end, is taken. A candidate's window
    contains those `min_ms` to `max_ms` before it, so time is linear in the island's length. An island shorter than
    `min_ms` is not cut.
    """
    times = candidates.time_ms
    if times[-1] - times[0] <= config.min_ms:
        return np.array([0, len(times) - 1])
    cut, previous = _walk(candidates, config)
    if cut[-1] >= UNREACHED:
        raise AssertionError("no path through the candidates: a gap between two of them is wider than two cells")
    path = [len(times) - 1]
    while path[-1] > 0:
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1])


def _walk(candidates: Candidates, config: CutConfig) -> tuple[Ints, Ints]:
    """The minimum cost of cutting events on a path to each candidate, and its predecessor on the best path."""
    times = candidates.time_ms
    lows = np.searchsorted(times, times - config.max_ms, side="left").tolist()
    highs = np.searchsorted(times, times - config.min_ms, side="right").tolist()
    cut = np.full(len(times), UNREACHED, dtype=np.int64)
    rest = np.full(len(times), UNREACHED, dtype=np.int64)
    previous = np.zeros(len(times), dtype=np.int64)
    cut[0] = rest[0] = 0
    for index in range(1, len(times)):
        low, high = lows[index], highs[index]
        if low >= high:
            continue
        window = cut[low:high]
        least = window.min()
        if least >= UNREACHED:
            continue
        reach = np.flatnonzero(window == least) + low
        cost = rest[reach] + segment_cost(candidates, reach, np.int64(index), config)
        best = int(cost.argmin())
        previous[index] = reach[best]
        cut[index] = least + candidates.cut_cost[index]
        rest[index] = cost[best] + candidates.break_cost[index]
    return cut, previous

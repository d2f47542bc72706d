"""The dynamic program finds the best boundaries there are."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.pipeline.cutting.candidates import (
    ONE_EVENT,
    Activity,
    Candidates,
    CutConfig,
    Foreground,
    Ints,
    candidate_times,
    candidates_of,
    changes_around,
    class_time,
)
from soundseam.pipeline.cutting.cut import choose_boundaries, islands_of
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan
from tests.support.scenes import event

SMALL = CutConfig(min_ms=1_000, target_ms=3_000, max_ms=6_000)


def plain(times: Ints, cut_cost: Ints, break_cost: Ints) -> Candidates:
    """Candidates between which nothing sounds."""
    nothing = np.zeros(len(times), dtype=np.int64)
    return Candidates(times, cut_cost, break_cost, nothing[:, None], nothing, nothing)


def cost_of(candidates: Candidates, path: tuple[int, ...], config: CutConfig) -> tuple[int, int] | None:
    """What a way through the candidates costs, in plain Python; None if a segment breaks the length limits."""
    cut = rest = 0
    for before, after in pairwise(path):
        length = int(candidates.time_ms[after] - candidates.time_ms[before])
        if not config.min_ms <= length <= config.max_ms:
            return None
        own = [int(value) for value in candidates.class_ms[after] - candidates.class_ms[before]]
        changes = int(candidates.changes_ended[after] - candidates.changes_begun[before])
        rest += max(0, changes) + round(config.impure_weight * (sum(own) - max(own)))
        rest += 1000 * (length - config.target_ms) ** 2 // config.target_ms**2
        cut += int(candidates.cut_cost[after])
        rest += int(candidates.break_cost[after])
    return cut, rest


def best_cost(candidates: Candidates, config: CutConfig) -> tuple[int, int]:
    """The least cost of all subsets of the inner candidates."""
    inner, last = range(1, len(candidates.time_ms) - 1), len(candidates.time_ms) - 1
    costs = [
        cost_of(candidates, (0, *chosen, last), config)
        for size in range(len(inner) + 1)
        for chosen in combinations(inner, size)
    ]
    return min(cost for cost in costs if cost is not None)


@st.composite
def small_candidates(draw: st.DrawFn) -> Candidates:
    steps = draw(st.lists(st.integers(200, 1_500), min_size=2, max_size=9))
    times = np.cumsum([0, *steps])
    count = len(times)
    cut = draw(
        st.lists(st.sampled_from([0, 0, ONE_EVENT, ONE_EVENT + 500, 2 * ONE_EVENT]), min_size=count, max_size=count)
    )
    broken = draw(st.lists(st.integers(0, 2_000), min_size=count, max_size=count))
    shares = draw(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=count - 1, max_size=count - 1))
    own = [[round(step * share[0]), round(step * share[1])] for step, share in zip(steps, shares, strict=True)]
    ends = np.array([0] + [1] * (count - 2) + [0], dtype=np.int64)
    class_ms = np.concatenate(([[0, 0]], np.cumsum(own, axis=0))).astype(np.int64)
    # Some places are changes of class: what ends before a candidate has begun there too.
    weights = np.array(draw(st.lists(st.sampled_from([0, 0, 3_000]), min_size=count, max_size=count)))
    ended = np.concatenate(([0], np.cumsum(weights)[:-1]))
    return Candidates(times, np.array(cut) * ends, np.array(broken) * ends, class_ms, ended, np.cumsum(weights))


@given(small_candidates())
@settings(max_examples=200, deadline=None)
def test_no_choice_of_candidates_costs_less(candidates: Candidates) -> None:
    if candidates.time_ms[-1] < SMALL.min_ms:
        return
    try:
        best = best_cost(candidates, SMALL)
    except ValueError:
        with pytest.raises(AssertionError):
            choose_boundaries(candidates, SMALL)
        return
    assert cost_of(candidates, tuple(choose_boundaries(candidates, SMALL).tolist()), SMALL) == best


def test_an_event_is_never_cut_for_the_sake_of_length_or_coherence() -> None:
    times = np.array([0, 2_900, 3_000, 6_000])
    cut = np.array([0, 0, ONE_EVENT, 0])
    candidates = plain(times, cut, np.array([0, 10**6, 0, 0]))
    assert 2 not in choose_boundaries(candidates, SMALL)


def test_a_stretch_shorter_than_the_minimum_stays_whole() -> None:
    times = np.array([0, 300, 700])
    candidates = plain(times, np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))
    assert choose_boundaries(candidates, SMALL).tolist() == [0, 2]


def test_every_two_cells_hold_a_candidate() -> None:
    activity = Activity(32, np.random.default_rng(0).random(2_000).astype(np.float16))
    times = candidate_times(TimeSpan(137, 60_311), Foreground.of([event(500, 50_000)]), activity, 1_000)
    assert np.diff(times).max() <= 2_000
    assert {137, 500, 50_000, 60_311} <= set(times.tolist())


def test_the_quietest_point_of_a_long_event_is_a_candidate() -> None:
    level = np.full(1_000, 0.9, dtype=np.float16)
    level[511] = 0.2
    times = candidate_times(TimeSpan(0, 40_000), Foreground.of([event(0, 40_000)]), Activity(40, level), 1_000)
    assert 511 * 40 + 20 in times


def test_time_of_a_class_counts_overlaps_once() -> None:
    foreground = Foreground.of(
        [event(0, 1_000), event(500, 2_000), event(3_000, 4_000), event(100, 200, EventClass.MUSIC)]
    )
    times = np.array([0, 150, 1_500, 2_500, 3_500, 9_000])
    by_class = class_time(times, foreground)
    assert by_class.T.tolist() == [[0, 150, 1_500, 2_000, 2_500, 3_000], [0, 50, 100, 100, 100, 100]]


def test_islands_keep_margins_and_drop_long_silence() -> None:
    config = CutConfig()
    islands = islands_of([event(10_000, 11_000), event(14_000, 15_000), event(30_000, 30_200)], 60_000, config)
    assert islands == (TimeSpan(9_500, 15_500), TimeSpan(29_500, 30_700))


def test_short_silence_at_the_edges_is_kept() -> None:
    assert islands_of([event(2_000, 3_000)], 5_000, CutConfig()) == (TimeSpan(0, 5_000),)


@pytest.mark.parametrize(("onset", "offset"), [(0, 10), (19_990, 20_000), (10_000, 10_001)])
def test_an_island_is_at_least_as_long_as_the_minimum(onset: int, offset: int) -> None:
    (island,) = islands_of([event(onset, offset)], 20_000, CutConfig(margin_ms=0))
    assert island.duration_ms == 1_000
    assert island.start_ms <= onset
    assert island.end_ms >= offset


def test_changes_of_class_count_where_a_gap_lies_between_them() -> None:
    events = [event(0, 1_000), event(2_000, 3_000, EventClass.MUSIC), event(3_000, 4_000), event(3_500, 5_000)]
    times = np.array([0, 1_000, 1_500, 2_000, 3_000, 5_000])
    ended, begun = changes_around(times, Foreground.of(events), CutConfig(change_weight=1.0))
    assert ended.tolist() == [0, 0, 0, 0, 1_000, 1_000]
    assert begun.tolist() == [0, 1_000, 1_000, 1_000, 1_000, 1_000]


def test_a_cut_right_at_an_event_costs_more_than_one_in_the_clear() -> None:
    foreground = Foreground.of([event(0, 2_000), event(3_000, 5_000, EventClass.MUSIC)])
    candidates = candidates_of(
        TimeSpan(0, 5_000), foreground, Activity(40, np.zeros(125, dtype=np.float16)), CutConfig()
    )
    cost = dict(zip(candidates.time_ms.tolist(), candidates.break_cost.tolist(), strict=True))
    assert cost[2_000] > min(cost[time] for time in cost if 2_200 <= time <= 2_800)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"min_ms": 5_000, "target_ms": 4_000}, "target_ms"),
        ({"min_ms": 3_000, "target_ms": 4_000, "max_ms": 6_100, "leave_out_ms": 9_000}, "twice min_ms"),
        ({"leave_out_ms": 1_500}, "leave_out_ms"),
    ],
)
def test_limits_that_contradict_each_other_are_refused_with_the_remedy(values: dict[str, int], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        CutConfig(**values)

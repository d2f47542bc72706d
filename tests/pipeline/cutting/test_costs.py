"""Every number that a cut is chosen by, against the same worked out event by event and frame by frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.pipeline.cutting.candidates import (
    CLASSES,
    OFF_CENTRE,
    ONE_EVENT,
    Activity,
    Candidates,
    CutConfig,
    Foreground,
    candidate_times,
    candidates_of,
    changes_around,
    look_around,
)
from soundseam.pipeline.cutting.cut import choose_boundaries, islands_of, length_cost, segment_cost
from soundseam.pipeline.cutting.segmentation import SegmentationConfig, SegmentDraft, segment_detection
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.timespan import TimeSpan
from tests.support.scenes import event, scene_of

DURATION_MS = 3_000
MUSIC = EventClass.MUSIC
EVENTS = st.lists(
    st.builds(
        lambda onset, length, kind, score: event(onset, min(DURATION_MS, onset + length), kind, score),
        st.integers(0, 29).map(lambda tenth: 100 * tenth),
        st.integers(1, 12).map(lambda tenth: 100 * tenth),
        st.sampled_from([EventClass.SPEECH, EventClass.MUSIC, EventClass.OBJECT]),
        st.sampled_from([0.3, 0.6, 0.9]),
    ),
    max_size=6,
)
TIMES = np.arange(0, DURATION_MS + 1, 50)


def ordered(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda one: (one.onset_ms, one.offset_ms, one.event_class))


def last_to_end(events: list[Event]) -> Event | None:
    """Of events in order, the one that ends last; the later one of two that end together."""
    return max(enumerate(events), key=lambda pair: (pair[1].offset_ms, pair[0]))[1] if events else None


def code(one: Event | None) -> int:
    return -1 if one is None else CLASSES.index(one.event_class)


@given(EVENTS)
def test_the_surroundings_of_a_time_are_those_of_its_events(events: list[Event]) -> None:
    events = ordered(events)
    found = look_around(TIMES, Foreground.of(events), DURATION_MS)
    for index, time_ms in enumerate(TIMES.tolist()):
        begun = [one for one in events if one.onset_ms < time_ms]
        across = [one for one in begun if one.offset_ms > time_ms]
        to_come = [one for one in events if one.onset_ms >= time_ms]
        before = last_to_end(begun)
        ended_ms = before.offset_ms if before else 0
        next_ms = to_come[0].onset_ms if to_come else DURATION_MS
        assert found.cut_events[index] == len(across)
        assert found.cut_salience[index] == sum(round(1_000 * one.score) for one in across)
        assert found.gap_ms[index] == (0 if across else max(0, next_ms - ended_ms))
        nearest_ms = min(time_ms - ended_ms if before else next_ms - time_ms, next_ms - time_ms)
        assert found.clearance_ms[index] == (0 if across else nearest_ms)
        assert found.before[index] == code(before)
        assert found.after[index] == (code(before) if across else code(to_come[0] if to_come else None))


@given(EVENTS, st.integers(1, 1_000), st.floats(0, 5))
def test_a_change_is_a_gap_between_two_classes_and_weighs_its_length(
    events: list[Event], change_gap_ms: int, weight: float
) -> None:
    events = ordered(events)
    config = CutConfig(change_gap_ms=change_gap_ms, change_weight=weight)
    ended, begun = changes_around(TIMES, Foreground.of(events), config)
    changes = []
    for index in range(1, len(events)):
        before, after = last_to_end(events[:index]), events[index]
        assert before is not None
        if after.onset_ms >= before.offset_ms and after.event_class is not before.event_class:
            share = min(1.0, (after.onset_ms - before.offset_ms) / change_gap_ms)
            changes.append((before.offset_ms, after.onset_ms, round(1_000 * weight * share)))
    for index, time_ms in enumerate(TIMES.tolist()):
        assert ended[index] == pytest.approx(sum(cost for _, end, cost in changes if end < time_ms), abs=len(changes))
        assert begun[index] == pytest.approx(
            sum(cost for begin, _, cost in changes if begin <= time_ms), abs=len(changes)
        )


@given(EVENTS, st.integers(0, 10**6))
def test_a_candidate_costs_what_it_cuts_and_a_boundary_what_it_breaks(events: list[Event], seed: int) -> None:
    level = np.random.default_rng(seed).uniform(0, 1, DURATION_MS // 40 + 1).astype(np.float16)
    config = CutConfig()
    foreground = Foreground.of(ordered(events))
    found = candidates_of(TimeSpan(0, DURATION_MS), foreground, Activity(40, level), config)
    around = look_around(found.time_ms, foreground, DURATION_MS)
    assert found.cut_cost[[0, -1]].tolist() == found.break_cost[[0, -1]].tolist() == [0, 0]
    for index in range(1, len(found.time_ms) - 1):
        here = float(level[min(int(found.time_ms[index]) // 40, len(level) - 1)])
        cut, gap_ms = int(around.cut_events[index]), int(around.gap_ms[index])
        expected = ONE_EVENT * cut + int(around.cut_salience[index]) + (round(1_000 * here) if cut else 0)
        assert found.cut_cost[index] == pytest.approx(expected, abs=1)
        alike = around.before[index] == around.after[index] >= 0 and not cut
        pause = 0.5 * (1 - min(1, gap_ms / 600)) if alike else 0.0
        tight = 1.0 - min(1.0, int(around.clearance_ms[index]) / 200)
        assert found.break_cost[index] == pytest.approx(1_000 * (pause + tight + (0.0 if cut else here)), abs=1)


def test_weights_count_as_they_are_set() -> None:
    foreground = Foreground.of([event(0, 1_000), event(1_300, 3_000)])
    level = np.full(75, 0.25, dtype=np.float16)

    def break_cost(**weights: float) -> int:
        zero = {"break_weight": 0.0, "tight_weight": 0.0, "risk_weight": 0.0}
        config = CutConfig.model_validate({**zero, "pause_ms": 600, "clearance_ms": 200, **weights})
        found = candidates_of(TimeSpan(0, 3_000), foreground, Activity(40, level), config)
        return int(found.break_cost[found.time_ms.tolist().index(1_000)])

    assert break_cost() == 0
    assert break_cost(break_weight=3.0) == 1_500
    assert break_cost(break_weight=3.0, pause_ms=400) == 750
    assert break_cost(break_weight=3.0, pause_ms=300) == 0
    assert break_cost(tight_weight=2.0) == 2_000
    assert break_cost(risk_weight=4.0) == 1_000


@given(EVENTS, st.integers(0, 10**6), st.sampled_from([20, 32, 40, 700]), st.integers(0, 400))
def test_candidates_are_the_edges_and_the_quietest_place_of_each_piece(
    events: list[Event], seed: int, hop_ms: int, start_ms: int
) -> None:
    level = np.random.default_rng(seed).choice([0.1, 0.11, 0.5], DURATION_MS // hop_ms).astype(np.float16)
    island = TimeSpan(start_ms, DURATION_MS - 130)
    edges = {ms for one in events for ms in one.span if island.start_ms < ms < island.end_ms}
    ticks = {tick for tick in range(0, DURATION_MS, 500) if island.start_ms <= tick <= island.end_ms}
    bounds = sorted({*island, *edges, *ticks})
    expected = {*island, *edges}
    for start, stop in pairwise(bounds):
        frames = range(-(-start // hop_ms), min(stop // hop_ms, len(level)))
        if not frames:
            expected.add((start + stop) // 2)
            continue
        middle = frames[0] + (len(frames) - 1) / 2
        risks = [float(level[frame]) + OFF_CENTRE * (abs(frame - middle) / len(frames)) for frame in frames]
        expected.add(frames[risks.index(min(risks))] * hop_ms + hop_ms // 2)
    found = candidate_times(island, Foreground.of(ordered(events)), Activity(hop_ms, level), 500)
    assert found.tolist() == sorted(expected)


@pytest.mark.parametrize("quiet", range(12))
def test_the_one_quiet_frame_of_a_piece_is_found_wherever_it_lies(quiet: int) -> None:
    level = np.full(24, 0.9, dtype=np.float16)
    level[[quiet, 12 + quiet]] = 0.1
    found = candidate_times(TimeSpan(0, 960), Foreground.of([]), Activity(40, level), 480)
    assert found.tolist() == [0, 40 * quiet + 20, 40 * (12 + quiet) + 20, 960]


def test_only_events_that_begin_in_an_island_count_there() -> None:
    foreground = Foreground.of([event(0, 500), event(1_000, 1_500), event(2_000, 2_500)])
    assert foreground.within(TimeSpan(500, 2_000)).onset_ms.tolist() == [1_000]
    assert foreground.within(TimeSpan(0, 1_000)).onset_ms.tolist() == [0]
    assert foreground.salience.tolist() == [900, 900, 900]
    assert Foreground.of([event(5, 5)]).onset_ms.size == 0


@pytest.mark.parametrize(("length_ms", "cost"), [(12_000, 0), (0, 1_000), (24_000, 1_000), (6_000, 250), (18_000, 250)])
def test_a_length_costs_the_square_of_its_distance_from_the_target(length_ms: int, cost: int) -> None:
    assert length_cost(np.array([length_ms]), CutConfig(target_ms=12_000)).tolist() == [cost]


def test_a_segment_costs_its_length_its_other_classes_and_its_changes() -> None:
    zero = np.zeros(3, dtype=np.int64)
    candidates = Candidates(
        time_ms=np.array([0, 12_000, 24_000]),
        cut_cost=zero,
        break_cost=zero,
        class_ms=np.array([[0, 0], [5_000, 300], [5_000, 6_300]]),
        changes_ended=np.array([0, 0, 700]),
        changes_begun=np.array([0, 700, 900]),
    )
    config = CutConfig(target_ms=12_000, impure_weight=2.0)
    starts, stops = np.array([0, 1, 0]), np.array([1, 2, 2])
    assert segment_cost(candidates, starts, stops, config).tolist() == [600, 0, 10_000 + 700 + 1_000]


@pytest.mark.parametrize(
    ("events", "duration_ms", "islands"),
    [
        ([(4_000, 5_000)], 9_000, [(0, 9_000)]),
        ([(4_001, 5_000)], 9_001, [(3_501, 5_500)]),
        ([(4_000, 5_000)], 9_001, [(0, 5_500)]),
        ([(0, 1_000), (5_000, 6_000)], 6_000, [(0, 6_000)]),
        ([(0, 1_000), (5_001, 6_000)], 6_000, [(0, 1_500), (4_501, 6_000)]),
        ([(0, 1_000), (500, 2_000), (7_000, 8_000)], 8_000, [(0, 2_500), (6_500, 8_000)]),
        ([(9_000, 9_100)], 20_000, [(8_500, 9_600)]),
        (
            [(0, 1_000), (8_000, 9_000), (11_000, 12_000), (20_000, 21_000)],
            21_000,
            [(0, 1_500), (7_500, 12_500), (19_500, 21_000)],
        ),
        ([(19_000, 25_000)], 20_000, [(18_500, 20_000)]),
        ([], 20_000, []),
    ],
)
def test_islands_reach_over_short_silence_and_to_the_edges(
    events: list[tuple[int, int]], duration_ms: int, islands: list[tuple[int, int]]
) -> None:
    config = CutConfig(leave_out_ms=4_000, margin_ms=500, min_ms=1_000)
    assert islands_of([event(*span) for span in events], duration_ms, config) == tuple(
        TimeSpan(*one) for one in islands
    )


def test_an_island_grows_evenly_where_there_is_room() -> None:
    config = CutConfig(margin_ms=0, min_ms=1_000)
    for span, expected in (
        ((9_000, 9_100), (8_550, 9_550)),
        ((19_950, 20_000), (19_000, 20_000)),
        ((0, 40), (0, 1_000)),
    ):
        (island,) = islands_of([event(*span)], 20_000, config)
        assert (island.start_ms, island.end_ms) == expected
    assert islands_of([event(100, 200)], 700, config) == (TimeSpan(0, 700),)


def test_limits_are_allowed_up_to_where_nothing_could_be_cut() -> None:
    assert CutConfig(min_ms=2_000, target_ms=2_000, max_ms=4_200, leave_out_ms=4_000, margin_ms=2_000).cell_ms == 100
    assert CutConfig(min_ms=1_000, max_ms=30_000).cell_ms == 1_000
    assert CutConfig(min_ms=1_000, target_ms=3_000, max_ms=3_000).cell_ms == 500
    for values in (
        {"target_ms": 1_999},
        {"target_ms": 4_201},
        {"max_ms": 4_199},
        {"leave_out_ms": 3_999},
        {"margin_ms": 2_001},
    ):
        with pytest.raises(ValidationError):
            CutConfig.model_validate(
                {"min_ms": 2_000, "target_ms": 2_000, "max_ms": 4_200, "leave_out_ms": 4_000, **values}
            )


def test_of_equal_ways_the_one_with_the_earlier_last_boundary_is_taken() -> None:
    zero = np.zeros(6, dtype=np.int64)
    candidates = Candidates(np.array([0, 2_000, 3_000, 4_000, 5_000, 7_000]), zero, zero, zero[:, None], zero, zero)
    path = choose_boundaries(candidates, CutConfig(min_ms=1_000, target_ms=3_500, max_ms=5_000))
    assert path.tolist() == [0, 2, 5]
    longer = Candidates(np.array([0, 400, 1_000, 2_000]), *(zero[:4],) * 2, zero[:4, None], zero[:4], zero[:4])
    at_once = CutConfig(min_ms=1_000, target_ms=1_000, max_ms=5_000)
    assert choose_boundaries(longer, at_once).tolist() == [0, 2, 3]
    alone = Candidates(np.array([0, 500, 1_000]), *(zero[:3],) * 2, zero[:3, None], zero[:3], zero[:3])
    assert choose_boundaries(alone, CutConfig(min_ms=1_000)).tolist() == [0, 2]


QUIET = [0.0]


def cut(*events: Event, duration_ms: int, **options: object) -> tuple[SegmentDraft, ...]:
    config = SegmentationConfig.model_validate({"cut": options})
    scene = scene_of(*events, duration_ms=duration_ms, level=QUIET * (duration_ms // 40))
    return segment_detection(scene, duration_ms, config)


def test_a_boundary_says_why_it_is_there_and_what_it_costs() -> None:
    first, second = cut(event(0, 11_000), event(13_000, 24_000, MUSIC), duration_ms=24_000)
    start, middle, end = first.start_boundary, first.end_boundary, second.end_boundary
    assert (start.reason, start.cost, start.before, start.after) == ("recording_edge", 0.0, None, EventClass.SPEECH)
    assert (end.reason, end.cost, end.before, end.after) == ("recording_edge", 0.0, MUSIC, None)
    assert (middle.reason, middle.gap_ms, middle.forced) == ("class_change", 2_000, False)
    assert (middle.before, middle.after) == (EventClass.SPEECH, MUSIC)
    assert middle.cost == pytest.approx(0.0, abs=0.002)
    assert second.start_boundary == middle
    gap, _ = cut(event(0, 11_000), event(11_500, 24_000), duration_ms=24_000, pause_ms=1_000, max_ms=13_000)
    assert (gap.end_boundary.reason, gap.end_boundary.gap_ms) == ("gap", 500)
    length = (1_000 * (gap.span.duration_ms - 12_000) ** 2 // 12_000**2) / 1_000
    assert gap.end_boundary.cost == pytest.approx(0.25 + length, abs=0.002)


def test_a_forced_boundary_costs_thousands_and_has_a_class_on_both_sides() -> None:
    first, _ = cut(event(0, 40_000, score=0.5), duration_ms=40_000)
    boundary = first.end_boundary
    assert (boundary.reason, boundary.forced, boundary.gap_ms) == ("forced", True, 0)
    assert (boundary.before, boundary.after) == (EventClass.SPEECH, EventClass.SPEECH)
    assert boundary.cost == pytest.approx(1_000 * 1.0005 + 1.0 + 0.44, abs=0.3)
    touching, _ = cut(event(0, 12_000), event(12_000, 24_000), duration_ms=24_000, max_ms=13_000)
    assert (touching.span.end_ms, touching.end_boundary.reason) == (12_000, "touching_events")
    assert touching.end_boundary.cost == pytest.approx(1.5)

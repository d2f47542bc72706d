"""Spans of time: an algebra on half-open intervals of integer milliseconds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans
from tests.support.strategies import spans

MAX_MS = 60
instants = st.integers(-10, MAX_MS + 10)


def milliseconds(*covering: TimeSpan) -> set[int]:
    """The algebra's model: the milliseconds that spans hold, one by one."""
    return {instant for span in covering for instant in range(span.start_ms, span.end_ms)}


@given(instants, instants)
def test_a_span_lasts_as_long_as_the_milliseconds_it_holds(start_ms: int, end_ms: int) -> None:
    span = TimeSpan(start_ms, end_ms)
    assert span.duration_ms == len(milliseconds(span))


@given(instants, instants, instants, instants)
def test_an_intersection_holds_exactly_the_common_milliseconds(a: int, b: int, c: int, d: int) -> None:
    left, right = TimeSpan(a, b), TimeSpan(c, d)
    common = milliseconds(left) & milliseconds(right)
    assert milliseconds(left.intersection(right)) == common
    assert left.overlap_ms(right) == right.overlap_ms(left) == len(common)


def test_spans_that_touch_do_not_overlap() -> None:
    assert TimeSpan(0, 10).overlap_ms(TimeSpan(10, 20)) == 0


@given(spans(MAX_MS), st.integers(-1000, 1000))
def test_shifting_there_and_back_changes_nothing(span: TimeSpan, offset_ms: int) -> None:
    assert span.shift(offset_ms).shift(-offset_ms) == span
    assert span.shift(offset_ms).duration_ms == span.duration_ms


@given(st.lists(st.builds(TimeSpan, instants, instants)))
def test_a_union_holds_the_same_time_in_disjoint_ordered_spans(some: list[TimeSpan]) -> None:
    union = union_spans(some)
    assert milliseconds(*union) == milliseconds(*some)
    assert covered_ms(some) == len(milliseconds(*some))
    assert all(before.end_ms < after.start_ms for before, after in pairwise(union))


@given(st.lists(spans(MAX_MS)))
def test_a_union_is_its_own_union_whatever_the_order(some: list[TimeSpan]) -> None:
    union = union_spans(some)
    assert union_spans(union) == union_spans(reversed(some)) == union


def test_empty_spans_leave_no_trace_in_a_union() -> None:
    assert union_spans([TimeSpan(5, 5), TimeSpan(9, 3)]) == ()

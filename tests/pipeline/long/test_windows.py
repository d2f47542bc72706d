"""Windows are runs of consecutive segments that span nothing which was rejected, and end with chapters if they can."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from soundseam.pipeline.long.config import LongConfig, WindowConfig, WindowLength
from soundseam.pipeline.long.facts import RecordingFacts
from soundseam.pipeline.long.windows import gaps_of, windows_of
from soundseam.schemas.long import Window
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.long.builders import facts, recording, recordings


def made(given: RecordingFacts, chapters: list[tuple[int, int]] | None = None, **options: object) -> list[Window]:
    config = LongConfig(windows=WindowConfig.model_validate(options))
    return list(windows_of(given, chapters or [(0, len(given.segments))], config, (), "k"))


@given(recordings())
@settings(max_examples=50)
def test_no_window_spans_a_rejected_stretch_and_no_segment_is_in_two(given: RecordingFacts) -> None:
    windows = made(given)
    for window in windows:
        assert not any(window.span.overlap_ms(one) for one in given.rejected)
        assert not window.excluded
    names = [name for window in windows for name in window.segment_ids]
    order = [one.segment_id for one in given.segments]
    assert len(set(names)) == len(names)
    for window in windows:
        first = order.index(window.segment_ids[0])
        assert tuple(order[first : first + len(window.segment_ids)]) == window.segment_ids


@given(recordings())
@settings(max_examples=50)
def test_lengths_and_gaps_add_up(given: RecordingFacts) -> None:
    for window in made(given, allow_excluded=True):
        assert window.segment_ms + sum(gap.duration_ms for gap in gaps_of(window)) == window.span.duration_ms
        assert window.segment_ids[0].endswith(f"-{window.start_ms:09d}-{window.segment_ids[0][-9:]}")
        assert window.segment_ids[-1].endswith(f"-{window.end_ms:09d}")


@given(recordings())
@settings(max_examples=25)
def test_windows_that_may_span_rejected_stretches_list_them(given: RecordingFacts) -> None:
    for window in made(given, allow_excluded=True):
        inside = [one for one in given.rejected if one.overlap_ms(window.span)]
        assert [stretch.span for stretch in window.excluded] == [one.intersection(window.span) for one in inside]


TEN_SECONDS = recording(*(facts(at, at + 10_000, ("speech", "speech")) for at in range(0, 240_000, 10_000)))
MINUTES = (WindowLength(seconds=60, share=1),)


def test_a_window_ends_with_a_chapter_near_its_target() -> None:
    windows = made(TEN_SECONDS, [(0, 5), (5, 24)], lengths=MINUTES)
    assert windows[0].end_ms == 50_000
    assert windows[0].ends_chapter
    assert windows[0].starts_chapter
    assert [window.chapters for window in windows][:2] == [(0,), (1,)]
    assert not windows[1].ends_chapter


def test_without_a_chapter_near_it_a_window_has_its_target_length() -> None:
    assert {window.span.duration_ms for window in made(TEN_SECONDS, lengths=MINUTES)} == {60_000}


def test_a_filtered_segment_is_in_no_window() -> None:
    bad = TEN_SECONDS.segments[3].segment_id
    windows = made(replace(TEN_SECONDS, excluded=frozenset({bad})), lengths=MINUTES)
    assert all(bad not in window.segment_ids for window in windows)
    assert all(not window.span.overlap_ms(TimeSpan(30_000, 40_000)) for window in windows)


def test_a_window_has_one_licence() -> None:
    said = {
        one.segment_id: ("CC0-1.0" if index < 7 else "CC-BY-4.0", None, None)
        for index, one in enumerate(TEN_SECONDS.segments)
    }
    windows = made(replace(TEN_SECONDS, said=said), lengths=MINUTES)
    assert {window.license for window in windows} == {"CC0-1.0", "CC-BY-4.0"}
    assert all(window.end_ms <= 70_000 or window.start_ms >= 70_000 for window in windows)


def test_another_seed_draws_other_lengths() -> None:
    drawn = [
        [window.target_ms for window in windows_of(TEN_SECONDS, [(0, 24)], LongConfig(seed=seed), (), "k")]
        for seed in range(4)
    ]
    assert len({tuple(one) for one in drawn}) > 1

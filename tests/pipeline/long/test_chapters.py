"""Chapters divide a recording where its content changes, at the lowest cost."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings

from soundseam.pipeline.long.chapters import _features, _start_costs, find_chapters
from soundseam.pipeline.long.config import ChapterConfig
from soundseam.pipeline.long.facts import RecordingFacts
from tests.pipeline.long.builders import facts, recording, recordings

CONFIG = ChapterConfig()


def chapters_of(given: RecordingFacts, config: ChapterConfig = CONFIG) -> list[tuple[int, int]]:
    return find_chapters(given.segments, [""] * len(given.segments), config)


@given(recordings())
@settings(max_examples=50)
def test_chapters_hold_every_segment_once_and_in_order(given: RecordingFacts) -> None:
    spans = chapters_of(given)
    assert [index for first, stop in spans for index in range(first, stop)] == list(range(len(given.segments)))


def test_a_chapter_begins_where_talk_gives_way_to_music() -> None:
    talk = [facts(at, at + 10_000, ("speech", "speech")) for at in range(0, 40_000, 10_000)]
    music = [facts(at, at + 10_000, ("music", "music")) for at in range(40_000, 80_000, 10_000)]
    assert chapters_of(recording(*talk, *music)) == [(0, 4), (4, 8)]


def test_a_short_interruption_is_no_chapter() -> None:
    talk = [facts(at, at + 10_000, ("speech", "speech")) for at in range(0, 80_000, 10_000)]
    talk[4] = facts(40_000, 42_000, ("music", "music"))
    assert chapters_of(recording(*talk)) == [(0, 8)]


def test_what_stays_the_same_is_cut_at_the_longest_length() -> None:
    long = [facts(at, at + 30_000, ("music", "music")) for at in range(0, 600_000, 30_000)]
    spans = chapters_of(recording(*long), ChapterConfig(max_ms=120_000))
    assert {stop - first for first, stop in spans} == {4}


def test_no_division_costs_less_than_the_chosen_one() -> None:
    contents = ("speech", "speech", "music", "music", "animal", "speech", "animal", "animal")
    segments = [
        facts(at * 4_000, at * 4_000 + 3_000 + 500 * (at % 3), (name, name)) for at, name in enumerate(contents)
    ]
    features = _features(segments, [""] * len(segments), CONFIG)
    lengths = np.array([one.span.duration_ms / 1000 for one in segments])
    starts = _start_costs([one.span for one in segments], CONFIG.change_cost)

    def cost(edges: tuple[int, ...]) -> float:
        total = 0.0
        for first, stop in pairwise(edges):
            part, weight = features[first:stop], lengths[first:stop, None]
            mean = (part * weight).sum(axis=0) / weight.sum()
            total += starts[first] + float((np.square(part - mean) * weight).sum())
        return total

    count = len(segments)
    every = [(0, *inner, count) for size in range(count) for inner in combinations(range(1, count), size)]
    chosen = chapters_of(recording(*segments))
    assert cost((0, *(stop for _, stop in chosen))) <= min(map(cost, every)) + 1e-9

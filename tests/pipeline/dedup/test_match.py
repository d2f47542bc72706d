"""The same sound is found at the right offset, others are not, in flat memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.distortions import DISTORTIONS
from soundseam.annotators.base import Samples
from soundseam.pipeline.dedup import match, spill
from soundseam.pipeline.dedup.fingerprint import Peaks, frames_and_bins, levels_of, peaks_of
from soundseam.pipeline.dedup.match import (
    MAX_OFFSETS,
    STRETCH_PEAKS,
    STRETCHES,
    STRONG_PART,
    VOTE,
    FingerprintIndex,
    Pair,
    PeakTable,
    agreements,
)
from tests.pipeline.dedup.sounds import BEAT, MELODY, NOISE, OTHER_BEAT, OTHER_MELODY, OTHER_NOISE

DIFFERENT = (MELODY, BEAT, NOISE, OTHER_MELODY, OTHER_BEAT, OTHER_NOISE)


def pairs_of(sounds: Sequence[Samples], first_known: int | None = None) -> list[Pair]:
    with FingerprintIndex() as index:
        for samples in sounds:
            index.add(peaks_of(samples), len(samples) // 16)
        return sorted(index.pairs(first_known))


def test_different_sounds_are_not_taken_for_one_another() -> None:
    assert pairs_of(DIFFERENT) == []


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_a_sound_is_found_again_after_a_distortion(distortion: str) -> None:
    changed = DISTORTIONS[distortion](MELODY, np.random.default_rng(0))
    (pair,) = pairs_of([*DIFFERENT, changed])
    assert (pair.one, pair.other) == (0, len(DIFFERENT))
    shift_s = {"0.5 s cut off": -0.5, "0.51 s cut off": -0.51, "1 s cut off": -1.0, "0.5 s put before": 0.5}.get(
        distortion, 0.0
    )
    if "Opus" not in distortion:
        assert abs(pair.offset_frames * 0.02 - shift_s) <= 0.06
    assert pair.similarity >= 0.55
    assert 6500 < pair.overlap_ms <= 8000


@pytest.mark.parametrize("beat", [BEAT, OTHER_BEAT])
def test_what_repeats_is_found_at_half_a_frame_s_shift(beat: Samples) -> None:
    (pair,) = pairs_of([beat, beat[510 * 16 :]])
    assert pair.offset_frames in {-25, -26}


def test_two_halves_that_barely_overlap_are_not_the_same() -> None:
    long = np.concatenate([MELODY, OTHER_MELODY])
    assert pairs_of([long[: 9 * 16_000], long[7 * 16_000 :]]) == []


def test_known_items_are_not_compared_with_one_another() -> None:
    assert {(pair.one, pair.other) for pair in pairs_of([MELODY, MELODY, MELODY], first_known=1)} == {(0, 1), (0, 2)}


def test_items_that_are_left_out_are_compared_with_none() -> None:
    with FingerprintIndex() as index:
        for samples in (MELODY, MELODY, MELODY):
            index.add(peaks_of(samples), 8000)
        left_out = np.array([False, True, False])
        assert [(pair.one, pair.other) for pair in index.pairs(None, left_out)] == [(0, 2)]


def test_nothing_and_silence_give_no_pairs() -> None:
    silence = np.zeros(16_000, np.float32)
    assert pairs_of([]) == []
    assert pairs_of([silence, silence]) == []


def test_it_does_not_matter_over_how_many_files_keys_and_votes_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = [*DIFFERENT, *(distort(MELODY, np.random.default_rng(0)) for distort in DISTORTIONS.values())]
    whole = pairs_of(sounds)
    monkeypatch.setattr(match, "TOKENS_A_PARTITION", 1000)
    monkeypatch.setattr(match, "PEAKS_AT_ONCE", 500)
    monkeypatch.setattr(spill, "BUFFER_BYTES", 1000)
    assert pairs_of(sounds) == whole
    assert len(whole) > 40


def test_memory_does_not_grow_with_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match, "TOKENS_A_PARTITION", 20_000)
    monkeypatch.setattr(match, "PEAKS_AT_ONCE", 4_000)
    monkeypatch.setattr(spill, "BUFFER_BYTES", 200_000)
    # Warm-up: what numpy and others keep for good is not counted.
    peak_bytes(10)
    small, large = peak_bytes(40), peak_bytes(200)
    assert large < 2 * small


def peak_bytes(items: int) -> int:
    """The most memory in use while `items` are compared, each second one per copy of the one before it."""
    random = np.random.default_rng(0)
    with FingerprintIndex() as index:
        for number in range(items):
            if number % 2 == 0:
                frames = np.sort(random.integers(0, 1000, 400))
                cells = (frames << 16) | (random.integers(0, 250, 400) << 8) | random.integers(0, 255, 400)
            index.add(cells.astype(np.uint64), 20_000)
        tracemalloc.start()
        found = sum(1 for _ in index.pairs())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found == items // 2
    return peak


@st.composite
def peak_lists(draw: st.DrawFn) -> Peaks:
    cells = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(0, 40)), min_size=1))
    return np.sort(np.array([frame << 16 | bin_ << 8 | level for frame, bin_, level in cells], np.uint64))


@settings(max_examples=200)
@given(st.lists(st.tuples(peak_lists(), peak_lists(), st.integers(-30, 30)), min_size=1, max_size=5))
def test_many_pairs_at_once_agree_as_each_does_by_itself(cases: list[tuple[Peaks, Peaks, int]]) -> None:
    table = PeakTable([peaks for one, other, _ in cases for peaks in (one, other)])
    places = 2 * np.arange(len(cases))
    found = agreements(table, places, places + 1, np.array([offset for *_, offset in cases]))
    for at, (one, other, offset) in enumerate(cases):
        here, there = list(cells_of(one, offset)), list(cells_of(other, 0))
        first = max(here[0][0], there[0][0]) - 1
        last = min(here[-1][0], there[-1][0]) + 1
        here, there = ([cell for cell in cells if first <= cell[0] <= last] for cells in (here, there))
        ways = (found_again(here, there), found_again(there, here))
        expected = tuple(min(figures) for figures in zip(*ways, strict=True))
        assert (found.common[at], found.share[at], found.steadiness[at]) == expected


def cells_of(peaks: Peaks, offset: int) -> Iterator[tuple[int, int, int]]:
    frames, bins = frames_and_bins(peaks)
    return zip((frames + offset).tolist(), bins.tolist(), levels_of(peaks).tolist(), strict=True)


def found_again(cells: list[tuple[int, int, int]], among: list[tuple[int, int, int]]) -> tuple[int, float, float]:
    """(common, share, steadiness), pair by pair and peak by peak."""
    count = -(-len(cells) // STRONG_PART)
    if not count:
        return 0, 0.0, 0.0
    strong = sorted(sorted(range(len(cells)), key=lambda at: -cells[at][2])[:count])
    again = [
        any(abs(cells[at][0] - frame) <= 1 and abs(cells[at][1] - bin_) <= 1 for frame, bin_, _ in among)
        for at in strong
    ]
    stretches = np.array_split(again, max(1, min(STRETCHES, count // STRETCH_PEAKS)))
    lower = sorted(float(stretch.mean()) for stretch in stretches)[len(stretches) // 4]
    return sum(again), sum(again) / count, lower


def loud_and_soft(loud_bins: Sequence[int]) -> Peaks:
    """A loud peak every ten frames, and two soft ones after it."""
    cells = [
        (10 * at + later) << 16 | bin_ << 8 | level
        for at, loud_bin in enumerate(loud_bins)
        for later, bin_, level in ((0, loud_bin, 40), (3, 100, 1), (6, 150, 1))
    ]
    return np.array(cells, np.uint64)


@pytest.mark.parametrize(
    ("loud", "missing", "steadiness"),
    [(32, 10, 0.5), (40, 10, 1.0), (40, 11, 0.8), (24, 4, 1.0), (24, 6, 0.5), (7, 4, 3 / 7), (8, 4, 0.0)],
)
def test_steadiness_is_the_lower_quartile_over_eight_stretches_of_four_peaks_at_least(
    loud: int, missing: int, steadiness: float
) -> None:
    same = [5] * (loud - missing)
    table = PeakTable([loud_and_soft([*same, *[5] * missing]), loud_and_soft([*same, *[50] * missing])])
    zero = np.zeros(1, np.int64)
    found = agreements(table, zero, zero + 1, zero)
    assert (found.common[0], found.share[0]) == (loud - missing, (loud - missing) / loud)
    assert found.steadiness[0] == pytest.approx(steadiness)


@pytest.mark.parametrize(("peaks", "found"), [(12, 0), (13, 3)])
def test_five_strong_peaks_in_common_make_a_pair_and_four_do_not(peaks: int, found: int) -> None:
    random = np.random.default_rng(4)
    cells = 7 * np.arange(peaks) << 16 | random.integers(0, 250, peaks) << 8 | random.integers(0, 255, peaks)
    with FingerprintIndex() as index:
        for _ in range(3):
            index.add(cells.astype(np.uint64), 20 * 7 * peaks)
        pairs = sorted(index.pairs())
    assert [(pair.one, pair.other, pair.offset_frames) for pair in pairs] == [(0, 1, 0), (0, 2, 0), (1, 2, 0)][:found]
    assert all((pair.similarity, pair.overlap_ms) == (1.0, 20 * 7 * peaks) for pair in pairs)


@example([*[(0, 4, 0)] * 4, *[(0, 4, 3)] * 6, *[(0, 5, 1)] * 9, *[(1, 4, 2)] * 5])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(4, 6), st.integers(-4, 4)), min_size=1, max_size=300))
def test_offsets_are_tried_in_the_order_of_their_votes(cast: list[tuple[int, int, int]]) -> None:
    candidates = match._candidates(np.array(cast, VOTE))
    votes = Counter(cast)

    def weight(one: int, other: int, offset: int) -> tuple[int, int]:
        beside = max(votes[one, other, offset - 1], votes[one, other, offset + 1])
        return votes[one, other, offset] + beside, votes[one, other, offset]

    for one, other in {(one, other) for one, other, _ in cast}:
        mine = [row for row in candidates.tolist() if row[:2] == (one, other)]
        weights = [weight(*row[:3]) for row in mine]
        assert weights == sorted(weights, reverse=True)
        assert [row[3] for row in mine] == list(range(len(mine)))
        enough = [key for key in votes if key[:2] == (one, other) and weight(*key)[0] >= match.MIN_VOTES]
        assert len(mine) == min(MAX_OFFSETS, len(enough))
        assert all(weight(*key) <= min(weights) for key in enough if key not in {row[:3] for row in mine})

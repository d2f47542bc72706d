from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.groups import LEAST_BYTES, MOST_BYTES, MOST_RECORDINGS, group_works, halve_works, recordings_of
from pipeline.work import ShardWork
from tests.pipeline.workloads import source_of, work_of

sizes = st.integers(0, 3 * MOST_BYTES)


@st.composite
def shard_works(draw: st.DrawFn) -> list[ShardWork]:
    shards = draw(st.lists(st.lists(sizes, min_size=1, max_size=8), max_size=8))
    return [
        work_of(*(source_of(f"{shard}-{index}", size_bytes=size) for index, size in enumerate(members)), shard=shard)
        for shard, members in enumerate(shards)
    ]


@given(shard_works(), st.integers(1, 64))
def test_every_recording_is_in_exactly_one_group(works: list[ShardWork], workers: int) -> None:
    grouped = [name for group in group_works(works, workers) for name in recordings_of(group)]
    assert sorted(grouped) == sorted(recordings_of(works))


@given(shard_works(), st.integers(1, 64))
def test_a_group_is_over_the_limit_only_where_one_recording_is(works: list[ShardWork], workers: int) -> None:
    for group in group_works(works, workers):
        assert sum(work.size_bytes for work in group) <= MOST_BYTES or len(recordings_of(group)) == 1


@given(shard_works(), st.integers(1, 64))
def test_the_largest_group_comes_first(works: list[ShardWork], workers: int) -> None:
    group_sizes = [sum(work.size_bytes for work in group) for group in group_works(works, workers)]
    assert group_sizes == sorted(group_sizes, reverse=True)


def test_a_group_holds_no_more_than_so_many_recordings() -> None:
    works = [work_of(*(source_of(str(index), size_bytes=1) for index in range(3 * MOST_RECORDINGS)))]
    assert [len(recordings_of(group)) for group in group_works(works, 1)] == [MOST_RECORDINGS] * 3


def test_every_worker_gets_work_where_there_is_enough() -> None:
    works = [work_of(source_of(str(shard), size_bytes=LEAST_BYTES), shard=shard) for shard in range(16)]
    assert len(group_works(works, 4)) >= 4


def test_halves_hold_the_same_recordings() -> None:
    works = [work_of(*(source_of(f"{shard}-{index}") for index in range(3)), shard=shard) for shard in range(3)]
    first, second = halve_works(works)
    assert recordings_of([*first, *second]) == recordings_of(works)
    assert len(recordings_of(first)) == 4

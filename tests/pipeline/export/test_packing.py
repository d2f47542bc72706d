"""Documents share contexts: each in exactly one, none over its length, none beside another about the same segment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.export.packing import Entry, Pack, Packer

CONTEXT = 100
ENTRIES = st.lists(
    st.builds(
        lambda tokens, about: (tokens, about),
        st.integers(1, CONTEXT),
        st.frozensets(st.sampled_from("abcdef"), max_size=2),
    ),
    max_size=40,
)


def packed(found: list[tuple[int, frozenset[str]]], max_open: int = 3) -> list[Pack[int]]:
    """The packs of documents that are called by their numbers."""
    packer: Packer[int] = Packer(CONTEXT, max_open)
    packs = []
    for number, (tokens, about) in enumerate(found):
        packs += list(packer.add(Entry(number, tokens, about)))
    return [*packs, *packer.close()]


@given(ENTRIES, st.integers(1, 5))
def test_every_document_is_in_exactly_one_pack(found: list[tuple[int, frozenset[str]]], max_open: int) -> None:
    packs = packed(found, max_open)
    assert sorted(entry.document for pack in packs for entry in pack.entries) == list(range(len(found)))
    assert all(pack.entries for pack in packs)


@given(ENTRIES, st.integers(1, 5))
def test_no_pack_is_longer_than_the_context(found: list[tuple[int, frozenset[str]]], max_open: int) -> None:
    for pack in packed(found, max_open):
        assert pack.tokens == sum(entry.tokens for entry in pack.entries) <= CONTEXT


@given(ENTRIES)
def test_no_two_documents_of_a_pack_are_about_the_same_segment(found: list[tuple[int, frozenset[str]]]) -> None:
    for pack in packed(found):
        assert sum(len(entry.about) for entry in pack.entries) == len(pack.about)


@given(ENTRIES)
def test_equal_documents_give_equal_packs(found: list[tuple[int, frozenset[str]]]) -> None:
    assert packed(found) == packed(found)


@given(st.lists(st.integers(1, CONTEXT // 10), min_size=50, max_size=200))
def test_short_documents_fill_all_packs_but_the_last(lengths: list[int]) -> None:
    packs = packed([(length, frozenset()) for length in lengths])
    assert sum(pack.tokens <= CONTEXT - CONTEXT // 10 for pack in packs) <= 1


def test_the_last_packs_are_packed_again_if_that_takes_fewer() -> None:
    lengths = (60, 60, 60, 40, 40, 41)
    packs = packed([(length, frozenset("x") if index < 0 else frozenset()) for index, length in enumerate(lengths)])
    assert [pack.tokens for pack in packs] == [100, 100, 60, 41]
    apart = [(30, frozenset("a")), (70, frozenset("a")), (70, frozenset("b")), (30, frozenset("b"))]
    assert [pack.tokens for pack in packed(apart)] == [100, 100]


def test_documents_about_one_segment_wait_instead_of_finishing_packs_that_are_nearly_empty() -> None:
    found = [(10, frozenset({str(number // 10)})) for number in range(200)]
    packs = packed(found, max_open=8)
    assert sum(pack.tokens for pack in packs) == 2_000
    assert len(packs) <= 22


@given(ENTRIES, st.integers(1, 5))
def test_memory_is_bounded(found: list[tuple[int, frozenset[str]]], max_open: int) -> None:
    packer: Packer[int] = Packer(CONTEXT, max_open)
    written = 0
    for number, (tokens, about) in enumerate(found):
        written += sum(pack.tokens for pack in packer.add(Entry(number, tokens, about)))
        held = sum(one[0] for one in found[: number + 1]) - written
        assert held <= 1.5 * max_open * CONTEXT


def test_a_document_longer_than_the_context_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="101 tokens is longer than a context of 100"):
        packed([(101, frozenset())])

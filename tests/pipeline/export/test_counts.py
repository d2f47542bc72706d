"""What an export holds, in numbers that add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.export.counts import Amount, Counts

NAMES = st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))
AMOUNTS = st.builds(
    Amount, audio_ms=st.integers(0, 99), audio_tokens=st.integers(0, 99), text_tokens=st.integers(0, 99)
)
COUNTS = st.builds(
    Counts,
    samples=NAMES,
    languages=NAMES,
    licenses=NAMES,
    skipped=NAMES,
    lost=st.integers(0, 9),
    clips_ms=st.integers(0, 99),
    amounts=st.dictionaries(st.sampled_from("abc"), AMOUNTS),
)


@given(COUNTS, COUNTS)
def test_two_parts_add_up_whichever_comes_first(one: Counts, other: Counts) -> None:
    both = one.plus(other)
    assert both == other.plus(one)
    for name in ("samples", "languages", "licenses", "skipped"):
        parts = getattr(one, name), getattr(other, name)
        assert getattr(both, name) == {key: sum(part.get(key, 0) for part in parts) for key in {*parts[0], *parts[1]}}
    assert (both.lost, both.clips_ms) == (one.lost + other.lost, one.clips_ms + other.clips_ms)
    assert both.total == one.total + other.total
    assert both.amount == one.amount + other.amount
    assert set(both.amounts) == {*one.amounts, *other.amounts}
    assert one.plus(Counts()) == one


def test_amounts_add_up_field_by_field() -> None:
    one, other = (
        Amount(audio_ms=1, audio_tokens=20, text_tokens=300),
        Amount(audio_ms=4, audio_tokens=50, text_tokens=600),
    )
    assert one + other == Amount(audio_ms=5, audio_tokens=70, text_tokens=900)

"""Timed text can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.pipeline.sft.answers import (
    AmbiguousTextError,
    TimedText,
    TimestampFormat,
    read_timed,
    rounded,
    write_timed,
)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=20)
ENTRIES = st.lists(
    st.builds(
        TimedText,
        segment_start_ms=st.integers(0, 40_000_000),
        segment_end_ms=st.integers(0, 40_000_000),
        text=TEXT,
    ),
    max_size=6,
)


@given(ENTRIES, st.integers(0, 3))
def test_lines_come_back_to_the_precision_they_are_written_in(entries: list[TimedText], decimals: int) -> None:
    style = TimestampFormat(decimals=decimals)
    assert read_timed(write_timed(entries, style), style) == tuple(rounded(entry, style) for entry in entries)


@given(ENTRIES, st.sampled_from(["<{start}>{text}<{end}>", "[{start}|{end}] {text}", "{text} ({start}-{end})"]))
def test_another_form_comes_back_too_or_is_refused(entries: list[TimedText], line: str) -> None:
    style = TimestampFormat(line=line, joiner=" ")
    try:
        written = write_timed(entries, style)
    except AmbiguousTextError:
        return
    assert read_timed(written, style) == tuple(rounded(entry, style) for entry in entries)


def test_the_default_form_is_decimal_seconds_and_a_colon() -> None:
    entries = [
        TimedText(segment_start_ms=0, segment_end_ms=57_000, text="birds chirping"),
        TimedText(segment_start_ms=1_234, segment_end_ms=2_000, text="a dog"),
    ]
    assert write_timed(entries, TimestampFormat()) == "0.00 - 57.00: birds chirping\n1.23 - 2.00: a dog"


def test_a_text_that_looks_like_the_form_itself_is_kept_apart() -> None:
    entries = [TimedText(segment_start_ms=0, segment_end_ms=1000, text="0.00 - 1.00: one")]
    assert read_timed(write_timed(entries, TimestampFormat()), TimestampFormat())[0].text == "0.00 - 1.00: one"


def test_a_text_that_would_be_read_otherwise_is_refused() -> None:
    style = TimestampFormat(line="<{start}>{text}<{end}>", joiner=" ")
    with pytest.raises(AmbiguousTextError):
        write_timed([TimedText(segment_start_ms=0, segment_end_ms=1, text="a<0.00> <1.00>b")], style)


@pytest.mark.parametrize("line", ["{start} {text}", "{start} - {end}: {text} {text}", "{start}{end}: {text}"])
def test_a_form_that_cannot_be_read_back_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        TimestampFormat(line=line, decimals=0)


@pytest.mark.parametrize("text", ["hello", "1.00 - 2.00 hello", "1.0 - 2.0: hello", "1.00 - 2.00: a\nb"])
def test_text_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not timed text"):
        read_timed(text, TimestampFormat())

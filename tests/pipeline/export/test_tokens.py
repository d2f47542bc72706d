"""The tokens of audio and text, by a rule or a tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.tokens import audio_tokens, text_counter, text_tokens


@pytest.mark.parametrize(
    ("duration_ms", "tokens"),
    [
        (0, 0),
        (1, 1),
        (80, 1),
        (81, 2),
        (1_000, 13),
        (1_999, 25),
        (2_000, 25 + 1),
        (9_999, 125 + 4),
        (10_000, 125 + 4 + 2),
        (30_000, 375 + 4 + 11 * 2),
        (100_000, 1_250 + 4 + 45 * 2 + 3),
    ],
)
def test_a_clip_is_twelve_and_a_half_tokens_a_second_and_a_digit_of_every_second_second(
    duration_ms: int, tokens: int
) -> None:
    assert audio_tokens(duration_ms) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("word", 1),
        ("eight bytes.", 3),
        ("recordings", 2),
        ("привет", 2),
        ("\u4eca\u5929", 2),
        ("\u4eca word", 2),
        ("\u4ecaword", 2),
        ("\uac00\u3042", 2),
        ("0.00 - 57.00: birds", 4 + 1 + 1 + 5 + 1 + 1),
        ("one\n\ntwo", 3),
        ("snake_case", 3),
    ],
)
def test_a_token_is_a_short_word_or_a_single_digit_mark_or_wide_character(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


@given(st.text())
def test_no_letter_is_free(text: str) -> None:
    assert text_tokens(text) >= sum(character.isalpha() for character in text) / 7
    assert text_tokens(text) <= len(text)


def test_a_tokenizer_file_counts_instead_of_the_rule(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "one": 1, "two": 2}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    count = text_counter(str(tmp_path / "tokenizer.json"))
    assert (count("one"), count("one two extraordinarily"), count("")) == (1, 3, 0)
    assert text_counter(None)("one two extraordinarily") == 5


def test_a_file_that_is_no_tokenizer_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SetupError, match=r"is no tokenizer\.json"):
        text_counter(str(tmp_path / "tokenizer.json"))

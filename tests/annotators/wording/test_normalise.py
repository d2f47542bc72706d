from __future__ import annotations

import pytest

from soundseam.annotators.wording.normalise import plain, primary_language, unit_of, units_of
from soundseam.schemas.speech import ErrorUnit


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["今天天气很好"], ErrorUnit.CHARACTERS),
        (["きょうはいい天気です", "today"], ErrorUnit.CHARACTERS),
        (["오늘 날씨가 좋다"], ErrorUnit.CHARACTERS),
        (["good morning", "guten Morgen"], ErrorUnit.WORDS),
        (["Доброе утро"], ErrorUnit.WORDS),
        (["we watched 東京 and the rest of it"], ErrorUnit.WORDS),
        (["", "?!"], ErrorUnit.WORDS),
    ],
)
def test_chinese_japanese_and_korean_are_compared_by_character(texts: list[str], unit: ErrorUnit) -> None:
    assert unit_of(texts) is unit


def test_case_punctuation_and_width_make_no_difference() -> None:
    assert plain("\uff28ello, WORLD! —it\u2019s «me»") == "hello world it's me"


def test_marks_that_belong_to_letters_stay() -> None:
    assert plain("नमस्ते, Škoda!") == "नमस्ते škoda"


def test_korean_spacing_makes_no_difference() -> None:
    assert units_of("오늘 날씨가 좋다.", ErrorUnit.CHARACTERS, "ko") == list("오늘날씨가좋다")


def test_english_numbers_contractions_and_spelling_are_made_equal() -> None:
    pytest.importorskip("whisper_normalizer")
    said = units_of("Mr. Smith's favourite colour isn't twenty-five.", ErrorUnit.WORDS, "en-GB")
    heard = units_of("mister smith is favorite color is not 25", ErrorUnit.WORDS, "en")
    assert said == heard


@pytest.mark.parametrize(("tag", "language"), [("en-US", "en"), ("zh_Hans", "zh"), ("FR", "fr"), (None, None)])
def test_a_tag_is_known_by_its_first_part(tag: str | None, language: str | None) -> None:
    assert primary_language(tag) == language

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.wording.language_names import LANGUAGE_NAMES, UnknownLanguageError, language_tag


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("en_US", "en-US"),
        ("en-us.UTF-8", "en-US"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("English", "en"),
        (" english ", "en"),
        ("American English", "en"),
        ("English (US)", "en"),
        ("Mandarin Chinese", "zh"),
        ("Chinese (Mandarin)", "zh"),
        ("Scottish Gaelic", "gd"),
        ("Deutsch", "de"),
        ("中文", "zh"),
        ("ger", "de"),
        ("cmn", "zh"),
        ("luo", "luo"),
    ],
)
def test_a_language_is_known_by_code_and_by_name(said: str, tag: str) -> None:
    assert language_tag(said) == tag


@pytest.mark.parametrize("said", ["", " ", "auto", "Unknown", "und", "und-Latn", "NaN", "n/a", "multilingual", "zxx"])
def test_what_says_that_nobody_knows_is_no_language(said: str) -> None:
    assert language_tag(said) is None


@pytest.mark.parametrize("said", ["Hindi/English", "en, fr", "non-English", "xx", "x-klingon", "e" * 10**6])
def test_what_names_no_language_or_several_is_an_error(said: str) -> None:
    with pytest.raises(UnknownLanguageError):
        language_tag(said)


@given(st.sampled_from(sorted(LANGUAGE_NAMES)))
def test_every_tag_and_every_name_of_the_table_is_understood(tag: str) -> None:
    if tag != "nan":  # Min Nan has the code that many tables write for a missing value
        assert language_tag(tag) == tag
    assert language_tag(LANGUAGE_NAMES[tag]) == tag


@given(st.text(max_size=30))
def test_a_tag_that_was_made_is_understood_as_itself(said: str) -> None:
    try:
        tag = language_tag(said)
    except UnknownLanguageError:
        return
    assert tag is None or language_tag(tag) == tag

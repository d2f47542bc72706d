"""Transcripts made comparable: spelling, case and punctuation that no listener hears are taken away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache

from schemas.speech import ErrorUnit

_APOSTROPHES = ("'", "\u2019")
_NO_SPACES = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Kana, Han and Hangul: written without spaces, or with spaces that systems set differently."""


def unit_of(texts: Sequence[str]) -> ErrorUnit:
    """Characters where at least half of the letters of all `texts` are Chinese, Japanese or Korean, else words."""
    joined = "".join(texts)
    letters = sum(character.isalpha() for character in joined)
    return ErrorUnit.CHARACTERS if letters and len(_NO_SPACES.findall(joined)) * 2 >= letters else ErrorUnit.WORDS


def units_of(text: str, unit: ErrorUnit, language: str | None) -> list[str]:
    """The units of `text` that are compared.

    English (`language` en or en-..) goes through the normaliser of Whisper (arXiv 2212.04356, appendix C): numbers,
    contractions, British spelling. Raises ModuleNotFoundError for English without whisper_normalizer.
    """
    if unit is ErrorUnit.CHARACTERS:
        return [character for character in plain(text) if not character.isspace()]
    if is_language(language, "en"):
        return english_normaliser()(text).split()
    return plain(text).split()


def plain(text: str) -> str:
    """`text` in lower case and compatibility form, with a space for whatever is no letter, mark or digit."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (c if unicodedata.category(c)[0] in "LMN" or c in _APOSTROPHES else " " for c in folded)
    return " ".join("".join(kept).replace(_APOSTROPHES[1], _APOSTROPHES[0]).split())


def is_language(tag: str | None, language: str) -> bool:
    """Whether BCP 47 `tag` names `language`, whatever its region or script."""
    return primary_language(tag) == language


def primary_language(tag: str | None) -> str | None:
    return None if tag is None else tag.replace("_", "-").split("-")[0].lower()


@cache
def english_normaliser() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Callable[[str], str] = EnglishTextNormalizer()
    return normaliser

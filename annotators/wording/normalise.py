"""Normalises transcripts for comparison: removes differences of spelling, case and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from soundseam.schemas.speech import ErrorUnit

_APOSTROPHES = ("'", "\u2019")
_NO_SPACES = re.compile(
    "[\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Kana, Han and Hangul: written without spaces, or with spaces that systems set differently."""


def unit_of(texts: Sequence[str]) -> ErrorUnit:
    """Characters if at least half of the letters of all `texts` are Chinese, Japanese or Korean, else words."""
    joined = "".join(texts)
    letters = sum(character.isalpha() for character in joined)
    return ErrorUnit.CHARACTERS if letters and len(_NO_SPACES.findall(joined)) * 2 >= letters else ErrorUnit.WORDS


def units_of(text: str, unit: ErrorUnit, language: str | None) -> list[str]:
    """The units of `text` for comparison.

    English (`language` en or en-..) goes through the normaliser of Whisper (arXiv 2212.04356, appendix C): numbers,
    contractions, British spelling; its numbers are then split into digits, so that "1, 2, 3" equals "one two three".
    Raises ModuleNotFoundError for English without whisper_normalizer.
    """
    if unit is ErrorUnit.CHARACTERS:
        return [character for character in plain(text) if not character.isspace()]
    if is_language(language, "en"):
        return [unit for word in english_normaliser()(text).split() for unit in _digit_by_digit(word)]
    return plain(text).split()


def _digit_by_digit(word: str) -> list[str]:
    """`word`, or its digits if it is a number; Whisper's normaliser writes a single 1 as one."""
    if word == "one":
        return ["1"]
    return list(word) if word.isdecimal() else [word]


def plain(text: str) -> str:
    """`text` in lower case and compatibility form, with a space for everything except letters, marks and digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    characters = (c if unicodedata.category(c)[0] in "LMN" or c in _APOSTROPHES else " " for c in folded)
    return " ".join("".join(characters).replace(_APOSTROPHES[1], _APOSTROPHES[0]).split())


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


_QUOTED = re.compile(
    '\u201c([^\u201d]*)\u201d|"([^"]*)"|「([^」]*)」|『([^』]*)』|(?<!\\w)\u2018([^\u2019]*)\u2019(?!\\w)'
)
_MARKS = re.compile('[\u201c\u201d"「」『』]')


def quotations_in(text: str) -> Iterator[str]:
    """The texts between quotation marks; an unmatched mark quotes all the rest."""
    yield from (next(part for part in match.groups() if part is not None) for match in _QUOTED.finditer(text))
    rest = _QUOTED.sub(" ", text)
    lone = _MARKS.search(rest)
    if lone is not None:
        yield rest[lone.end() :]


def unquoted(text: str) -> str:
    """`text` without its quotations."""
    return _QUOTED.sub(" ", text)


def was_said(quotation: str, transcripts: Sequence[str]) -> bool:
    """Whether `quotation` occurs in one of `transcripts`, word for word, ignoring case and punctuation."""
    return any(_contains(transcript, quotation) for transcript in transcripts)


def _contains(transcript: str, quotation: str) -> bool:
    unit = unit_of([transcript, quotation])
    said, quoted = _units(transcript, unit), _units(quotation, unit)
    return bool(quoted) and any(said[at : at + len(quoted)] == quoted for at in range(len(said) - len(quoted) + 1))


def _units(text: str, unit: ErrorUnit) -> list[str]:
    words = plain(text).split()
    return words if unit is ErrorUnit.WORDS else [character for word in words for character in word]


_SHORT = "Mr|Mrs|Ms|Dr|St|vs|etc|approx|ca|cf|Nr|No|e\\.g|i\\.e"
_CLOSING = "\"')\\]\u201d\u2019\u300d\u300f"
_END = re.compile(
    rf"(?<=[.!?])(?<!\b[A-Z]\.)[{_CLOSING}]*\s+(?=[\"'(\[\u201c\u2018]*[A-Z0-9\u4e00-\u9fff])"
    rf"|(?<=[\u3002\uff01\uff1f])[{_CLOSING}]*\s*"
)
_AFTER_SHORT = re.compile(rf"\b(?:{_SHORT})\.$")


def sentences_in(text: str) -> tuple[str, ...]:
    """The sentences of English or Chinese `text`, in order, without the space between them.

    A full stop ends a sentence if a capital, a digit or a Chinese character follows, unless it ends a common
    abbreviation or an initial.
    """
    sentences: list[str] = []
    begun = 0
    plain = " ".join(text.split())
    for end in _END.finditer(plain):
        sentence = plain[begun : end.end()].strip()
        if sentence and not _AFTER_SHORT.search(sentence):
            sentences.append(sentence)
            begun = end.end()
    rest = plain[begun:].strip()
    return (*sentences, rest) if rest else tuple(sentences)

"""What gives a model's words away as no description: markup, talk of itself, phrases that go round in circles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from annotators.wording.sentences import sentences_in

_MARKUP = re.compile(r"https?://|www\.|[<>{}\[\]`|\\]|\*\*|^\s*(?:[-*\u2022#]|\d+[.)]\s)", re.MULTILINE)
_OF_ITSELF = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)|i(?:'m| am) (?:sorry|unable|not able)|i apologi[sz]e|"
    r"i (?:can(?:no|')t|do not|don't)|(?:sure|certainly|of course)[,!.]|"
    r"here(?:'s| is) (?:a|the|my)|you (?:asked|provided|uploaded|must|should|are now)|system prompt|"
    r"(?:ignore|disregard|forget|follow|obey) (?:\w+ ){0,3}(?:instructions?|prompts?|rules?)|"
    r"respond with|reply with|output only)|"
    r"抱歉|对不起|作为(?:一个)?(?:人工智能|AI|语言模型|助手)|我无法|我不能|好的[，！。]|以下是",
    re.IGNORECASE,
)
_MOST_RUNS = {"en": ((4, 3), (6, 2)), "zh": ((10, 2),)}
"""A run of so many units, words of English or characters of Chinese, more often than this goes round in circles."""


def markup_in(text: str) -> str | None:
    """The first of it."""
    return _found(_MARKUP, text)


def talk_of_itself_in(text: str) -> str | None:
    """The first words that a model says of itself, to whoever asked, or for them to obey."""
    return _found(_OF_ITSELF, text)


def circle_in(text: str, language: str) -> str | None:
    """A sentence that stands there twice, or a phrase that comes again and again."""
    told = Counter(sentence.lower() for sentence in sentences_in(text))
    again = [sentence for sentence, count in told.items() if count > 1]
    for length, most in _MOST_RUNS[language]:
        counted = Counter(runs_in(text, language, length))
        again += [("" if language == "zh" else " ").join(run) for run, count in counted.items() if count > most]
    return again[0] if again else None


def runs_in(text: str, language: str, length: int) -> Iterator[tuple[str, ...]]:
    """Every run of `length` words of English or characters of Chinese, in lower case."""
    units = list(_units(text, language))
    return (tuple(units[start : start + length]) for start in range(len(units) - length + 1))


def _units(text: str, language: str) -> Iterator[str]:
    if language == "zh":
        return (character for character in text if character.isalnum())
    return iter(re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.lower()))


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match.group().strip() if match else None

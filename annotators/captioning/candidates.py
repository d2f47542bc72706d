"""Which of a model's answers may stand as a caption, and which of several does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from annotators.captioning.prompts import Prompt
from annotators.wording.jargon import find_jargon
from annotators.wording.language import is_in, length_of
from annotators.wording.quotations import unquoted
from annotators.wording.sentences import sentences_in

LONGEST = {"en": 160, "zh": 300}
"""Words of English, characters of Chinese."""
_ECHO = {"en": 7, "zh": 12}
"""So many units in a row, words of English or characters of Chinese, that stand in the prompt as well repeat it."""
_RUN = {"en": 6, "zh": 10}
_MOST_RUNS = 2
"""A run of so many units more often than this goes round in circles."""

_MARKUP = re.compile(r"^\s*(?:[-*\u2022#>|]|\d+[.)]\s|```|\{|\[)|\*\*|</?\w+>", re.MULTILINE)
_ABOUT_ITSELF = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)|i(?:'m| am) (?:sorry|unable|not able)|"
    r"i (?:can(?:no|')t|do not|don't)|(?:sure|certainly|of course)[,!.]|"
    r"here(?:'s| is) (?:a|the|my)|you (?:asked|provided|uploaded))|"
    r"抱歉|对不起|作为(?:一个)?(?:人工智能|AI|语言模型|助手)|我无法|我不能|好的[，！。]|以下是",
    re.IGNORECASE,
)


def problem_of(text: str, prompt: Prompt) -> str | None:
    """Why `text` cannot be a caption, in a word that can be counted; None where nothing speaks against it."""
    language, own = prompt.language, unquoted(text)
    wrong: dict[str, Callable[[], object]] = {
        "no_caption": lambda: not any(character.isalpha() for character in text),
        "too_long": lambda: length_of(text, language) > LONGEST[language],
        "wrong_language": lambda: not is_in(text, language),
        "not_prose": lambda: _MARKUP.search(text),
        "about_itself": lambda: _ABOUT_ITSELF.search(own),
        "prompt_echo": lambda: _common_runs(text, prompt.text, language),
        "repetition": lambda: _goes_in_circles(text, language),
        "tool_jargon": lambda: any(find_jargon(own)),
    }
    return next((reason for reason, holds in wrong.items() if holds()), None)


def choose(texts: Sequence[str], language: str) -> int:
    """The position of the one that agrees most with the others, by shared pairs of words; the first of equals.

    What most answers say is the likeliest to be heard; an invention stands mostly in one of them.
    """
    pairs = [Counter(_runs(text, language, 2)) for text in texts]

    def agreement(position: int) -> float:
        return sum(_overlap(pairs[position], other) for index, other in enumerate(pairs) if index != position)

    return max(range(len(texts)), key=agreement)


def _common_runs(text: str, other: str, language: str) -> set[tuple[str, ...]]:
    return set(_runs(text, language, _ECHO[language])) & set(_runs(other, language, _ECHO[language]))


def _goes_in_circles(text: str, language: str) -> bool:
    sentences = Counter(sentence.lower() for sentence in sentences_in(text))
    runs = Counter(_runs(text, language, _RUN[language]))
    return max(sentences.values(), default=0) > 1 or max(runs.values(), default=0) > _MOST_RUNS


def _overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    """F1 of what both hold."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _runs(text: str, language: str, length: int) -> Iterator[tuple[str, ...]]:
    units = list(_units(text, language))
    return (tuple(units[start : start + length]) for start in range(len(units) - length + 1))


def _units(text: str, language: str) -> Iterator[str]:
    if language == "zh":
        return (character for character in text if character.isalnum())
    return iter(re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.lower()))

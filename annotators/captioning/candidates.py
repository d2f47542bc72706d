"""Which of a model's answers may stand as a caption, and which of several does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from annotators.captioning.prompts import Prompt
from annotators.wording.jargon import find_jargon
from annotators.wording.language import is_in, length_of
from annotators.wording.prose import circle_in, markup_in, runs_in, talk_of_itself_in
from annotators.wording.quotations import unquoted

LONGEST = {"en": 160, "zh": 300}
"""Words of English, characters of Chinese."""
_ECHO = {"en": 7, "zh": 12}
"""So many units in a row, words of English or characters of Chinese, that stand in the prompt as well repeat it."""


def problem_of(text: str, prompt: Prompt) -> str | None:
    """Why `text` cannot be a caption, in a word that can be counted; None where nothing speaks against it."""
    language, own = prompt.language, unquoted(text)
    wrong: dict[str, Callable[[], object]] = {
        "no_caption": lambda: not any(character.isalpha() for character in text),
        "too_long": lambda: length_of(text, language) > LONGEST[language],
        "wrong_language": lambda: not is_in(text, language),
        "not_prose": lambda: markup_in(text),
        "about_itself": lambda: talk_of_itself_in(own),
        "prompt_echo": lambda: _common_runs(text, prompt.text, language),
        "repetition": lambda: circle_in(text, language),
        "tool_jargon": lambda: any(find_jargon(own)),
    }
    return next((reason for reason, holds in wrong.items() if holds()), None)


def choose(texts: Sequence[str], language: str) -> int:
    """The position of the one that agrees most with the others, by shared pairs of words; the first of equals.

    What most answers say is the likeliest to be heard; an invention stands mostly in one of them.
    """
    pairs = [Counter(runs_in(text, language, 2)) for text in texts]

    def agreement(position: int) -> float:
        return sum(_overlap(pairs[position], other) for index, other in enumerate(pairs) if index != position)

    return max(range(len(texts)), key=agreement)


def _common_runs(text: str, other: str, language: str) -> set[tuple[str, ...]]:
    return set(runs_in(text, language, _ECHO[language])) & set(runs_in(other, language, _ECHO[language]))


def _overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    """F1 of what both hold."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())

"""Whether words are a listener's, in the language asked for, and not too many."""

from __future__ import annotations

from collections.abc import Iterator

from soundseam.annotators.wording.normalise import unquoted
from soundseam.annotators.wording.prose import find_jargon, is_in, length_of
from soundseam.pipeline.captions.grounding import Problem, Reason

LONGEST_CLAIM = {"en": 40, "zh": 80}
"""Words of English, characters of Chinese: a sentence that says more is several claims."""
LONGEST_CAPTION = {"en": 120, "zh": 220}
"""The same of a whole caption: Chinese says in two characters what English says in a word."""


def wording_problems(text: str, language: str) -> Iterator[Problem]:
    """What is wrong with the words of one sentence."""
    for word in find_jargon(unquoted(text)):
        yield Problem(Reason.TOOL_JARGON, f"{word!r} in {text!r}")
    if not is_in(text, language):
        yield Problem(Reason.WRONG_LANGUAGE, f"{text!r} is not in the language asked for, {language}")
    length = length_of(text, language)
    if length > LONGEST_CLAIM[language]:
        yield Problem(Reason.TOO_LONG, f"{length} words in one sentence: {text[:80]!r}")

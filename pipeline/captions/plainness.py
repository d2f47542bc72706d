"""Checks that a sentence has a listener's words, the requested language and a limited length."""

from __future__ import annotations

from collections.abc import Iterator

from soundseam.annotators.wording.normalise import unquoted
from soundseam.annotators.wording.prose import find_jargon, is_in, length_of
from soundseam.pipeline.captions.grounding import Problem, Reason

LONGEST_CLAIM = {"en": 40, "zh": 80}
"""English words, Chinese characters: a longer sentence contains several claims."""
LONGEST_CAPTION = {"en": 120, "zh": 220}
"""The same for a whole caption: two Chinese characters correspond to one English word."""


def wording_problems(text: str, language: str) -> Iterator[Problem]:
    """Problems with the wording of one sentence."""
    for word in find_jargon(unquoted(text)):
        yield Problem(Reason.TOOL_JARGON, f"{word!r} in {text!r}")
    if not is_in(text, language):
        yield Problem(Reason.WRONG_LANGUAGE, f"{text!r} is not in the requested language, {language}")
    length = length_of(text, language)
    if length > LONGEST_CLAIM[language]:
        yield Problem(Reason.TOO_LONG, f"{length} words in one sentence: {text[:80]!r}")

"""A sentence of a caption beside the labels, and the places and durations that it states."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from soundseam.annotators.grammar.words import HEDGES, LONGER, PLACES, seconds_word
from soundseam.annotators.wording.normalise import unquoted
from soundseam.annotators.wording.numbers import numbers_in
from soundseam.pipeline.evaluation.claim_truth import Truth
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

_HEDGED = re.compile(rf"(?:{'|'.join(HEDGES)}) (?:sounds of nature|\w+ sounds?\b|\w+)")
SPEECH = re.compile(r"\b(?:speech|speak\w*|spoken|talk\w*|says?|said|utterance|words (?:can|are|come))\b")
MUSIC = re.compile(r"\b(?:music\w*|melod\w+(?! of the voice)|tempo|notes)\b")
_STEPS = (*range(1, 14), *sorted(seconds for seconds, _ in LONGER), float("inf"))
"""Durations in seconds at which a caption changes its words for them."""


@dataclass(frozen=True)
class Statement:
    """One sentence, and the truth about its part of a recording."""

    claim: Claim
    span: TimeSpan
    truth: Truth
    """The truth about `span` only."""

    @cached_property
    def text(self) -> str:
        """The text in lower case, without quotations and hedged parts."""
        return _HEDGED.sub(" ", unquoted(self.claim.text).lower())

    @cached_property
    def reserved(self) -> str:
        """The hedged parts."""
        return " ".join(_HEDGED.findall(unquoted(self.claim.text).lower()))

    def mentions(self, branch: Branch) -> bool:
        pattern = SPEECH if branch is Branch.SPEECH else MUSIC
        by_rule = self.claim.rule.startswith(f"{branch}.") and not self.reserved
        return by_rule or pattern.search(self.text) is not None


Check = Callable[[Statement], list[str] | None]


def stated_seconds(text: str) -> list[float]:
    """Durations in seconds."""
    words = [(1.0, seconds_word(1_000)), *((float(seconds), phrase) for seconds, phrase in LONGER)]
    numbers = [number.value for number in numbers_in(text) if number.is_seconds]
    return [*numbers, *(seconds for seconds, phrase in words if re.search(rf"{phrase}(?!s)", text))]


def stated_duration(text: str) -> tuple[float, float] | None:
    """The first duration as a range of seconds: a caption says three from 3 s to less than 4 s."""
    seconds = next(iter(stated_seconds(text)), None)
    if seconds is None:
        return None
    return seconds, next(upper for lower, upper in pairwise((0, *_STEPS)) if lower <= seconds < upper)


def stated_place(text: str) -> tuple[float, float] | None:
    """The place that a caption states, as a range of shares of the whole."""
    lower, found = 0.0, None
    for upper, words in PLACES:
        if words in text:
            found = (lower, upper)
        lower = upper
    return found

"""A language model in the same process that knows letters: it writes what it is told to, and chooses by probability."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.chat_models import tokens_of
from tests.support.chat_server import Asked, Token, Told

_CHOICE = re.compile(r"^([A-F])\. (.*)$", re.MULTILINE)


def choices_in(text: str) -> dict[str, str]:
    """letter → choice, as a question has them."""
    return dict(_CHOICE.findall(text))


@dataclass
class Letters:
    """`say` answers what has no choices; `chances` gives the probability of each choice's text, the rest is shared."""

    say: Callable[[Asked], str] = lambda asked: ""
    chances: Callable[[Asked], Mapping[str, float]] = lambda asked: {}
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Told:
        self.asked.append(asked)
        if not asked.choices:
            return Told(tokens_of(self.say(asked)))
        offered, chances = choices_in(asked.text), self.chances(asked)
        known = {letter: chances[choice] for letter, choice in offered.items() if choice in chances}
        left = (1.0 - sum(known.values())) / max(len(asked.choices) - len(known), 1)
        shares = {letter: known.get(letter, left) for letter in asked.choices}
        top = [(letter, math.log(max(share, 1e-9))) for letter, share in shares.items()]
        best = max(top, key=lambda one: one[1])
        return Told([Token(best[0], best[1], top)])

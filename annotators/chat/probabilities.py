"""How probable each of the possible answers was, from the tokens that a server considered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One token of an answer, and those considered for its place, itself among them, with their log-probabilities."""

    taken: bytes
    considered: Sequence[tuple[bytes, float]]


def choice_probabilities(steps: Sequence[Step], forms: Mapping[str, bytes]) -> dict[str, float]:
    """choice → probability, summing to 1; empty where no token considered leads to any of them.

    `forms` gives each choice as it is written out in full. A choice may begin with several tokens (`yes`, `y`, ` Yes`):
    at the first step all that lead to it are summed and taken relative to all that lead to any choice. Where the token
    taken leads to several choices still, the steps after it tell them apart. A token that was not taken and leads to
    several counts for each in equal parts, since what would have followed it is unknown.
    """
    wanted = {choice: _plain(form) for choice, form in forms.items()}
    found = dict.fromkeys(forms, 0.0)
    written, weight = b"", 1.0
    for step in steps:
        masses = [
            (token, math.exp(logprob), _led_to(written + _plain(token), wanted))
            for token, logprob in dict(step.considered).items()
        ]
        total = sum(mass for _, mass, choices in masses if choices)
        if total <= 0.0:
            break
        left = 0.0
        for token, mass, choices in masses:
            if token == step.taken and len(choices) > 1:
                left = weight * mass / total
                continue
            for choice in choices:
                found[choice] += weight * mass / total / len(choices)
        written, weight = written + _plain(step.taken), left
        if not left:
            break
    open_choices = _led_to(written, wanted) if weight < 1.0 else []
    for choice in open_choices:
        found[choice] += weight / len(open_choices)
    return found if weight < 1.0 else {}


def read_choice(text: str, forms: Mapping[str, bytes]) -> str | None:
    """The choice that `text` is or begins with; None where it is none or could be several."""
    led_to = _led_to(_plain(text.encode()), {choice: _plain(form) for choice, form in forms.items()})
    return led_to[0] if len(led_to) == 1 else None


def _led_to(text: bytes, wanted: Mapping[str, bytes]) -> list[str]:
    """The choices that `text` may still become, or else those that it has become with more behind them."""
    become = [choice for choice, form in wanted.items() if form.startswith(text)]
    if become:
        return become
    past = [choice for choice, form in wanted.items() if text.startswith(form)]
    longest = max((len(wanted[choice]) for choice in past), default=0)
    return [choice for choice in past if len(wanted[choice]) == longest]


def _plain(text: bytes) -> bytes:
    """Without the differences of case and space that models make at will."""
    return b"".join(text.split()).lower()

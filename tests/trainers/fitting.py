"""What every run of a trainer checks: finite losses, every sample seen, and that audio and answer belong together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

FITTED = 20
"""Samples that a model is fitted on."""


@dataclass(frozen=True)
class Pair:
    """One sample as a trainer gets it: the audio in its own form, and the texts."""

    name: str
    audio: Any
    question: str
    answer: str


@dataclass(frozen=True)
class Seen:
    """What a run showed."""

    samples: int
    first_loss: float
    last_loss: float
    fitted_loss: float
    shuffled_loss: float
    """Loss of the fitted model if each clip gets the answer of the next one."""

    def __str__(self) -> str:
        return (
            f"{self.samples} samples seen, all losses finite, from {self.first_loss:.2f} to {self.last_loss:.2f}; "
            f"fitted on {FITTED}: {self.fitted_loss:.3f}, with shuffled answers {self.shuffled_loss:.3f}"
        )


def different(pairs: Sequence[Pair], identity: Callable[[Pair], object]) -> list[Pair]:
    """Up to FITTED pairs with different clips and different answers, without their questions, which could give the
    answer away."""
    chosen: dict[str, Pair] = {}
    clips: set[object] = set()
    for pair in sorted(pairs, key=lambda one: len(one.answer)):
        if pair.answer not in chosen and identity(pair) not in clips and len(chosen) < FITTED:
            chosen[pair.answer] = Pair(pair.name, pair.audio, "", pair.answer)
            clips.add(identity(pair))
    return list(chosen.values())


def run(
    pairs: Sequence[Pair],
    identity: Callable[[Pair], object],
    step: Callable[[Pair], float],
    loss: Callable[[Pair], float],
    epochs: int = 30,
) -> Seen:
    """One step on every pair, then `epochs` over a few; `step` trains and gives the loss, `loss` only gives it.

    Raises AssertionError if a loss is not finite, or shuffled answers are not clearly worse.
    """
    losses = [step(pair) for pair in pairs]
    assert all(map(math.isfinite, losses)), "a loss is not finite"
    few = different(pairs, identity)
    for _ in range(epochs):
        for pair in few:
            step(pair)
    answers = [pair.answer for pair in few]
    shuffled = [
        Pair(pair.name, pair.audio, "", answer) for pair, answer in zip(few, answers[1:] + answers[:1], strict=True)
    ]
    fitted, wrong = (sum(map(loss, some)) / len(some) for some in (few, shuffled))
    seen = Seen(len(losses), losses[0], losses[-1], fitted, wrong)
    assert wrong > 2 * fitted, f"shuffled answers are as good: {seen}"
    return seen

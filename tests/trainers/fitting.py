"""What every run of a trainer checks: finite losses, every sample seen, and that audio and answer belong together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FITTED = 20
"""Samples that a model is fitted on."""
_EPOCHS = 30


@dataclass(frozen=True)
class Pair:
    """One sample as a trainer gets it: `clip` names its audio, or is it."""

    name: str
    clip: Any
    question: str
    answer: str

    def with_answer(self, answer: str) -> Pair:
        """The same clip without its question, which could give the answer away."""
        return Pair(self.name, self.clip, "", answer)


class Steps:
    """Steps over single samples, each of which is made into a batch once."""

    def __init__(self, model: Any, batch_of: Callable[[Pair], Mapping[str, torch.Tensor]]) -> None:
        self._model, self._batch_of = model, batch_of
        self._batches: dict[Pair, Mapping[str, torch.Tensor]] = {}
        wanted = [weight for weight in model.parameters() if weight.requires_grad]
        self._weights, self._optimiser = wanted, torch.optim.AdamW(wanted, lr=2e-3)

    def _loss(self, pair: Pair) -> torch.Tensor:
        if pair not in self._batches:
            self._batches[pair] = self._batch_of(pair)
        loss: torch.Tensor = self._model(**self._batches[pair]).loss
        return loss

    def step(self, pair: Pair) -> float:
        self._optimiser.zero_grad()
        loss = self._loss(pair)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def loss(self, pair: Pair) -> float:
        return float(self._loss(pair))


@dataclass(frozen=True)
class Seen:
    """What a run showed."""

    samples: int
    first_loss: float
    last_loss: float
    fitted: int
    fitted_loss: float
    shuffled_loss: float
    """Loss of the fitted model if each clip gets the answer of the next one."""

    def __str__(self) -> str:
        return (
            f"{self.samples} samples seen, all losses finite, from {self.first_loss:.2f} to {self.last_loss:.2f}; "
            f"fitted on {self.fitted}: {self.fitted_loss:.3f}, with shuffled answers {self.shuffled_loss:.3f}"
        )


def different(pairs: Sequence[Pair], number: int = FITTED) -> list[Pair]:
    """Up to `number` pairs with different clips and different answers, the shortest, without their questions."""
    chosen: dict[str, Pair] = {}
    clips: set[object] = set()
    for pair in sorted(pairs, key=lambda one: len(one.answer)):
        if pair.answer not in chosen and pair.clip not in clips and len(chosen) < number:
            chosen[pair.answer] = pair.with_answer(pair.answer)
            clips.add(pair.clip)
    return list(chosen.values())


def run(
    pairs: Sequence[Pair],
    step: Callable[[Pair], float],
    loss: Callable[[Pair], float],
    epochs: int = _EPOCHS,
    number: int = FITTED,
) -> Seen:
    """One step on every pair, then `epochs` over a few; `step` trains and gives the loss, `loss` only gives it.

    Raises AssertionError if a loss is not finite, or shuffled answers are not clearly worse.
    """
    losses = [step(pair) for pair in pairs]
    assert all(map(math.isfinite, losses)), "a loss is not finite"
    few = different(pairs, number)
    for _ in range(epochs):
        for pair in few:
            step(pair)
    answers = [pair.answer for pair in few]
    shuffled = [pair.with_answer(answer) for pair, answer in zip(few, answers[1:] + answers[:1], strict=True)]
    fitted, wrong = (sum(map(loss, some)) / len(some) for some in (few, shuffled))
    seen = Seen(len(losses), losses[0], losses[-1], len(few), fitted, wrong)
    assert wrong > 2 * fitted, f"shuffled answers are as good: {seen}"
    return seen


def lines_of(export: Path, stem: str = "") -> list[dict[str, Any]]:
    """The lines of both splits of an export."""
    names = [export / f"{stem}{split}.jsonl" for split in ("train", "validation")]
    return [json.loads(line) for name in names if name.exists() for line in name.open(encoding="utf-8")]


def pairs_of_messages(lines: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Of the lines of ms-swift and LLaMA-Factory that play one clip and ask once."""
    return [
        Pair(str(index), *line["audios"], *(one["content"].removeprefix("<audio>") for one in line["messages"]))
        for index, line in enumerate(lines)
        if len(line["audios"]) == 1 and len(line["messages"]) == 2
    ]

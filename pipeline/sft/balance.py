"""What may be learnt without listening: answers that a question gives away are thinned, and recordings held out.

Every sample has a draw that depends on its id and the seed alone. Of each kind of answer the smallest draws are kept,
so that a few thresholds say of any sample whether it stays: the same on every machine, in any order of shards, and
nearly the same when the corpus grows. Samples that go are kept in OUT/thinned, so the thresholds can be found again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from soundseam.schemas.record import draw
from soundseam.schemas.sample import AnswerSpec, Sample, Scoring, Split

CLOSED = frozenset({Scoring.EXACT, Scoring.CHOICE, Scoring.NUMBER, Scoring.LABELS})
"""Whose answers per guess may hit: nobody guesses a transcript, and times are as good as never right."""
MIN_QUESTIONS = 8
"""Of fewer like questions nobody learns what to guess."""
OVER_CHANCE = 0.05
"""By which the share of an answer may exceed chance, where a question offers so few that chance is over the limit."""
REFUSAL = "refusal"
_RATIO = 1.2
"""Numbers within this ratio are one answer to a guesser."""

_COLUMNS = ("recording_id", "task", "kind", "topic", "language")

Cell = tuple[str, ...]
"""Like questions: task, kind, language, then the topic, or the option that they offer."""


class Asked(NamedTuple):
    """What balance needs to know of a sample."""

    sample_id: str
    recording_id: str
    task: str
    kind: str
    topic: str
    language: str
    answer: str | None
    """As a guesser sees it; None for open answers."""
    offered: tuple[str, ...]
    """The answers that the question itself names."""

    @property
    def chance(self) -> float:
        return 1 / len(self.offered) if self.offered else 0.0

    def classes(self) -> Iterator[tuple[Cell, str]]:
        """(like questions, class of answer) in each of the ways to guess it."""
        if self.answer is None:
            return
        base = (self.task, self.kind, self.language)
        yield (*base, "topic", self.topic), self.answer
        if len(self.offered) == 2:
            for option in self.offered:
                yield (*base, "option", option), "right" if option == self.answer else "wrong"
        else:
            yield (*base, "any"), self.answer


def asked_of(sample_id: str, row: Mapping[str, object], spec: AnswerSpec) -> Asked:
    """From a sample's columns recording_id, task, kind, topic and language, and its specification."""
    recording_id, task, kind, topic, language = (str(row[name]) for name in _COLUMNS)
    return Asked(sample_id, recording_id, task, kind, topic, language, answer_class(spec), spec.choices)


def answer_class(spec: AnswerSpec) -> str | None:
    """What a guess would have to be; None if nobody guesses."""
    if spec.scoring not in CLOSED:
        return None
    if spec.scoring is Scoring.NUMBER and spec.tolerance and spec.value:
        return f"about {_RATIO ** round(math.log(spec.value, _RATIO)):.2g}"
    return spec.reference


@dataclass(frozen=True)
class Balance:
    """Which samples stay, and which recordings are held out."""

    seed: int
    held_out_below: float
    """The draw of a group of recordings up to which it is held out."""
    thresholds: Mapping[tuple[Cell, str], float] = field(default_factory=dict)
    """(like questions, class of answer) → draw up to which a sample stays; without a limit where not named."""

    def keeps(self, asked: Asked) -> bool:
        mine = draw(self.seed, "balance", asked.sample_id)
        if mine > self.thresholds.get(((asked.task,), ""), 1.0):
            return False
        return all(mine <= self.thresholds.get(name, 1.0) for name in asked.classes())

    def split_of(self, group: str) -> Split:
        return Split.VALIDATION if draw(self.seed, "split", group) <= self.held_out_below else Split.TRAIN


def asked_of_sample(sample: Sample) -> Asked:
    return asked_of(sample.sample_id, sample.model_dump(), sample.answer_spec)


def thresholds_of(
    asked: Iterable[Asked], seed: int, max_guessed: float, max_refusals: float
) -> dict[tuple[Cell, str], float]:
    """Draws up to which samples stay, so that no answer is right over `max_guessed` of the time, or much over chance
    where that is more, and at most `max_refusals` of all samples are refusals."""
    by_task: dict[str, list[Asked]] = {}
    for one in asked:
        by_task.setdefault(one.task, []).append(one)
    found: dict[tuple[Cell, str], float] = {}
    others = 0
    for task, members in by_task.items():
        if task != REFUSAL:
            left = _thinned(members, seed, max_guessed, found)
            others += len(left)
    if others and REFUSAL in by_task:
        most = math.floor(max_refusals * others / (1 - max_refusals))
        _cap(((REFUSAL,), ""), [draw(seed, "balance", one.sample_id) for one in by_task[REFUSAL]], most, found)
    return found


def _thinned(
    members: Sequence[Asked], seed: int, max_guessed: float, found: dict[tuple[Cell, str], float]
) -> list[Asked]:
    """What is left of one task; thresholds go into `found`.

    Thinning one answer changes the shares of others, so it goes on until nothing has to go.
    """
    left = [(draw(seed, "balance", one.sample_id), one) for one in members]
    while True:
        cells: dict[Cell, dict[str, list[float]]] = {}
        chances: dict[Cell, float] = {}
        for mine, one in left:
            for cell, answer in one.classes():
                cells.setdefault(cell, {}).setdefault(answer, []).append(mine)
                chances[cell] = max(chances.get(cell, 0.0), one.chance)
        for cell, answers in cells.items():
            _thin_cell(cell, answers, max(max_guessed, chances[cell] + OVER_CHANCE), found)
        kept = [(mine, one) for mine, one in left if all(mine <= found.get(name, 1.0) for name in one.classes())]
        if len(kept) == len(left):
            return [one for _, one in kept]
        left = kept


def _thin_cell(
    cell: Cell, answers: Mapping[str, Sequence[float]], limit: float, found: dict[tuple[Cell, str], float]
) -> None:
    sizes = Counter({answer: len(draws) for answer, draws in answers.items()})
    if sizes.total() < MIN_QUESTIONS or limit >= 1:
        return
    if len(sizes) == 2:
        # Two answers that occur are as if they were offered.
        limit = max(limit, 0.5 + OVER_CHANCE)
    most = most_of_each(sizes, limit)
    for answer, draws in answers.items():
        _cap((cell, answer), draws, most, found)


def most_of_each(sizes: Mapping[str, int], limit: float) -> int:
    """The largest number to keep of each answer, so that none has more than the share `limit` of what is left."""
    for most in range(max(sizes.values()), 0, -1):
        left = [min(size, most) for size in sizes.values()]
        if max(left) <= limit * sum(left):
            return most
    return 0


def _cap(name: tuple[Cell, str], draws: Sequence[float], most: int, found: dict[tuple[Cell, str], float]) -> None:
    if len(draws) > most:
        found[name] = sorted(draws)[most - 1] if most else -1.0


def held_out_below(
    segments: Mapping[str, int], groups: Mapping[str, str], seed: int, share: float, floor: int
) -> float:
    """The draw up to which groups of recordings are held out.

    At least `share` of the segments and a quarter more, since not every segment gives equally many samples; and `floor`
    recordings, but for that no more than one in five.

    `segments` is recording_id → how many it has, `groups` recording_id → its group. Whatever tasks are built, the same
    recordings are held out.
    """
    drawn: dict[float, list[str]] = {}
    for name in segments:
        drawn.setdefault(draw(seed, "split", groups.get(name, name)), []).append(name)
    total, wanted = sum(segments.values()), min(floor, len(segments) // 5)
    below, held, held_segments = -1.0, 0, 0
    for edge in sorted(drawn):
        if share == 0 or (edge >= share and held >= wanted and held_segments >= min(1.25 * share, 1.0) * total):
            break
        if edge >= share and held >= wanted and held + len(drawn[edge]) > len(segments) // 2:
            break
        below, held = edge, held + len(drawn[edge])
        held_segments += sum(segments[name] for name in drawn[edge])
    return below

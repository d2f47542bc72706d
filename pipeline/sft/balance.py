"""Thins out answers that can be guessed without listening, and holds out recordings.

Every sample has a random number that only depends on its id and the seed. Of each kind of answer the samples with the
smallest numbers remain, so that a few thresholds decide for any sample whether it stays: the same on every machine,
in any order of shards, and nearly the same when the corpus grows. Removed samples are stored in OUT/thinned, so that
the thresholds can be computed again.
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
"""Scorings whose answers a guess may hit: transcripts and times cannot be guessed."""
MIN_QUESTIONS = 8
"""Fewer similar questions are too few to learn a guess from."""
OVER_CHANCE = 0.05
"""Allowed excess of an answer's share over chance, if a question has so few options that chance is over the limit."""
REFUSAL = "refusal"
_RATIO = 1.2
"""Numbers within this ratio count as one answer."""

_COLUMNS = ("recording_id", "task", "kind", "topic", "language")

Cell = tuple[str, ...]
"""A group of similar questions: task, kind, language, then the topic, or an option that they offer."""


class Asked(NamedTuple):
    """The fields of a sample needed for balance."""

    sample_id: str
    recording_id: str
    task: str
    kind: str
    topic: str
    language: str
    answer: str | None
    """The class of the answer for guessing; None for open answers."""
    offered: tuple[str, ...]
    """The answers that the question itself names."""

    @property
    def chance(self) -> float:
        return 1 / len(self.offered) if self.offered else 0.0

    def classes(self) -> Iterator[tuple[Cell, str]]:
        """(group of questions, class of answer) for each way to guess it."""
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
    """The class of the answer for guessing; None if it cannot be guessed."""
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
    """Groups of recordings with at most this random number are held out."""
    thresholds: Mapping[tuple[Cell, str], float] = field(default_factory=dict)
    """(group of questions, class of answer) → maximum random number of remaining samples; no limit if missing."""

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
    """Thresholds of the samples that stay, so that no answer is right more than `max_guessed` of the time, or much
    above chance if that is more, and at most `max_refusals` of all samples are refusals.
    """
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
    """The remaining samples of one task; thresholds are added to `found`.

    Thinning one answer changes the shares of others, so it is repeated until nothing has to be removed.
    """
    left = [(draw(seed, "balance", member.sample_id), member) for member in members]
    while True:
        cells: dict[Cell, dict[str, list[float]]] = {}
        chances: dict[Cell, float] = {}
        for mine, one in left:
            for cell, answer in one.classes():
                cells.setdefault(cell, {}).setdefault(answer, []).append(mine)
                chances[cell] = max(chances.get(cell, 0.0), one.chance)
        for cell, answers in cells.items():
            _thin_cell(cell, answers, max(max_guessed, chances[cell] + OVER_CHANCE), found)
        remaining = [(mine, one) for mine, one in left if all(mine <= found.get(name, 1.0) for name in one.classes())]
        if len(remaining) == len(left):
            return [one for _, one in remaining]
        left = remaining


def _thin_cell(
    cell: Cell, answers: Mapping[str, Sequence[float]], limit: float, found: dict[tuple[Cell, str], float]
) -> None:
    sizes = Counter({answer: len(draws) for answer, draws in answers.items()})
    if sizes.total() < MIN_QUESTIONS or limit >= 1:
        return
    if len(sizes) == 2:
        # If only two answers occur, they count as offered.
        limit = max(limit, 0.5 + OVER_CHANCE)
    most = max_of_each(sizes, limit)
    for answer, draws in answers.items():
        _cap((cell, answer), draws, most, found)


def max_of_each(sizes: Mapping[str, int], limit: float) -> int:
    """The largest number to keep of each answer, so that none has more than the share `limit` of the rest."""
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
    """The maximum random number of groups of recordings that are held out.

    At least `share` of the segments plus a quarter, since segments give different numbers of samples; and at least
    `floor` recordings, but for that no more than one in five.

    `segments` is recording_id → number of segments, `groups` recording_id → its group. The same recordings are held out
    whatever tasks are built.
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

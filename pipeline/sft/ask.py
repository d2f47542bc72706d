"""What a task is: a frozen record from YAML that looks at a recording's rows and asks questions it can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from pipeline.sft.material import Material, RecordingMaterial
from pipeline.sft.words import Words
from schemas.claim import Evidence
from schemas.record import Record
from schemas.sample import AnswerSpec, Difficulty, SourceVerdict


@dataclass(frozen=True)
class Turn:
    """A question with its answer, in one language."""

    question: str
    answer: str
    spec: AnswerSpec
    reasoning: str | None = None
    rivals: tuple[str, ...] = ()
    """Plausible wrong answers, as names beside `spec.reference`; none where the question has no such."""


@dataclass(frozen=True)
class Ask:
    """One fact worth asking for. `turn` puts it into words; it raises UnsayableError where a language has none."""

    kind: str
    topic: str
    """What the question gives away, as in dog: samples of equal kind and topic share a prior of answers."""
    fact: str
    """Tells this fact from the others of its kind in the same audio."""
    materials: tuple[Material, ...]
    evidence: tuple[Evidence, ...]
    difficulty: Difficulty
    turn: Callable[[Words], Turn]
    languages: tuple[str, ...] | None = None
    """The only languages to ask in; None for any."""
    verdicts: tuple[SourceVerdict, ...] = ()


class Task(Record, ABC):
    """A task's options. `asks` is pure: equal rows give equal questions in equal order."""

    task: str
    most_per_segment: int = Field(default=2, ge=1, description="most samples of this task from one segment")

    needs: ClassVar[tuple[str, ...]]
    """The columns without which there is nothing to ask, as TABLE:FIELD."""

    @abstractmethod
    def asks(self, recording: RecordingMaterial) -> Iterator[Ask]:
        """Every question that the recording's rows can answer."""


class SegmentTask(Task):
    """A task that looks at one segment at a time."""

    def asks(self, recording: RecordingMaterial) -> Iterator[Ask]:
        for material in recording.segments:
            yield from self.asks_of(material)

    @abstractmethod
    def asks_of(self, material: Material) -> Iterator[Ask]:
        """Every question that one segment's rows can answer."""


FAINT_DB = 10.0
"""An event less salient than this is hard to hear out."""


def grade(facts: int = 1, *, crowded: bool = False, faint: bool = False, timed: bool = False) -> Difficulty:
    """How hard a question is: one step harder for each fact over the first, for overlapping sounds, for a faint one
    and for times in the answer; medium from one step, hard from two."""
    steps = facts - 1 + crowded + faint + timed
    return (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)[min(steps, 2)]

"""Questions written by a language model from facts: its input, its answer, and the problems of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from pydantic import Field

from soundseam.annotators.wording.numbers import numbers_in
from soundseam.annotators.wording.prose import find_jargon, is_in
from soundseam.pipeline.captions.grounding import Reason, ground_claim
from soundseam.pipeline.captions.plan import plan_caption
from soundseam.pipeline.sft.material import Material, is_doubted
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.claim import Evidence
from soundseam.schemas.record import Record

MAX_FACTS = 24
NOT_MEASURED = frozenset({ResultKind.STATEMENT, ResultKind.PROFILE})
"""Results that are not measurements: models' statements, and the profile, for which events are better."""


class WrittenStep(Record):
    """One step of the chain, and the ids of the facts it rests on."""

    says: str = Field(min_length=1, max_length=300)
    facts: tuple[str, ...] = Field(min_length=1, max_length=10)


class WrittenQuestion(Record):
    """What a writer answers."""

    question: str = Field(min_length=8, max_length=300)
    steps: tuple[WrittenStep, ...] = Field(min_length=2, max_length=6)
    answer: str = Field(min_length=1, max_length=120)
    wrong: tuple[str, str, str]

    @property
    def chain(self) -> str:
        return " ".join(step.says.strip() for step in self.steps)


@dataclass(frozen=True)
class Brief:
    """The facts of one segment for a question, and its language."""

    material: Material
    facts: tuple[ToolResult, ...]
    language: str

    def as_json(self) -> str:
        """The facts as JSON, times counted from the start of the clip."""
        start_ms = self.material.segment.start_ms
        facts = [
            {
                "id": _id(index),
                "from_s": round((fact.start_ms - start_ms) / 1000, 1),
                "to_s": round((fact.end_ms - start_ms) / 1000, 1),
                "says": fact.content,
            }
            for index, fact in enumerate(self.facts)
        ]
        content = {"seconds": round(self.material.duration_ms / 1000, 1), "facts": facts}
        return json.dumps(content, ensure_ascii=False, indent=1)

    def cited(self, ids: Iterable[str]) -> list[ToolResult]:
        by_id = {_id(index): fact for index, fact in enumerate(self.facts)}
        return [by_id[name] for name in dict.fromkeys(ids) if name in by_id]

    def evidence(self, written: WrittenQuestion) -> tuple[Evidence, ...]:
        """The evidence of all facts that the steps cite."""
        cited = self.cited(name for step in written.steps for name in step.facts)
        return tuple(dict.fromkeys(one for fact in cited for one in fact.evidence))


def brief_of(material: Material, language: str, min_confidence: float) -> Brief:
    """The measured, confident and undisputed facts of a segment."""
    facts = (
        fact
        for fact in plan_caption(material.segment, material.annotations).facts
        if fact.kind not in NOT_MEASURED
        and (fact.confidence is None or fact.confidence >= min_confidence)
        and not is_doubted(fact.evidence, material.doubted)
    )
    return Brief(material, tuple(facts)[:MAX_FACTS], language)


def written_problems(written: WrittenQuestion, brief: Brief) -> Iterator[str]:
    """Problems of a valid answer, one clause each."""
    yield from _form_problems(written, brief)
    stated: list[float] = []
    for step in written.steps:
        cited = brief.cited(step.facts)
        for problem in ground_claim(step.says, cited, brief.material.segment, brief.language):
            if problem.reason is not Reason.UNFOUNDED_NUMBER:
                yield problem.detail
        stated += _values_of(cited, brief)
        yield from _unfounded(step.says, stated)
        stated += [number.value for number in numbers_in(step.says)]
    yield from _unfounded(written.answer, stated)


def _form_problems(written: WrittenQuestion, brief: Brief) -> Iterator[str]:
    known = {_id(index) for index in range(len(brief.facts))}
    cited = [name for step in written.steps for name in step.facts]
    if unknown := [name for name in cited if name not in known]:
        yield f"{', '.join(unknown[:5])} is not the id of a fact"
    if len(set(cited)) < 2:
        yield "fewer than two facts are combined"
    for text in (written.question, *(step.says for step in written.steps), written.answer, *written.wrong):
        for word in find_jargon(text):
            yield f"{word!r} in {text!r} is a technical term"
        if any(name in text.split() for name in known):
            yield f"{text!r} contains the id of a fact"
    if not all(is_in(text, brief.language) for text in (written.question, written.chain)):
        yield f"the question or its steps are not in the requested language, {brief.language}"
    yield from _choice_problems(written)


def _choice_problems(written: WrittenQuestion) -> Iterator[str]:
    choices = [_plain(choice) for choice in (written.answer, *written.wrong)]
    if len(set(choices)) < len(choices) or not all(choices):
        yield "the four answers are not all different"
    if any(len(choice) > 120 for choice in choices):
        yield "a wrong answer is longer than 120 characters"
    asked = _plain(written.question)
    if choices[0] in asked and not any(choice in asked for choice in choices[1:]):
        yield "the question contains its answer"


def _values_of(cited: Sequence[ToolResult], brief: Brief) -> list[float]:
    """Every number in the facts: values, times, durations, and counts."""
    start_ms = brief.material.segment.start_ms
    values = [number.value for fact in cited for number in numbers_in(fact.content)]
    values += [(ms - start_ms) / 1000 for fact in cited for ms in (fact.start_ms, fact.end_ms)]
    values += [fact.span.duration_ms / 1000 for fact in cited]
    return [*values, float(len(cited))]


def _unfounded(text: str, stated: Sequence[float]) -> Iterator[str]:
    """Numbers of a text that are neither in `stated` nor the sum or difference of two numbers there."""
    reckoned = [value for one, other in combinations(stated, 2) for value in (one + other, abs(one - other))]
    for number in numbers_in(text):
        if not any(number.is_near(value) for value in (*stated, *reckoned)):
            yield f"{number.text!r} in {text!r} does not follow from the facts"


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .。!?！？")


def _id(index: int) -> str:
    return f"f{index + 1}"

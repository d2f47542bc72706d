"""Captions by a language model: it gets the plan and the evidence, and its answer is checked against both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import Field, ValidationError

from soundseam.annotators.chat.questions import Answer, Question
from soundseam.annotators.chat.served import schema_of, unfenced
from soundseam.annotators.prompts import CAPTIONS
from soundseam.pipeline.captions.caption_config import CaptionConfig, WriterConfig
from soundseam.pipeline.captions.grounding import Problem, Reason, ground_claim, ground_words
from soundseam.pipeline.captions.plainness import wording_problems
from soundseam.pipeline.captions.plan import Planned
from soundseam.schemas.caption import Resolution, ToolResult
from soundseam.schemas.claim import Claim
from soundseam.schemas.record import Record

MAX_CHARACTERS = 20_000
"""Maximum length of an answer."""
SHOWN_CHARACTERS = 2_000
_END_MARKS = " \t.。"


class WrittenClaim(Record):
    """One sentence, and the ids of what it rests on."""

    text: str = Field(min_length=1, max_length=400)
    evidence: tuple[str, ...] = Field(max_length=40)


class WrittenCaption(Record):
    """What a writer answers."""

    claims: tuple[WrittenClaim, ...] = Field(min_length=1, max_length=12)


@dataclass(frozen=True)
class Written:
    """The claims of an answer, and their problems."""

    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...]
    thinking: str | None = None


def writer_question(planned: Planned, config: CaptionConfig, writer: WriterConfig) -> Question:
    """Asks for a caption of `planned`; the evidence has ids e1, e2 ... in the plan's order."""
    return Question(
        text=_input(planned),
        system=CAPTIONS.filled("write", config.language, sentences=str(config.sentences)),
        sampling=writer.sampling,
        json_schema=schema_of(WrittenCaption),
        about=planned.segment.recording_id,
    )


def repair_question(question: Question, answer: str, problems: Sequence[Problem], config: CaptionConfig) -> Question:
    """Asks once more, with the answer and its problems."""
    text = CAPTIONS.filled(
        "repair",
        config.language,
        input=question.text,
        answer=answer[:SHOWN_CHARACTERS],
        problems="\n".join(f"- {problem.detail}" for problem in problems)[:SHOWN_CHARACTERS],
    )
    return replace(question, text=text)


def read_written(answer: Answer, planned: Planned, config: CaptionConfig) -> Written:
    """The claims of an answer. Everything in it is checked, nothing is trusted."""
    try:
        found = WrittenCaption.model_validate_json(unfenced(answer.text[:MAX_CHARACTERS]))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        problem = Problem(Reason.BAD_ANSWER, f"{where}: {first['msg']}: {answer.text[:200]!r}")
        return Written((), (problem,), answer.thinking)
    claims = tuple(_claim(claim, planned, config) for claim in found.claims)
    problems = [problem for claim in found.claims for problem in _claim_problems(claim, planned, config)]
    if len(claims) > config.sentences:
        problems.append(Problem(Reason.TOO_LONG, f"{len(claims)} sentences; the maximum is {config.sentences}"))
    return Written(claims, tuple(problems), answer.thinking)


def _input(planned: Planned) -> str:
    start = planned.segment.start_ms
    evidence = [
        {
            "id": _id(index),
            "kind": result.kind,
            "from_s": round((result.start_ms - start) / 1000, 1),
            "to_s": round((result.end_ms - start) / 1000, 1),
            "weight": round(fact.weight, 2),
            "says": result.content,
        }
        for index, (result, fact) in enumerate(zip(planned.facts, planned.plan.facts, strict=True))
    ]
    unsettled = [conflict.topic for conflict in planned.plan.conflicts if conflict.resolution is Resolution.OPEN]
    content = {
        "seconds": round(planned.segment.span.duration_ms / 1000, 1),
        "leading": list(planned.branches),
        "open": sorted(set(unsettled)),
        "evidence": evidence,
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def _id(index: int) -> str:
    return f"e{index + 1}"


def _cited(written: WrittenClaim, planned: Planned) -> list[ToolResult]:
    by_id = {_id(index): result for index, result in enumerate(planned.facts)}
    return [by_id[name] for name in dict.fromkeys(written.evidence) if name in by_id]


def _claim(written: WrittenClaim, planned: Planned, config: CaptionConfig) -> Claim:
    evidence = (one for result in _cited(written, planned) for one in result.evidence)
    return Claim(
        text=whole_sentence(written.text, config.language),
        rule=config.composer_name,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def whole_sentence(text: str, language: str) -> str:
    """A sentence with a capital letter at its beginning and a full stop at its end."""
    plain = " ".join(text.split()).rstrip(_END_MARKS)
    end = "" if plain.endswith(("!", "?", "！", "？", "”", "」")) else "。" if language == "zh" else "."
    return f"{plain[:1].upper()}{plain[1:]}{end}"


def _claim_problems(written: WrittenClaim, planned: Planned, config: CaptionConfig) -> Iterator[Problem]:
    text, known = " ".join(written.text.split()), {_id(index) for index in range(len(planned.facts))}
    unknown = [name for name in written.evidence if name not in known]
    if unknown:
        yield Problem(Reason.UNKNOWN_EVIDENCE, f"{', '.join(unknown[:5])}, cited by {text!r}, does not exist")
    if not written.evidence:
        yield Problem(Reason.NO_EVIDENCE, f"{text!r} cites nothing")
    yield from ground_claim(text, _cited(written, planned), planned.segment, config.language)
    if len(written.evidence) > len(unknown):
        yield from ground_words(text, _cited(written, planned), config.language)
    yield from wording_problems(text, config.language)

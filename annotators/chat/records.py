"""Answers that are records: asked for by their JSON schema, validated, repaired once, or rejected as they came."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Generic, TypeVar

from pydantic import ValidationError

from annotators.base import AnnotationError
from annotators.chat.questions import Answer, Asker, Question, Reply
from schemas.record import Record

RecordT = TypeVar("RecordT", bound=Record)

MOST_PROBLEMS = 5
PROBLEM_CHARACTERS = 500
REPEATED_CHARACTERS = 4_000
"""Of an answer that is to be repaired."""
SHOWN_CHARACTERS = 1_000
"""Of an answer that is rejected."""


@dataclass(frozen=True)
class Told(Generic[RecordT]):
    """A record, and the answer that it was read from."""

    record: RecordT
    answer: Answer


@dataclass(frozen=True)
class CheckedQuestion(Question):
    """A question whose answer is held against more than its schema."""

    check: Callable[[Record], Iterable[str]] | None = None
    """What is wrong with a record of the right form, each in a clause; nothing where it holds. None checks nothing."""


class UnfitAnswerError(ValueError):
    """An answer of the right form that does not hold."""


@cache
def schema_of(record: type[Record]) -> str:
    """The record's JSON schema as canonical JSON: part of the question, and so of what kept answers are found by."""
    return json.dumps(record.model_json_schema(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def ask_records(
    asker: Asker, groups: Iterable[Sequence[Question]], record: type[RecordT]
) -> Iterator[list[Told[RecordT] | AnnotationError]]:
    """For each question of each group, in order, a `record` or why there is none.

    An answer that is no such record is asked for once more, with what is wrong with it. Those second questions are a
    stream of their own behind the first, so that neither waits for the other.
    """
    drawn: deque[list[Told[RecordT] | Question | AnnotationError]] = deque()

    def second_questions() -> Iterator[list[Question]]:
        for questions, replies in _asked(asker, groups, record):
            pairs = zip(questions, replies, strict=True)
            drawn.append([_read_or_repair(question, reply, record) for question, reply in pairs])
            yield [one for one in drawn[-1] if isinstance(one, Question)]

    for replies in asker.ask(second_questions()):
        repaired = iter(replies)
        yield [_read(one, next(repaired), record) if isinstance(one, Question) else one for one in drawn.popleft()]


def _asked(
    asker: Asker, groups: Iterable[Sequence[Question]], record: type[RecordT]
) -> Iterator[tuple[Sequence[Question], list[Reply]]]:
    schema = schema_of(record)
    drawn: deque[Sequence[Question]] = deque()

    def first_questions() -> Iterator[Sequence[Question]]:
        for group in groups:
            drawn.append([replace(question, json_schema=schema) for question in group])
            yield drawn[-1]

    for replies in asker.ask(first_questions()):
        yield drawn.popleft(), replies


def _read_or_repair(
    question: Question, reply: Reply, record: type[RecordT]
) -> Told[RecordT] | Question | AnnotationError:
    if isinstance(reply, AnnotationError):
        return reply
    try:
        return Told(_parse(question, reply.text, record), reply)
    except (ValidationError, UnfitAnswerError) as error:
        text = (
            f"{question.text}\n\nYou have answered:\n{reply.text[:REPEATED_CHARACTERS]}\n\n"
            f"That is not as it was asked for: {_problems(error)}. Answer again, with correct JSON and nothing else."
        )
        return replace(question, text=text)


def _read(question: Question, reply: Reply, record: type[RecordT]) -> Told[RecordT] | AnnotationError:
    if isinstance(reply, AnnotationError):
        return reply
    try:
        return Told(_parse(question, reply.text, record), reply)
    except (ValidationError, UnfitAnswerError) as error:
        shown = repr(reply.text)[:SHOWN_CHARACTERS]
        return AnnotationError("bad_answer", f"asked twice: {_problems(error)}; the answer was {shown}")


def _parse(question: Question, text: str, record: type[RecordT]) -> RecordT:
    """The record in `text`, if it holds."""
    found = record.model_validate_json(unfenced(text))
    check = question.check if isinstance(question, CheckedQuestion) else None
    if check is not None and (problems := list(check(found))):
        raise UnfitAnswerError("; ".join(problems[:MOST_PROBLEMS]))
    return found


def unfenced(text: str) -> str:
    """`text` without the fence that models like to put around JSON."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.removeprefix("```").removeprefix("json").removesuffix("```").strip()
    return text


def _problems(error: ValidationError | UnfitAnswerError) -> str:
    if isinstance(error, UnfitAnswerError):
        return str(error)[:PROBLEM_CHARACTERS]
    problems = error.errors(include_url=False, include_input=False, include_context=False)[:MOST_PROBLEMS]
    told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in problems)
    return told[:PROBLEM_CHARACTERS]

"""Streams of questions, asked as they come and answered in order; and clips to questions to records to facts."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, cast

from annotators.base import AnnotationError, Clip
from annotators.chat.questions import Answer, Asker, Question, Reply
from annotators.chat.records import CheckedQuestion, Told, ask_records
from schemas.annotation import Facts
from schemas.claim import BranchFacts, Claim, Evidence
from schemas.record import Record
from schemas.segment import Segment
from schemas.tables import Table

ItemT = TypeVar("ItemT")
KeptT = TypeVar("KeptT")
ContextT = TypeVar("ContextT")
RecordT = TypeVar("RecordT", bound=Record)
FactsT = TypeVar("FactsT", bound=Facts)


def ask_each(
    asker: Asker, items: Iterable[ItemT], questions: Callable[[ItemT], Sequence[Question]]
) -> Iterator[tuple[ItemT, list[Reply]]]:
    """Each item, whole, with the replies to its `questions`, as `ask_keeping` gives them."""
    return ask_keeping(asker, items, questions, lambda item: item)


def ask_keeping(
    asker: Asker,
    items: Iterable[ItemT],
    questions: Callable[[ItemT], Sequence[Question]],
    keep: Callable[[ItemT], KeptT],
) -> Iterator[tuple[KeptT, list[Reply]]]:
    """What is to `keep` of each item, with the replies to its `questions`, in order; none where nothing is asked.

    Items are drawn as questions are answered, so that memory holds what is kept of those in flight alone.
    """
    drawn: deque[KeptT] = deque()

    def groups() -> Iterator[Sequence[Question]]:
        for item in items:
            drawn.append(keep(item))
            yield questions(item)

    for replies in asker.ask(groups()):
        yield drawn.popleft(), replies


def ask_for_records(
    clips: Iterable[Clip],
    asker: Asker,
    record: type[RecordT],
    prepare: Callable[[Clip], ContextT | FactsT | AnnotationError],
    question: Callable[[Clip, ContextT], CheckedQuestion],
    facts: Callable[[Told[RecordT], ContextT], FactsT | AnnotationError],
) -> Iterator[FactsT | AnnotationError]:
    """One answer for each clip, in order.

    `prepare` gives what the question and the facts need to know of a clip; or the answer itself, and then nothing is
    asked. Of the clips in flight no more than that stays.
    """
    drawn: deque[ContextT | FactsT | AnnotationError] = deque()

    def groups() -> Iterator[Sequence[Question]]:
        for clip in clips:
            drawn.append(context := prepare(clip))
            yield [] if isinstance(context, BranchFacts | AnnotationError) else [question(clip, context)]

    for answers in ask_records(asker, groups(), record):
        context = drawn.popleft()
        if isinstance(context, BranchFacts | AnnotationError):
            yield context  # type: ignore[misc]  # which facts, isinstance cannot tell
        else:
            (told,) = answers
            yield told if isinstance(told, AnnotationError) else with_thinking(facts(told, context), [told.answer])


def with_thinking(facts: FactsT | AnnotationError, answers: Sequence[Answer]) -> FactsT | AnnotationError:
    """`facts` with what was thought before the answers that they were read from."""
    thoughts = [answer.thinking for answer in answers if answer.thinking]
    if isinstance(facts, AnnotationError) or not thoughts:
        return facts
    return cast("FactsT", facts.model_copy(update={"thinking": "\n\n".join(thoughts)}))


def told_claim(text: str, table: Table, segment: Segment, backend: str, field: str, answer: str | None = None) -> Claim:
    """A model's words as a claim that rests on nothing but them: whoever verifies it must listen. They stand at `field`
    of the backend's own row, alone or within `answer`."""
    value = json.dumps(text if answer is None else answer, ensure_ascii=False)
    evidence = Evidence(table=table, segment_id=segment.segment_id, backend=backend, field=field, value=value)
    return Claim(text=text, rule=backend, evidence=(evidence,))

"""The common part of backends that use a server."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Generic, TypeVar, cast

from pydantic import ValidationError

from soundseam.annotators.base import AnnotationError, Backend, Clip, FactsT_co
from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import REMEDY, Endpoint
from soundseam.annotators.chat.questions import Answer, ChatClient, Question, Reply
from soundseam.annotators.flac import encode_flac
from soundseam.schemas.annotation import Facts
from soundseam.schemas.claim import BranchFacts, Claim, Evidence
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

RecordT = TypeVar("RecordT", bound=Record)

MAX_PROBLEMS = 5
PROBLEM_CHARACTERS = 500
REPEATED_CHARACTERS = 4_000
"""Length of an answer that is sent back for repair, at most."""
SHOWN_CHARACTERS = 1_000
"""Length of a rejected answer in its row, at most."""


@dataclass(frozen=True)
class Parsed(Generic[RecordT]):
    """A record, and the answer that it was parsed from."""

    record: RecordT
    answer: Answer


@dataclass(frozen=True)
class CheckedQuestion(Question):
    """A question whose answer is checked beyond its schema."""

    check: Callable[[Record], Iterable[str]] | None = None
    """Problems of a valid record, one clause each; nothing if it has none. None means no check."""


class UnfitAnswerError(ValueError):
    """A valid answer that fails the question's check."""


@cache
def schema_of(record: type[Record]) -> str:
    """The record's JSON schema as canonical JSON: part of the question, and so of the key of cached answers."""
    return json.dumps(record.model_json_schema(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def ask_records(
    asker: ChatClient, groups: Iterable[Sequence[Question]], record: type[RecordT]
) -> Iterator[list[Parsed[RecordT] | AnnotationError]]:
    """For each question of each group, in order, a `record` or why there is none.

    If an answer is not a valid record, the question is asked once more with the problems. The second questions are a
    separate stream behind the first, so that neither waits for the other.
    """
    drawn: deque[list[Parsed[RecordT] | Question | AnnotationError]] = deque()

    def second_questions() -> Iterator[list[Question]]:
        for questions, replies in _asked(asker, groups, record):
            pairs = zip(questions, replies, strict=True)
            drawn.append([_read_or_repair(question, reply, record) for question, reply in pairs])
            yield [one for one in drawn[-1] if isinstance(one, Question)]

    for replies in asker.ask(second_questions()):
        repaired = iter(replies)
        yield [_read(one, next(repaired), record) if isinstance(one, Question) else one for one in drawn.popleft()]


def _asked(
    asker: ChatClient, groups: Iterable[Sequence[Question]], record: type[RecordT]
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
) -> Parsed[RecordT] | Question | AnnotationError:
    if isinstance(reply, AnnotationError):
        return reply
    try:
        return Parsed(_parse(question, reply.text, record), reply)
    except (ValidationError, UnfitAnswerError) as error:
        text = (
            f"{question.text}\n\nYou have answered:\n{reply.text[:REPEATED_CHARACTERS]}\n\n"
            f"That is not as it was asked for: {_problems(error)}. Answer again, with correct JSON and nothing else."
        )
        return replace(question, text=text)


def _read(question: Question, reply: Reply, record: type[RecordT]) -> Parsed[RecordT] | AnnotationError:
    if isinstance(reply, AnnotationError):
        return reply
    try:
        return Parsed(_parse(question, reply.text, record), reply)
    except (ValidationError, UnfitAnswerError) as error:
        shown = repr(reply.text)[:SHOWN_CHARACTERS]
        return AnnotationError("bad_answer", f"asked twice: {_problems(error)}; the answer was {shown}")


def _parse(question: Question, text: str, record: type[RecordT]) -> RecordT:
    """The record in `text`. Raises ValidationError or UnfitAnswerError."""
    found = record.model_validate_json(unfenced(text))
    check = question.check if isinstance(question, CheckedQuestion) else None
    if check is not None and (problems := list(check(found))):
        raise UnfitAnswerError("; ".join(problems[:MAX_PROBLEMS]))
    return found


def unfenced(text: str) -> str:
    """`text` without the code fence that models often put around JSON."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.removeprefix("```").removeprefix("json").removesuffix("```").strip()
    return text


def _problems(error: ValidationError | UnfitAnswerError) -> str:
    if isinstance(error, UnfitAnswerError):
        return str(error)[:PROBLEM_CHARACTERS]
    problems = error.errors(include_url=False, include_input=False, include_context=False)[:MAX_PROBLEMS]
    told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in problems)
    return told[:PROBLEM_CHARACTERS]


ItemT = TypeVar("ItemT")
KeptT = TypeVar("KeptT")
ContextT = TypeVar("ContextT")
FactsT = TypeVar("FactsT", bound=Facts)


def ask_each(
    asker: ChatClient, items: Iterable[ItemT], questions: Callable[[ItemT], Sequence[Question]]
) -> Iterator[tuple[ItemT, list[Reply]]]:
    """Each item with the replies to its `questions`, in order."""
    return ask_keeping(asker, items, questions, lambda item: item)


def ask_keeping(
    asker: ChatClient,
    items: Iterable[ItemT],
    questions: Callable[[ItemT], Sequence[Question]],
    keep: Callable[[ItemT], KeptT],
) -> Iterator[tuple[KeptT, list[Reply]]]:
    """For each item, in order, `keep(item)` and the replies to its `questions`; no replies if nothing is asked.

    Items are drawn as questions are answered; of those in flight, only `keep(item)` stays in memory.
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
    asker: ChatClient,
    record: type[RecordT],
    prepare: Callable[[Clip], ContextT | FactsT | AnnotationError],
    question: Callable[[Clip, ContextT], CheckedQuestion],
    facts: Callable[[Parsed[RecordT], ContextT], FactsT | AnnotationError],
) -> Iterator[FactsT | AnnotationError]:
    """One answer per clip, in order.

    `prepare` returns the context of a clip for `question` and `facts`, or the answer itself, and then nothing is asked.
    Of the clips in flight, only the context stays in memory.
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
    """`facts` with the thoughts of the answers that they were parsed from."""
    thoughts = [answer.thinking for answer in answers if answer.thinking]
    if isinstance(facts, AnnotationError) or not thoughts:
        return facts
    return cast("FactsT", facts.model_copy(update={"thinking": "\n\n".join(thoughts)}))


def told_claim(text: str, table: Table, segment: Segment, backend: str, field: str, answer: str | None = None) -> Claim:
    """A claim whose only evidence is the model's own words, so that it can only be verified by listening. The words are
    at `field` of the backend's own row, alone or within `answer`."""
    value = json.dumps(text if answer is None else answer, ensure_ascii=False)
    evidence = Evidence(table=table, segment_id=segment.segment_id, backend=backend, field=field, value=value)
    return Claim(text=text, rule=backend, evidence=(evidence,))


class ServedAnnotator(ABC, Generic[FactsT]):
    """An annotator that uses a server: best as one stream over all clips, so that many questions are in flight."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        self._own_asker: ChatClient | None = None

    @abstractmethod
    def annotate_stream(self, clips: Iterable[Clip], asker: ChatClient) -> Iterator[FactsT | AnnotationError]:
        """One answer per clip, in order, or why it has none; clips are drawn as answers arrive.

        Raises ConnectionError if the servers stay unreachable.
        """

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        """Like `Annotator.annotate`, with its own client and no cache."""
        if self._own_asker is None:
            self._own_asker = CachedClient(ServerClient(self._server))
        answers: list[FactsT] = []
        for answer in self.annotate_stream(clips, self._own_asker):
            if isinstance(answer, AnnotationError):
                raise answer
            answers.append(answer)
        return answers


class ServedBackend(Backend[FactsT_co]):
    """A backend whose model runs on a server. `load()` returns a `ServedAnnotator`."""

    server: Endpoint = Endpoint()
    """The model's servers, and how to call them."""

    requires: ClassVar[tuple[str, ...]] = ("aiohttp",)
    remedy: ClassVar[str] = REMEDY
    hears_flac: ClassVar[bool] = True
    answers_revision: ClassVar[str] = "2"
    """Raise it whenever the same model's answers may give different rows."""

    @property
    def model(self) -> str:
        return self.server.model or "unnamed"

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{self.answers_revision}"

    def check_available(self) -> None:
        super().check_available()
        self.server.check_model(self.backend)

    @abstractmethod
    def load(self) -> ServedAnnotator[FactsT_co]:
        """The annotator. It connects at the first question."""


def ask_about(
    clips: Iterable[Clip], asker: ChatClient, questions: Callable[[Clip], Sequence[Question]]
) -> Iterator[tuple[Segment, list[Reply]]]:
    """Each clip's segment with the replies to its `questions`, in order. Only segments of clips in flight stay in
    memory.
    """
    return ask_keeping(asker, clips, questions, lambda clip: clip.segment)


def flac_of(clip: Clip) -> bytes:
    """The clip as a FLAC file: the segment's own if present, else encoded from its samples, 16 bit."""
    return clip.flac or encode_flac(clip.samples, clip.sample_rate_hz)

"""The common part of backends that use a server."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Generic, TypeVar, cast

from pydantic import ValidationError

from soundseam.annotators.base import AnnotationError, Backend, Clip, FactsT_co
from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import REMEDY, Endpoint
from soundseam.annotators.chat.questions import Answer, ChatClient, ContextT, Question, QuestionKind, Reply
from soundseam.annotators.flac import encode_flac
from soundseam.annotators.prompts import SERVED
from soundseam.schemas.annotation import Facts
from soundseam.schemas.claim import BranchFacts, Claim, Evidence
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

RecordT = TypeVar("RecordT", bound=Record)
FactsT = TypeVar("FactsT", bound=Facts)
KnownT = TypeVar("KnownT")

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
    client: ChatClient, groups: Iterable[tuple[ContextT, Sequence[Question]]], record: type[RecordT]
) -> Iterator[tuple[ContextT, list[Parsed[RecordT] | AnnotationError]]]:
    """Each group's context, in order, with a `record` for each of its questions, or why there is none.

    If an answer is not a valid record, the question is asked once more with the problems. The second questions are a
    separate stream behind the first, so that neither waits for the other.
    """
    schema = schema_of(record)
    first = ((context, [replace(question, json_schema=schema) for question in group]) for context, group in groups)
    asked = client.ask(((context, questions), questions) for context, questions in first)
    parsed = (
        (context, [_read_or_repair(*pair, record) for pair in zip(questions, replies, strict=True)])
        for (context, questions), replies in asked
    )
    repaired = client.ask(
        ((context, results), [result for result in results if isinstance(result, Question)])
        for context, results in parsed
    )
    for (context, results), replies in repaired:
        left = iter(replies)
        yield context, [_read(one, next(left), record) if isinstance(one, Question) else one for one in results]


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
    message = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in problems)
    return message[:PROBLEM_CHARACTERS]


def with_thinking(facts: FactsT | AnnotationError, answers: Sequence[Answer]) -> FactsT | AnnotationError:
    """`facts` with the thoughts of the answers that they were parsed from."""
    thoughts = [answer.thinking for answer in answers if answer.thinking]
    if isinstance(facts, AnnotationError) or not thoughts:
        return facts
    return cast("FactsT", facts.model_copy(update={"thinking": "\n\n".join(thoughts)}))


def model_claim(
    text: str, table: Table, segment: Segment, backend: str, field: str, answer: str | None = None
) -> Claim:
    """A claim whose only evidence is the model's own words, so that it can only be verified by listening. The words are
    at `field` of the backend's own row, alone or within `answer`."""
    value = json.dumps(text if answer is None else answer, ensure_ascii=False)
    evidence = Evidence(table=table, segment_id=segment.segment_id, backend=backend, field=field, value=value)
    return Claim(text=text, rule=backend, evidence=(evidence,))


class ServedAnnotator(ABC, Generic[FactsT]):
    """An annotator that uses a server: best as one stream over all clips, so that many questions are in flight."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        self._own_client: ChatClient | None = None

    @abstractmethod
    def annotate_stream(
        self, clips: Iterable[tuple[ContextT, Clip]], client: ChatClient
    ) -> Iterator[tuple[ContextT, FactsT | AnnotationError]]:
        """Each clip's context, in order, with the clip's facts or why it has none; clips are drawn as answers come.

        Of the clips in flight only the context stays, and what the answer is read with. Raises ConnectionError if the
        servers stay away.
        """

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        """As `Annotator.annotate`, with a client of its own, and nothing stored."""
        if self._own_client is None:
            self._own_client = CachedClient(ServerClient(self._server))
        answers: list[FactsT] = []
        for _, answer in self.annotate_stream(((None, clip) for clip in clips), self._own_client):
            if isinstance(answer, AnnotationError):
                raise answer
            answers.append(answer)
        return answers


class RecordAnnotator(ServedAnnotator[FactsT], Generic[FactsT, KnownT, RecordT]):
    """An annotator that asks for one `record` about each clip."""

    def __init__(self, server: Endpoint, record: type[RecordT]) -> None:
        super().__init__(server)
        self._record = record

    @abstractmethod
    def prepare(self, clip: Clip) -> KnownT | FactsT | AnnotationError:
        """What the question and the facts need to know of a clip; or the answer itself, and then nothing is asked."""

    @abstractmethod
    def question(self, clip: Clip, known: KnownT) -> CheckedQuestion:
        """What is asked about a clip."""

    @abstractmethod
    def facts(self, parsed: Parsed[RecordT], known: KnownT) -> FactsT | AnnotationError:
        """What an answer says of its clip."""

    def annotate_stream(
        self, clips: Iterable[tuple[ContextT, Clip]], client: ChatClient
    ) -> Iterator[tuple[ContextT, FactsT | AnnotationError]]:
        for (context, known), answers in ask_records(client, self._groups(clips), self._record):
            if isinstance(known, BranchFacts | AnnotationError):
                yield context, known  # type: ignore[misc]  # which facts, isinstance cannot know
                continue
            (parsed,) = answers
            if isinstance(parsed, AnnotationError):
                yield context, parsed
            else:
                yield context, with_thinking(self.facts(parsed, known), [parsed.answer])

    def _groups(
        self, clips: Iterable[tuple[ContextT, Clip]]
    ) -> Iterator[tuple[tuple[ContextT, KnownT | FactsT | AnnotationError], list[CheckedQuestion]]]:
        for context, clip in clips:
            known = self.prepare(clip)
            is_answer = isinstance(known, BranchFacts | AnnotationError)
            yield (context, known), [] if is_answer else [self.question(clip, cast("KnownT", known))]


class ServedBackend(Backend[FactsT_co]):
    """A backend whose model runs on a server. `load()` returns a `ServedAnnotator`."""

    server: Endpoint = Endpoint()
    """The model's servers, and how to call them."""

    requires: ClassVar[tuple[str, ...]] = ("aiohttp",)
    remedy: ClassVar[str] = REMEDY
    takes_flac: ClassVar[bool] = True
    licence: ClassVar[str] = "LicenseRef-of-the-served-model"
    prompts: ClassVar[tuple[str, ...]] = ()
    """The prompts of the folder `served` that it sends: their words are part of the revision."""
    answers_revision: ClassVar[str] = "2"
    """Raise it whenever the same model's answers may give different rows."""

    @property
    def model(self) -> str:
        return self.server.model or "unnamed"

    @property
    def revision(self) -> str:
        words = (SERVED.key(*self.prompts),) if self.prompts else ()
        return "-".join((self.server.revision, self.answers_revision, *words))

    @property
    def asks(self) -> tuple[QuestionKind, ...]:
        """The kinds of questions that its annotator asks: before a run, each is tried once."""
        return (QuestionKind(has_audio=True, answer="schema"),)

    def check_available(self) -> None:
        super().check_available()
        self.server.check_model(self.backend)

    @abstractmethod
    def load(self) -> ServedAnnotator[FactsT_co]:
        """The annotator. It connects at the first question."""


def flac_of(clip: Clip) -> bytes:
    """The clip as a FLAC file: the segment's own if present, else encoded from its samples, 16 bit."""
    return clip.flac or encode_flac(clip.samples, clip.sample_rate_hz)

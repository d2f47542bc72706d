"""What a server can answer: the shortest question of each kind, in the configured dialect and in the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import get_args

import numpy as np

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Dialect
from soundseam.annotators.chat.http import Body, Failure, Fault
from soundseam.annotators.chat.questions import Question, QuestionKind, Sampling
from soundseam.annotators.chat.wire import body_of, read_answer
from soundseam.annotators.flac import encode_flac

PROBE_TOKENS = 8
"""Maximum length of an answer to a probe, as of a verifier's question; a text that is cut off has been understood."""
SHOWN_CHARACTERS = 200
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


@dataclass(frozen=True)
class Request:
    """One POST below a server's address; its body is built when it is sent, to save memory while it waits."""

    question: Question
    model: str
    dialect: Dialect

    @property
    def path(self) -> str:
        return "chat/completions" if self.question.interface == "chat" else "audio/transcriptions"

    @property
    def holds(self) -> str:
        """The field that every answer has."""
        return "choices" if self.question.interface == "chat" else "text"

    def body(self) -> Body:
        return body_of(self.question, self.model, self.dialect)

    def asking(self, question: Question) -> Request:
        return replace(self, question=question)


Post = Callable[[Request], Awaitable[bytes | Failure]]
"""Sends a request to one server, once."""

_YES_OR_NO = json.dumps(
    {
        "type": "object",
        "properties": {"yes": {"type": "boolean"}},
        "required": ["yes"],
        "additionalProperties": False,
    }
)


def probe_question(kind: QuestionKind) -> Question:
    """The shortest question of this kind."""
    if kind.interface == "transcriptions":
        return Question("", (_second_of_tone(),), interface="transcriptions")
    return Question(
        'Answer with {"yes": true}.' if kind.answer == "schema" else "Answer with the word yes.",
        (_second_of_tone(),) if kind.has_audio else (),
        sampling=Sampling(max_tokens=3 * PROBE_TOKENS if kind.answer == "schema" else PROBE_TOKENS),
        json_schema=_YES_OR_NO if kind.answer == "schema" else "",
        choices=("yes", "no") if kind.answer == "choices" else (),
    )


def simple_question(kind: QuestionKind) -> Question:
    """A question for the same interface that any working server can answer."""
    return probe_question(kind if kind.interface == "transcriptions" else QuestionKind())


@lru_cache(maxsize=1)
def _second_of_tone() -> bytes:
    return encode_flac((0.1 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32))


@dataclass(frozen=True)
class Probed:
    """What a server made of one request."""

    failure: Failure | None = None
    """Why it is not answered, or not in a form that can be used; None if it is."""
    remark: str = ""
    """How the answer differs from what was asked for; empty if it does not, or there is none."""

    @property
    def is_exact(self) -> bool:
        return self.failure is None and not self.remark

    @property
    def is_refused(self) -> bool:
        """Whether the request itself may be the cause: the server is there, and did not just take too long."""
        failure = self.failure
        if failure is None or failure.reason == "timed_out":
            return False
        return failure.fault is not Fault.SERVER


async def probed(post: Post, request: Request) -> Probed:
    """What the server makes of `request`."""
    outcome = await post(request)
    if isinstance(outcome, Failure):
        return Probed(outcome)
    try:
        text = read_answer(outcome, request.question, request.dialect).text
    except AnnotationError as error:
        if error.reason == "no_probabilities":
            return Probed(Failure(Fault.QUESTION, error.reason, error.detail))
        is_cut = error.reason == "endless_answer" and request.question.kind.answer == "text"
        return Probed(remark="" if is_cut else error.detail)
    return Probed(remark="" if request.question.kind.answer != "schema" or _is_json(text) else f"answered {text!r}")


def shortened(detail: str) -> str:
    """A server's words in one line."""
    line = " ".join(detail.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


async def fitting_dialect(post: Post, requests: Sequence[Request], *, exactly: bool = False) -> Dialect | None:
    """The first other dialect in which the server answers all of `requests` in the form asked for.

    Unless `exactly`, the first in which it refuses none of them is second best.
    """
    second_best: Dialect | None = None
    for dialect in DIALECTS:
        others = [replace(request, dialect=dialect) for request in requests]
        if not _differ(requests, others):
            continue
        answers = await asyncio.gather(*(probed(post, other) for other in others))
        if all(answer.is_exact for answer in answers):
            return dialect
        if not any(answer.is_refused for answer in answers):
            if any(answer.failure for answer in answers):
                return None if exactly else dialect  # too slow to try the others
            second_best = second_best or dialect
    return None if exactly else second_best


def _differ(requests: Sequence[Request], others: Sequence[Request]) -> bool:
    if any(request.question.interface != "chat" for request in requests):
        return False
    try:
        return any(other.body() != own.body() for other, own in zip(others, requests, strict=True))
    except RuntimeError:
        return False  # libsndfile cannot make a WAV of the sound


async def lacks(post: Post, request: Request) -> bool:
    """Whether a server that answers questions cannot answer even the simplest one of this kind."""
    kind = request.question.kind
    if kind.interface != "chat":
        return False
    failure = (await probed(post, request.asking(probe_question(kind)))).failure
    is_refused = failure is not None and failure.fault in (Fault.QUESTION, Fault.UNKNOWN)
    return is_refused and await answers_simply(post, request)


async def answers_simply(post: Post, request: Request) -> bool:
    return isinstance(await post(request.asking(simple_question(request.question.kind))), bytes)

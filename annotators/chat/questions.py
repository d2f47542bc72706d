"""Questions to served models, their answers, and the probability of each choice."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from pydantic import Field

from soundseam.annotators.base import AnnotationError
from soundseam.schemas.record import Record


class Sampling(Record):
    """How an answer is drawn."""

    temperature: float = Field(default=0.0, ge=0.0, le=2.0, description="0 always takes the most likely token")
    top_p: float = Field(
        default=1.0, gt=0.0, le=1.0, description="nucleus sampling: share of the probability mass to draw from"
    )
    seed: int = Field(default=0, description="equal seeds give equal answers, if the server supports it")
    max_tokens: int = Field(default=512, ge=1, le=32_768, description="of the answer, thinking included")


@dataclass(frozen=True)
class QuestionKind:
    """What a server must support for a question."""

    has_audio: bool = False
    answer: Literal["text", "schema", "choices"] = "text"
    """Free text, JSON of a schema, or one of given choices with its probability."""
    interface: Literal["chat", "transcriptions"] = "chat"

    def __str__(self) -> str:
        if self.interface == "transcriptions":
            return "a sound to transcribe"
        shape = {"text": "", "schema": " with a JSON schema", "choices": " with given choices"}[self.answer]
        return f"a question{' about a sound' if self.has_audio else ''}{shape}"


@dataclass(frozen=True)
class Question:
    """One question: audio first, text after it, so that a server's prefix cache can hold the audio."""

    text: str
    audio: tuple[bytes, ...] = ()
    """FLAC files, in order."""
    system: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    json_schema: str = ""
    """Canonical JSON of the schema of the answer; empty for free text."""
    choices: tuple[str, ...] = ()
    """The only allowed answers; the answer then has the probability of each. Empty for free text."""
    interface: Literal["chat", "transcriptions"] = "chat"
    """transcriptions is for speech recognition servers: `text` is then a hint, and may be empty."""
    language: str = ""
    """Of a transcription, ISO 639-1; empty to let the server detect it."""
    about: str = ""
    """A recording_id, so that cached answers of one recording are stored together. It does not affect the answer."""

    @property
    def kind(self) -> QuestionKind:
        if self.interface == "transcriptions":
            return TRANSCRIPTION
        return QuestionKind(bool(self.audio), "schema" if self.json_schema else "choices" if self.choices else "text")


TRANSCRIPTION = QuestionKind(has_audio=True, interface="transcriptions")


@dataclass(frozen=True)
class TimedWord:
    """A word as timed by a speech recognition server, in seconds of the audio sent."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Answer:
    """A server's answer. Nothing in it can be trusted before it is parsed and validated."""

    text: str
    thinking: str | None = None
    """What the model wrote before its answer, if it is a thinking model."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """choice → probability, summing to 1 over the question's choices; empty if it had none."""
    words: tuple[TimedWord, ...] = ()
    """Of a transcription, if the server gives word times."""
    language: str | None = None
    """Of a transcription, if the server gives it."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


Reply = Answer | AnnotationError
"""An answer, or why this question has none; an outage of all servers is raised instead."""


ContextT = TypeVar("ContextT")


class ChatClient(Protocol):
    """Answers questions: a client of servers, or in tests a model in the same process."""

    def ask(self, groups: Iterable[tuple[ContextT, Sequence[Question]]]) -> Iterator[tuple[ContextT, list[Reply]]]:
        """Each group's context, in order, with one reply for each of the group's questions, in order.

        The context is whatever the caller wants back with the replies: it does not affect the answer. A group without
        questions comes back in its turn, without replies. A group's questions begin with the same audio, so that they
        share the server's prefix cache. Groups are drawn no faster than questions are answered: only those in flight
        are in memory.
        """
        ...


class Usage(Record):
    """A run's use of its servers."""

    requests: int = 0
    """Requests sent, including failed ones."""
    retries: int = 0
    """Requests for questions that had been sent before."""
    answers: int = 0
    """Answers from a server."""
    kept_answers: int = 0
    """Answers from the cache: nothing was sent for them."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens that the servers report as found in their prefix cache."""
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})

    def __bool__(self) -> bool:
        return self != Usage()


class Tally:
    """Counts for one stream of questions. `alive` is called at every sign of progress, from any thread."""

    def __init__(self, alive: Callable[[], None] = lambda: None) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._alive = alive

    def add(self, **counts: int) -> None:
        """Adds to the named fields of `Usage`."""
        with self._lock:
            self._counts.update(counts)
        self._alive()

    def take(self) -> Usage:
        """The counts since the last call."""
        with self._lock:
            usage = Usage(**self._counts)
            self._counts.clear()
        return usage


@dataclass(frozen=True)
class Step:
    """One token of an answer, and the candidates for its place, including itself, with their log-probabilities."""

    taken: bytes
    considered: Sequence[tuple[bytes, float]]


def choice_probabilities(steps: Sequence[Step], forms: Mapping[str, bytes]) -> dict[str, float]:
    """choice → probability, summing to 1; empty if no candidate token leads to any choice.

    `forms` has each choice as it is written in full. A choice may begin with several tokens (`yes`, `y`, ` Yes`): at
    the first step, the probabilities of all tokens that lead to it are summed and divided by those of all tokens that
    lead to any choice. If the chosen token still leads to several choices, later steps decide between them. A token
    that was not chosen and leads to several choices counts for each in equal parts, since its continuation is unknown.
    """
    wanted = {choice: _plain(form) for choice, form in forms.items()}
    found = dict.fromkeys(forms, 0.0)
    written, weight = b"", 1.0
    for step in steps:
        masses = [
            (token, math.exp(logprob), _led_to(written + _plain(token), wanted))
            for token, logprob in dict(step.considered).items()
        ]
        total = sum(mass for _, mass, choices in masses if choices)
        if total <= 0.0:
            break
        left = 0.0
        for token, mass, choices in masses:
            if token == step.taken and len(choices) > 1:
                left = weight * mass / total
                continue
            for choice in choices:
                found[choice] += weight * mass / total / len(choices)
        written, weight = written + _plain(step.taken), left
        if not left:
            break
    open_choices = _led_to(written, wanted) if weight < 1.0 else []
    for choice in open_choices:
        found[choice] += weight / len(open_choices)
    return found if weight < 1.0 else {}


def read_choice(text: str, forms: Mapping[str, bytes]) -> str | None:
    """The choice that `text` equals or begins with; None if there is none or it is ambiguous."""
    led_to = _led_to(_plain(text.encode()), {choice: _plain(form) for choice, form in forms.items()})
    return led_to[0] if len(led_to) == 1 else None


def _led_to(text: bytes, wanted: Mapping[str, bytes]) -> list[str]:
    """The choices that begin with `text`, or else the longest ones with which `text` begins."""
    become = [choice for choice, form in wanted.items() if form.startswith(text)]
    if become:
        return become
    past = [choice for choice, form in wanted.items() if text.startswith(form)]
    longest = max((len(wanted[choice]) for choice in past), default=0)
    return [choice for choice in past if len(wanted[choice]) == longest]


def _plain(text: bytes) -> bytes:
    """`text` without whitespace and in lower case, since models vary both."""
    return b"".join(text.split()).lower()

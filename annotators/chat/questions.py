"""What a model behind a server is asked, what it answers, and how probable its answers make each choice."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import Field

from soundseam.annotators.base import AnnotationError
from soundseam.schemas.record import Record


class Sampling(Record):
    """How an answer is drawn."""

    temperature: float = Field(default=0.0, ge=0.0, le=2.0, description="0 takes the likeliest word each time")
    top_p: float = Field(default=1.0, gt=0.0, le=1.0, description="share of probability that is drawn from")
    seed: int = Field(default=0, description="equal seeds draw alike, where the server keeps to it")
    max_tokens: int = Field(default=512, ge=1, le=32_768, description="of the answer, thinking included")


@dataclass(frozen=True)
class Question:
    """One question: sound first, words after it, so that a server's prefix cache holds the sound."""

    text: str
    audio: tuple[bytes, ...] = ()
    """FLAC files, in the order in which they are heard."""
    system: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    json_schema: str = ""
    """Canonical JSON of the schema that the answer keeps to; empty for free text."""
    choices: tuple[str, ...] = ()
    """The only possible answers; the answer then tells how probable each is. Empty for free text."""
    interface: Literal["chat", "transcriptions"] = "chat"
    """transcriptions is for servers of recognisers: `text` then is a hint, and may be empty."""
    language: str = ""
    """Of a transcription, ISO 639-1; empty if the server is to find out."""
    about: str = ""
    """A recording_id: kept answers that belong together lie together. It changes nothing of the answer."""


@dataclass(frozen=True)
class TimedWord:
    """A word as a server of a recogniser timed it, in seconds of the sound it heard."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Answer:
    """What came back. Nothing in it is to be trusted before it is parsed and held against bounds."""

    text: str
    thinking: str | None = None
    """What the model wrote before its answer, where it is one that thinks."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """choice → probability, summing to 1 over the question's choices; empty if it had none."""
    words: tuple[TimedWord, ...] = ()
    """Of a transcription by a server that times them."""
    language: str | None = None
    """Of a transcription by a server that tells."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0


Reply = Answer | AnnotationError
"""An answer, or why this one question has none; an outage of all servers is raised instead."""


class ChatClient(Protocol):
    """Whoever answers: a client of servers, or in tests a model in the same process."""

    def ask(self, groups: Iterable[Sequence[Question]]) -> Iterator[list[Reply]]:
        """One list of replies for each group, in order, one reply for each of its questions, in order.

        A group's questions begin with the same audio, so that they share what the server has cached of it. Groups are
        drawn no faster than questions are answered: memory holds those in flight alone.
        """
        ...


class Usage(Record):
    """What a run asked its servers."""

    requests: int = 0
    """Sent, those that failed included."""
    retries: int = 0
    """Of these, for questions that had been sent before."""
    answers: int = 0
    """That came from a server."""
    kept_answers: int = 0
    """That an earlier run had kept: nothing was sent for them."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt tokens, those that the servers say they had in their prefix cache."""
    answer_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})

    def __bool__(self) -> bool:
        return self != Usage()


class Tally:
    """Counts for one stream of questions. `alive` is called at every sign of life, from whatever thread."""

    def __init__(self, alive: Callable[[], None] = lambda: None) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._alive = alive

    def add(self, **counts: int) -> None:
        """Adds to the fields of `Usage` that it names."""
        with self._lock:
            self._counts.update(counts)
        self._alive()

    def take(self) -> Usage:
        """What was counted since the last call."""
        with self._lock:
            usage = Usage(**self._counts)
            self._counts.clear()
        return usage


@dataclass(frozen=True)
class Step:
    """One token of an answer, and those considered for its place, itself among them, with their log-probabilities."""

    taken: bytes
    considered: Sequence[tuple[bytes, float]]


def choice_probabilities(steps: Sequence[Step], forms: Mapping[str, bytes]) -> dict[str, float]:
    """choice → probability, summing to 1; empty if no token considered leads to any of them.

    `forms` gives each choice as it is written out in full. A choice may begin with several tokens (`yes`, `y`, ` Yes`):
    at the first step all that lead to it are summed and taken relative to all that lead to any choice. Where the token
    taken leads to several choices still, the steps after it tell them apart. A token that was not taken and leads to
    several counts for each in equal parts, since what would have followed it is unknown.
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
    """The choice that `text` is or begins with; None if it is none or could be several."""
    led_to = _led_to(_plain(text.encode()), {choice: _plain(form) for choice, form in forms.items()})
    return led_to[0] if len(led_to) == 1 else None


def _led_to(text: bytes, wanted: Mapping[str, bytes]) -> list[str]:
    """The choices that `text` may still become, or else those that it has become with more behind them."""
    become = [choice for choice, form in wanted.items() if form.startswith(text)]
    if become:
        return become
    past = [choice for choice, form in wanted.items() if text.startswith(form)]
    longest = max((len(wanted[choice]) for choice in past), default=0)
    return [choice for choice in past if len(wanted[choice]) == longest]


def _plain(text: bytes) -> bytes:
    """Without the differences of case and space that models make at will."""
    return b"".join(text.split()).lower()

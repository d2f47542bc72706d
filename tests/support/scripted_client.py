"""A client that answers in the same process, at once and as a test says."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import soundfile

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Answer, ContextT, Question, Reply
from soundseam.annotators.flac import encode_flac
from soundseam.annotators.prompts import CAPTIONS

NOISE = encode_flac(np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32))
"""A second in which something is heard."""


def is_silent(flac: bytes) -> bool:
    samples, _ = soundfile.read(io.BytesIO(flac))
    return not samples.any()


def claim_in(question: Question) -> str:
    """The claim that a verifier is asked about."""
    (claim,) = re.findall('["\u201c](.*)["\u201d]\n', question.text)
    return str(claim)


def denies(question: Question) -> bool:
    """Whether it is asked whether the claim is false."""
    return any(CAPTIONS.text("deny", language).splitlines()[-1] in question.text for language in ("en", "zh"))


@dataclass
class ScriptedClient:
    """Answers at once, but draws some groups ahead, as a client does that keeps many questions in flight.

    `holds` is the probability that a claim is true of a sound, by which both phrasings are answered; `leans` is added
    to both P(yes), so that the two disagree. `say` answers what has no choices.
    """

    holds: Callable[[str, bool], float] = lambda claim, silent: 0.9
    leans: float = 0.0
    say: Callable[[Question], str] = lambda question: ""
    ahead: int = 4
    fails: Callable[[Question], AnnotationError | None] = lambda question: None
    groups: list[tuple[Question, ...]] = field(default_factory=list)
    max_drawn: int = 0

    @property
    def asked(self) -> list[Question]:
        return [question for group in self.groups for question in group]

    def ask(self, groups: Iterable[tuple[ContextT, Sequence[Question]]]) -> Iterator[tuple[ContextT, list[Reply]]]:
        source, drawn = iter(groups), deque[tuple[ContextT, tuple[Question, ...]]]()
        while True:
            while len(drawn) < self.ahead and (pair := next(source, None)) is not None:
                drawn.append((pair[0], tuple(pair[1])))
                self.groups.append(drawn[-1][1])
            self.max_drawn = max(self.max_drawn, len(drawn))
            if not drawn:
                return
            context, group = drawn.popleft()
            yield context, [self._reply(question) for question in group]

    def _reply(self, question: Question) -> Reply:
        error = self.fails(question)
        if error is not None:
            return error
        if not question.choices:
            return Answer(self.say(question))
        held = self.holds(claim_in(question), is_silent(question.audio[0]))
        p_yes = min(1.0, max(0.0, (1 - held if denies(question) else held) + self.leans))
        yes, no = question.choices
        return Answer(yes if p_yes >= 0.5 else no, probabilities={yes: p_yes, no: 1 - p_yes})

"""Answers that are kept: what was asked once, of the same model about the same sound, is not asked again."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from annotators.chat.client import ChatClient
from annotators.chat.endpoint import Endpoint
from annotators.chat.questions import Answer, Question, Reply
from annotators.chat.usage import Tally


class AnswerStore(Protocol):
    """Where answers are kept. `about` is the question's: it says where to look, and nothing of what is found."""

    def find(self, about: str, key: str) -> Answer | None: ...

    def keep(self, about: str, key: str, answer: Answer) -> None: ...


class KeepingAsker:
    """An `Asker` that looks an answer up before it asks, and keeps what it is told. For one stream at a time."""

    def __init__(self, client: ChatClient, store: AnswerStore | None = None, tally: Tally | None = None) -> None:
        self._client = client
        self._store = store
        self.tally = tally or Tally()

    def ask(self, groups: Iterable[Sequence[Question]]) -> Iterator[list[Reply]]:
        if self._store is None:
            yield from self._client.ask(groups, self.tally)
            return
        drawn: deque[_Group] = deque()

        def unanswered() -> Iterator[tuple[Question, ...]]:
            # Also where nothing is left to ask: what is drawn has its turn before more is drawn.
            for questions in groups:
                drawn.append(self._look_up(questions))
                yield drawn[-1].unanswered

        with closing(self._client.ask(unanswered(), self.tally)) as answered:
            for replies in answered:
                yield self._complete(drawn.popleft(), replies)

    def _look_up(self, questions: Sequence[Question]) -> _Group:
        assert self._store is not None
        keys = [answer_key(question, self._client.endpoint) for question in questions]
        found = [
            self._store.find(question.about, key) if _may_be_kept(question) else None
            for question, key in zip(questions, keys, strict=True)
        ]
        self.tally.add(kept_answers=sum(answer is not None for answer in found))
        return _Group(questions, keys, found)

    def _complete(self, group: _Group, replies: Sequence[Reply]) -> list[Reply]:
        assert self._store is not None
        fresh = iter(replies)
        complete: list[Reply] = []
        for question, key, found in zip(group.questions, group.keys, group.found, strict=True):
            reply = next(fresh) if found is None else found
            if found is None and isinstance(reply, Answer) and _may_be_kept(question):
                self._store.keep(question.about, key, reply)
            complete.append(reply)
        return complete


class _Group:
    def __init__(self, questions: Sequence[Question], keys: Sequence[str], found: Sequence[Answer | None]) -> None:
        self.unanswered = tuple(question for question, answer in zip(questions, found, strict=True) if answer is None)
        self.questions = questions
        self.keys = keys
        self.found = found


def _may_be_kept(question: Question) -> bool:
    return bool(question.about)


def answer_key(question: Question, endpoint: Endpoint) -> str:
    """Names all that an answer depends on: model, revision, sound, words, sampling, and what the answer may be."""
    content = [
        endpoint.model,
        endpoint.revision,
        [hashlib.sha256(flac).hexdigest() for flac in question.audio],
        question.text,
        question.system,
        question.sampling.model_dump(mode="json"),
        question.json_schema,
        question.choices,
        question.interface,
        question.language,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

"""A client of servers with OpenAI's interfaces: many questions at once, answers in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.diagnosis import Request
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.pool import Sent, ServerPool
from soundseam.annotators.chat.questions import Answer, ContextT, Question, Reply, Tally
from soundseam.annotators.chat.wire import read_answer


class ServerClient:
    """A `ChatClient` for the servers of one endpoint. Can be used from any thread, and shared by all users of them.

    It connects at the first question. `close` ends its thread; so does garbage collection.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._pool = ServerPool(endpoint)

    def ask(
        self, groups: Iterable[tuple[ContextT, Sequence[Question]]], tally: Tally | None = None
    ) -> Generator[tuple[ContextT, list[Reply]], None, None]:
        """Like `ChatClient.ask`, counted in `tally`. Raises ConnectionError if all servers are unreachable or refuse
        us.
        """
        tally = tally or Tally()
        model, dialect = self.endpoint.model, self.endpoint.dialect
        requests = (
            ((context, questions), [Request(question, model, dialect) for question in questions])
            for context, questions in groups
        )
        with closing(self._pool.send(requests, tally)) as sent:
            for (context, questions), bodies in sent:
                yield context, [self._reply(*pair, tally) for pair in zip(questions, bodies, strict=True)]

    def close(self) -> None:
        self._pool.close()

    def _reply(self, question: Question, body: Sent, tally: Tally) -> Reply:
        if isinstance(body, AnnotationError):
            return body
        try:
            answer = read_answer(body, question, self.endpoint.dialect)
        except AnnotationError as error:
            return error
        _count(answer, tally)
        return answer


def _count(answer: Answer, tally: Tally) -> None:
    tally.add(
        answers=1,
        prompt_tokens=answer.prompt_tokens,
        cached_tokens=answer.cached_tokens,
        answer_tokens=answer.answer_tokens,
    )


class AnswerCache(Protocol):
    """Stores answers. `about`, from the question, only says where to look: it does not affect the answer."""

    def find(self, about: str, key: str) -> Answer | None: ...

    def keep(self, about: str, key: str, answer: Answer) -> None: ...


class CachedClient:
    """A `ChatClient` that looks up answers in a cache first, and stores new ones there. For one stream at a time."""

    def __init__(self, client: ServerClient, store: AnswerCache | None = None, tally: Tally | None = None) -> None:
        self._client = client
        self._store = store
        self.tally = tally or Tally()

    def ask(self, groups: Iterable[tuple[ContextT, Sequence[Question]]]) -> Iterator[tuple[ContextT, list[Reply]]]:
        if self._store is None:
            yield from self._client.ask(groups, self.tally)
            return
        looked_up = ((context, self._look_up(questions)) for context, questions in groups)
        unanswered = (((context, group), group.unanswered) for context, group in looked_up)
        with closing(self._client.ask(unanswered, self.tally)) as answered:
            for (context, group), replies in answered:
                yield context, self._complete(group, replies)

    def _look_up(self, questions: Sequence[Question]) -> _Group:
        assert self._store is not None
        keys = [answer_key(question, self._client.endpoint) for question in questions]
        found = [
            self._store.find(question.about, key) if _is_cacheable(question) else None
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
            if found is None and isinstance(reply, Answer) and _is_cacheable(question):
                self._store.keep(question.about, key, reply)
            complete.append(reply)
        return complete


class _Group:
    def __init__(self, questions: Sequence[Question], keys: Sequence[str], found: Sequence[Answer | None]) -> None:
        self.unanswered = tuple(question for question, answer in zip(questions, found, strict=True) if answer is None)
        self.questions = questions
        self.keys = keys
        self.found = found


def _is_cacheable(question: Question) -> bool:
    return bool(question.about)


def answer_key(question: Question, endpoint: Endpoint) -> str:
    """Key of everything that an answer depends on: model, revision, audio, words, sampling, and allowed answers."""
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

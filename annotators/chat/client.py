"""A client of servers with OpenAI's interfaces: many questions at once, answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from annotators.base import AnnotationError
from annotators.chat.endpoint import Endpoint
from annotators.chat.pool import Request, Sent, ServerPool
from annotators.chat.questions import Answer, Question, Reply
from annotators.chat.usage import Tally
from annotators.chat.wire import body_of, path_of, read_answer


class ChatClient:
    """An `Asker` over the servers of one endpoint. To be used from any thread, and shared by all that ask them.

    It connects when it is first asked something. `close` ends its thread; so does dropping it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._pool = ServerPool(endpoint)

    def ask(
        self, groups: Iterable[Sequence[Question]], tally: Tally | None = None
    ) -> Generator[list[Reply], None, None]:
        """As `Asker.ask`, counted in `tally`. Raises ConnectionError where all servers stay away, or refuse us."""
        tally = tally or Tally()
        asked: deque[Sequence[Question]] = deque()

        def requests() -> Iterator[list[Request]]:
            for group in groups:
                asked.append(group)
                yield [self._request(question) for question in group]

        with closing(self._pool.send(requests(), tally)) as sent:
            for bodies in sent:
                questions = asked.popleft()
                yield [self._reply(*pair, tally) for pair in zip(questions, bodies, strict=True)]

    def close(self) -> None:
        self._pool.close()

    def _request(self, question: Question) -> Request:
        model, dialect = self.endpoint.model, self.endpoint.dialect
        return Request(path_of(question), lambda: body_of(question, model, dialect))

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

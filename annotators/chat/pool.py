"""Concurrent requests to several servers, in order; all handling of retries, health, limits and outages is here.

Failures are distinguished by their possible cause. A question that a server refuses is given up at once. A server that
is unreachable or busy says nothing about the question, which is retried until the outage is too long. Anything else is
retried a few times; if others were answered in the meantime, the question is the cause.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.diagnosis import (
    Request,
    answers_simply,
    fitting_dialect,
    lacks,
    probe_question,
    shortened,
)
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.http import NO_ANSWER, Attempts, Failure, Fault, Flow, LoopThread, no_answer
from soundseam.annotators.chat.questions import ContextT, QuestionKind, Tally

FIRST_REST_S = 0.5
LONGEST_REST_S = 30.0
LONGEST_RETRY_AFTER_S = 60.0
FAILURES_BEFORE_REST = 3
"""Consecutive failures; single failures are mostly caused by the question."""


@dataclass
class Server:
    """The last known state of one server."""

    url: str
    under_way: int = 0
    """Number of our open requests."""
    chosen: int = 0
    """Counter at its last selection: among equals, the least recently chosen is next."""
    failures: int = 0
    """In a row."""
    rests: int = 0
    """In a row."""
    rest_until_s: float = 0.0
    refusal: str = ""
    """Why it never answers with the present set-up; empty if it may."""


class Servers:
    """Chooses among several servers. Not thread-safe: used on one event loop."""

    def __init__(self, urls: Sequence[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self.all = [Server(url.rstrip("/")) for url in urls]
        self.answered_s = float("-inf")
        """When any of them last answered a question."""
        self._now_s = now_s
        self._choices = 0

    def choose(self, preferred: Server | None = None, avoid: Server | None = None) -> Server | None:
        """An available server with the fewest open requests: `preferred` if possible, `avoid` only if there is no
        other.
        """
        awake = [server for server in self.all if not server.refusal and server.rest_until_s <= self._now_s()]
        if not awake:
            return None
        if preferred in awake and preferred is not avoid:
            return preferred
        others = [server for server in awake if server is not avoid] or awake
        self._choices += 1
        best = min(others, key=lambda server: (server.under_way, server.chosen))
        best.chosen = self._choices
        return best

    def seconds_to_wait(self) -> float:
        """Seconds until a server is available; 0 if one is now. Raises ConnectionError if all refuse us."""
        wakes = [server.rest_until_s for server in self.all if not server.refusal]
        if not wakes:
            raise ConnectionError("; ".join(f"{server.url}: {server.refusal}" for server in self.all))
        return max(0.0, min(wakes) - self._now_s())

    def answered(self, server: Server) -> None:
        server.failures = server.rests = 0
        self.answered_s = self._now_s()

    def failed(self, server: Server, sent_s: float, is_away: bool, retry_after_s: float = 0.0) -> None:
        """Notes that a request sent at `sent_s` failed; `is_away` if the server is unreachable or busy."""
        now_s = self._now_s()
        if sent_s < server.rest_until_s:
            return  # sent before the pause that is already in effect
        server.failures += 1
        if is_away or server.failures >= FAILURES_BEFORE_REST:
            rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2**server.rests)
            server.rests += 1
            server.rest_until_s = now_s + max(rest_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))


FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LOOK_AGAIN_S = 1.0
"""A question that waits for a server checks again at least this often: another one may have been answered."""
PROBE_S = 5.0
GIVEN_UP_IN_VAIN = 3
"""This many questions given up in a row, with no answer between them, are not the questions' fault."""
REFUSED_IN_VAIN = 32
"""The same for questions refused by servers that have never answered any, or refuse the shortest one too."""

Sent = bytes | AnnotationError


@dataclass
class _Seat:
    """The server for all requests of a group, whose prefix cache then holds their common beginning."""

    server: Server | None = None


@dataclass
class _Trouble:
    """The failures of one question so far."""

    since_s: float
    tries: int = 0
    """Number of failures that the question may have caused."""
    last: Failure | None = None


class ServerPool:
    """Sends requests from its own thread; can be used from any thread, by several streams at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._servers = Servers(endpoint.urls)
        self._slots = asyncio.Semaphore(endpoint.in_flight)
        self._attempts = Attempts(endpoint.timeout_s)
        self._thread = LoopThread(self._attempts.close)
        self._given_up = 0
        self._refused = 0
        self._answered_kinds: set[QuestionKind] = set()
        self._failed_kinds: dict[QuestionKind, float] = {}
        """When the first failure of each kind of question arrived that the question may have caused."""
        self._diagnosed_kinds: set[QuestionKind] = set()
        self._misunderstood = ""
        """A message if a server needs another dialect; every question then fails with it, in any order."""

    def close(self) -> None:
        self._thread.stop()

    def send(
        self, groups: Iterable[tuple[ContextT, Sequence[Request]]], tally: Tally
    ) -> Generator[tuple[ContextT, list[Sent]], None, None]:
        """Each context, in order, with the results of its group's requests, in order.

        Raises ConnectionError if all servers stay unreachable. Closing the iterator cancels open requests.
        """
        flow: Flow[ContextT, list[Sent]] = Flow(self._thread, self._endpoint.in_flight)
        return flow.run(groups, lambda group: self._send_group(group, tally))

    async def _send_group(self, group: Sequence[Request], tally: Tally) -> list[Sent]:
        """All at once: vLLM caches a prefix when it is scheduled, so that even the second request of a step hits the
        cache.
        """
        seat = _Seat()
        if len(group) == 1:
            return [await self._send(group[0], seat, tally)]
        try:
            async with asyncio.TaskGroup() as tasks:
                sent = [tasks.create_task(self._send(request, seat, tally)) for request in group]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [task.result() for task in sent]

    async def _send(self, request: Request, seat: _Seat, tally: Tally) -> Sent:
        trouble = _Trouble(time.monotonic())
        avoid: Server | None = None
        while True:
            async with self._slots:
                server = await self._next_server(seat, avoid, trouble)
                sent_s = time.monotonic()
                outcome = await self._attempt(server, request)
                tally.add(requests=1, retries=int(trouble.last is not None))
            if isinstance(outcome, bytes):
                self._servers.answered(server)
                self._answered_kinds.add(request.question.kind)
                self._given_up = self._refused = 0
                return outcome
            self._note(server, outcome, sent_s)
            if outcome.fault is Fault.QUESTION or (
                outcome.fault is Fault.UNKNOWN and self._failed_before(request, sent_s)
            ):
                await self._diagnose(server, request, outcome)
            if outcome.fault is Fault.QUESTION:
                return await self._refuse(server, request, outcome)
            if trouble.last is None:
                trouble.since_s = sent_s
            trouble.last, avoid = outcome, server
            trouble.tries += outcome.fault is Fault.UNKNOWN
            if (answer := await self._give_up(trouble, server, request)) is not None:
                return answer
            await asyncio.sleep(_wait_s(trouble.tries))

    async def _attempt(self, server: Server, request: Request) -> bytes | Failure:
        server.under_way += 1
        try:
            return await self._post(server, request)
        finally:
            server.under_way -= 1

    async def _post(self, server: Server, request: Request) -> bytes | Failure:
        key = os.environ.get(self._endpoint.api_key_variable, "")
        outcome = await self._attempts.post(f"{server.url}/{request.path}", request.body(), key)
        return outcome if isinstance(outcome, Failure) else no_answer(outcome, request.holds) or outcome

    def _failed_before(self, request: Request, sent_s: float) -> bool:
        """Whether a question of this kind had failed when this one was sent: not both in one passing fault."""
        return self._failed_kinds.setdefault(request.question.kind, time.monotonic()) <= sent_s

    async def _diagnose(self, server: Server, request: Request, failure: Failure) -> None:
        """Raises ConnectionError if the server only accepts the first question of a kind in another dialect, or not at
        all.
        """
        self._fail_if_misunderstood()
        kind = request.question.kind
        if kind in self._answered_kinds | self._diagnosed_kinds:
            return
        self._diagnosed_kinds.add(kind)
        post, why = partial(self._post, server), shortened(failure.detail)
        dialect = await fitting_dialect(post, [request])
        if dialect is not None and isinstance(await post(request), Failure):
            self._misunderstood = (
                f"{server.url} does not answer {kind} in the dialect {request.dialect} ({why}), but in "
                f"{dialect}: set `dialect: {dialect}` for that server in the configuration"
            )
        elif dialect is None and await lacks(post, request):
            self._misunderstood = (
                f"{server.url} answers questions, but not {kind}, in no dialect ({why}): serve a model that "
                f"takes it, or leave out what asks {request.model}"
            )
        self._fail_if_misunderstood()

    def _fail_if_misunderstood(self) -> None:
        if self._misunderstood:
            raise ConnectionError(self._misunderstood)

    async def _next_server(self, seat: _Seat, avoid: Server | None, trouble: _Trouble) -> Server:
        """Waits for an available server. Raises ConnectionError if there is none in time, or none that understands."""
        while (server := self._servers.choose(seat.server, avoid)) is None:
            wait_s = self._servers.seconds_to_wait()
            self._fail_if_misunderstood()
            if self._is_outage(trouble):
                raise self._outage(trouble)
            await asyncio.sleep(min(wait_s, LOOK_AGAIN_S) + _jitter(0.05))
        seat.server = server
        return server

    def _note(self, server: Server, failure: Failure, sent_s: float) -> None:
        if failure.fault is Fault.SET_UP:
            server.refusal = failure.detail
        elif failure.fault is Fault.QUESTION:
            server.failures = 0
        else:
            self._servers.failed(server, sent_s, failure.fault is Fault.SERVER, failure.retry_after_s)

    async def _refuse(self, server: Server, request: Request, failure: Failure) -> AnnotationError:
        """Raises ConnectionError if so many were refused in a row that the questions are not to blame."""
        self._refused += 1
        if self._refused >= REFUSED_IN_VAIN and self._servers.answered_s == float("-inf"):
            raise ConnectionError(f"{self._names()} refused the first {REFUSED_IN_VAIN} questions: {failure.detail}")
        if self._refused % REFUSED_IN_VAIN == 0:
            shortest = request.asking(probe_question(request.question.kind))
            if isinstance(await self._post(server, shortest), Failure):
                raise ConnectionError(f"{server.url} refused {self._refused} questions in a row: {failure.detail}")
        return AnnotationError(failure.reason, failure.detail)

    async def _give_up(self, trouble: _Trouble, server: Server, request: Request) -> AnnotationError | None:
        """Why the question is given up; None to retry it. Raises ConnectionError for an outage."""
        failure = trouble.last
        exhausted = trouble.tries >= self._endpoint.attempts
        late = time.monotonic() - trouble.since_s >= self._endpoint.outage_s
        if failure is None or not (exhausted or late):
            return None
        rejection = AnnotationError(failure.reason, f"{trouble.tries or 'many'} times: {failure.detail}")
        if self._servers.answered_s > trouble.since_s:
            return rejection
        if exhausted and failure.reason == NO_ANSWER and not await answers_simply(partial(self._post, server), request):
            raise ConnectionError(f"{server.url} answers no question: {failure.detail}")
        if exhausted and await self._anyone_there():
            self._given_up += 1
            if self._given_up <= GIVEN_UP_IN_VAIN:
                return rejection
            raise ConnectionError(f"{self._names()} answered no question: {failure.detail}")
        if late:
            raise self._outage(trouble)
        return None

    def _is_outage(self, trouble: _Trouble) -> bool:
        since_s = max(trouble.since_s, self._servers.answered_s)
        return time.monotonic() - since_s >= self._endpoint.outage_s

    def _outage(self, trouble: _Trouble) -> ConnectionError:
        why = f": {trouble.last.detail}" if trouble.last else ""
        return ConnectionError(f"{self._names()} stayed away for {self._endpoint.outage_s:g} s{why}")

    async def _anyone_there(self) -> bool:
        """Whether a server at least lists its models: then it is up, and only the question cannot be answered."""
        key = os.environ.get(self._endpoint.api_key_variable, "")
        answers = await asyncio.gather(
            *(self._attempts.get(f"{server.url}/models", key, PROBE_S) for server in self._servers.all)
        )
        return any(isinstance(one, bytes) for one in answers)

    def _names(self) -> str:
        return ", ".join(server.url for server in self._servers.all)


def _wait_s(tries: int) -> float:
    """Grows with each try, with a random part, so that waiting questions do not all return at once."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** max(0, tries - 1)) * (0.5 + _jitter(1.0))


def _jitter(most: float) -> float:
    return random.random() * most  # noqa: S311 - nothing secret about it

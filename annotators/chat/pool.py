"""Requests to several servers, many at once, in order: retries, health, limits and outages exist here and nowhere else.

What fails is told apart by whose fault it may be. A question that a server refuses is given up at once. A server that
is away or busy says nothing about the question, which is asked again until the outage is too long. Anything else is
asked again a few times; then others that were answered in the meantime prove that it is the question's fault.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.http import NO_ANSWER, Attempts, Body, Failure, Fault, Flow, LoopThread, no_answer
from soundseam.annotators.chat.questions import Tally

FIRST_REST_S = 0.5
LONGEST_REST_S = 30.0
LONGEST_RETRY_AFTER_S = 60.0
FAILURES_BEFORE_REST = 3
"""In a row: single answers that fail are mostly the question's fault."""


@dataclass
class Server:
    """One server as it was last seen."""

    url: str
    under_way: int = 0
    """Requests of ours."""
    chosen: int = 0
    """The number of the choice that last fell on it: of equals, the one that waited longest is next."""
    failures: int = 0
    """In a row."""
    rests: int = 0
    """In a row."""
    rest_until_s: float = 0.0
    refusal: str = ""
    """Why it will never answer us as we are set up."""


class Servers:
    """Of several servers, chooses; not thread-safe: it lives on one event loop."""

    def __init__(self, urls: Sequence[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self.all = [Server(url.rstrip("/")) for url in urls]
        self.answered_s = float("-inf")
        """When any of them last answered a question."""
        self._now_s = now_s
        self._choices = 0

    def choose(self, preferred: Server | None = None, avoid: Server | None = None) -> Server | None:
        """An awake one with the fewest requests under way: `preferred` if it can be, `avoid` if it must be."""
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
        """Until one wakes; 0 if one is awake. Raises ConnectionError if all refuse us."""
        wakes = [server.rest_until_s for server in self.all if not server.refusal]
        if not wakes:
            raise ConnectionError("; ".join(f"{server.url}: {server.refusal}" for server in self.all))
        return max(0.0, min(wakes) - self._now_s())

    def answered(self, server: Server) -> None:
        server.failures = server.rests = 0
        self.answered_s = self._now_s()

    def failed(self, server: Server, sent_s: float, is_away: bool, retry_after_s: float = 0.0) -> None:
        """A request sent at `sent_s` failed: it `is_away`, or busy, or something else went wrong."""
        now_s = self._now_s()
        if sent_s < server.rest_until_s:
            return  # sent before the rest that it would lead to
        server.failures += 1
        if is_away or server.failures >= FAILURES_BEFORE_REST:
            rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2**server.rests)
            server.rests += 1
            server.rest_until_s = now_s + max(rest_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))


FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LOOK_AGAIN_S = 1.0
"""A question that waits for any server to wake looks again at least so often: another one may have been answered."""
PROBE_S = 5.0
GIVEN_UP_IN_VAIN = 3
"""So many questions in a row that are given up with no answer between them are not the questions' fault."""
REFUSED_IN_VAIN = 32
"""The same for questions that servers refuse which have never answered any."""

Sent = bytes | AnnotationError


@dataclass(frozen=True)
class Request:
    """One POST below a server's address; its body is made when it is sent, so that waiting ones hold none."""

    path: str
    body: Callable[[], Body]
    kind: str = ""
    """What a server must be able to do for it; the first of a kind that fails is asked in other dialects too."""
    other_dialects: Callable[[], Mapping[str, Body]] = dict
    """dialect → the same question in it, for those that differ."""
    simple: Callable[[], Body] | None = None
    """A question of the same interface that any server can answer."""

    @property
    def holds(self) -> str:
        """The field that every answer has."""
        return "choices" if self.path == "chat/completions" else "text"


@dataclass
class _Seat:
    """Which server a group's requests go to: all to one, whose prefix cache then holds their common beginning."""

    server: Server | None = None


@dataclass
class _Trouble:
    """What has gone wrong with one question so far."""

    since_s: float
    tries: int = 0
    """Of those that may be the question's fault."""
    last: Failure | None = None


class ServerPool:
    """Sends requests from a thread of its own; to be used from any thread, by several streams at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._servers = Servers(endpoint.urls)
        self._slots = asyncio.Semaphore(endpoint.in_flight)
        self._attempts = Attempts(endpoint.timeout_s)
        self._thread = LoopThread(self._attempts.close)
        self._given_up = 0
        self._refused = 0
        self._answered_kinds: set[str] = set()
        self._diagnosed_kinds: set[str] = set()
        self._misunderstood = ""
        """Which dialect a server takes instead; every question then ends, in whatever order they are waited for."""

    def close(self) -> None:
        self._thread.stop()

    def send(self, groups: Iterable[Sequence[Request]], tally: Tally) -> Generator[list[Sent], None, None]:
        """For each group, in order, what came back for each of its requests, in order.

        Raises ConnectionError if all servers stay away. Closing the iterator cancels what is under way.
        """
        flow: Flow[list[Sent]] = Flow(self._thread, self._endpoint.in_flight)
        return flow.run(groups, lambda group: self._send_group(group, tally))

    async def _send_group(self, group: Sequence[Request], tally: Tally) -> list[Sent]:
        """All at once: vLLM caches a prefix when it is scheduled, so that the second request of a step hits already."""
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
                self._answered_kinds.add(request.kind)
                self._given_up = self._refused = 0
                return outcome
            self._note(server, outcome, sent_s)
            if outcome.fault is Fault.QUESTION or (outcome.fault is Fault.UNKNOWN and trouble.tries):
                await self._diagnose(server, request, outcome)
            if outcome.fault is Fault.QUESTION:
                return self._refuse(outcome)
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
            return await self._post(server, request, request.body())
        finally:
            server.under_way -= 1

    async def _post(self, server: Server, request: Request, body: Body) -> bytes | Failure:
        key = os.environ.get(self._endpoint.api_key_variable, "")
        outcome = await self._attempts.post(f"{server.url}/{request.path}", body, key)
        return outcome if isinstance(outcome, Failure) else no_answer(outcome, request.holds) or outcome

    async def _diagnose(self, server: Server, request: Request, failure: Failure) -> None:
        """Raises ConnectionError if the server takes the first question of a kind in another dialect alone."""
        if self._misunderstood:
            raise ConnectionError(self._misunderstood)
        if request.kind in self._answered_kinds | self._diagnosed_kinds:
            return
        self._diagnosed_kinds.add(request.kind)
        for dialect, body in request.other_dialects().items():
            if isinstance(await self._post(server, request, body), Failure):
                continue
            if isinstance(await self._post(server, request, request.body()), Failure):
                self._misunderstood = (
                    f"{server.url} does not understand {request.kind} in the dialect {self._endpoint.dialect} "
                    f"({failure.detail}) and answers in {dialect}: set server.dialect={dialect}"
                )
                raise ConnectionError(self._misunderstood)
            return

    async def _next_server(self, seat: _Seat, avoid: Server | None, trouble: _Trouble) -> Server:
        """Waits for one that is awake. Raises ConnectionError if none wakes in time."""
        while (server := self._servers.choose(seat.server, avoid)) is None:
            wait_s = self._servers.seconds_to_wait()
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

    def _refuse(self, failure: Failure) -> AnnotationError:
        self._refused += 1
        if self._refused >= REFUSED_IN_VAIN and self._servers.answered_s == float("-inf"):
            raise ConnectionError(f"{self._names()} refused the first {REFUSED_IN_VAIN} questions: {failure.detail}")
        return AnnotationError(failure.reason, failure.detail)

    async def _give_up(self, trouble: _Trouble, server: Server, request: Request) -> AnnotationError | None:
        """Why the question is given up; None if it is to be asked again. Raises ConnectionError for an outage."""
        failure = trouble.last
        exhausted = trouble.tries >= self._endpoint.attempts
        late = time.monotonic() - trouble.since_s >= self._endpoint.outage_s
        if failure is None or not (exhausted or late):
            return None
        rejection = AnnotationError(failure.reason, f"{trouble.tries or 'many'} times: {failure.detail}")
        if self._servers.answered_s > trouble.since_s:
            return rejection
        if exhausted and failure.reason == NO_ANSWER and not await self._answers_simply(server, request):
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

    async def _answers_simply(self, server: Server, request: Request) -> bool:
        return request.simple is not None and isinstance(await self._post(server, request, request.simple()), bytes)

    async def _anyone_there(self) -> bool:
        """Whether a server at least lists its models: then it is up, and it is the question that it cannot answer."""
        key = os.environ.get(self._endpoint.api_key_variable, "")
        heard = await asyncio.gather(
            *(self._attempts.get(f"{server.url}/models", key, PROBE_S) for server in self._servers.all)
        )
        return any(isinstance(one, bytes) for one in heard)

    def _names(self) -> str:
        return ", ".join(server.url for server in self._servers.all)


def _wait_s(tries: int) -> float:
    """Grows with each try, and differs between those who wait, so that they do not all come back at once."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** max(0, tries - 1)) * (0.5 + _jitter(1.0))


def _jitter(most: float) -> float:
    return random.random() * most  # noqa: S311 - nothing secret about it

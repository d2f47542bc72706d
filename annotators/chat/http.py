"""HTTP requests, and many coroutines at once behind an iterator: an event loop in its own thread."""

from __future__ import annotations

import asyncio
import json
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = "soundseam"
CONNECT_S = 10.0
MIN_KEY_CHARACTERS = 6
"""A shorter key is not a secret, such as `none` for a server that accepts any key, and may occur in an answer."""
NO_ANSWER = "no_answer"
MAX_BYTES = 4 * 2**20
"""Maximum size of an answer."""
DETAIL_CHARACTERS = 500
KEEP_ALIVE_S = 4.0
"""Less than the 5 s after which vLLM closes an idle connection."""

Body = tuple[bytes, str]
"""A request's body and its content type."""


class Fault(Enum):
    """The cause of a failed request."""

    QUESTION = "the server works and refuses this question"
    SERVER = "the server is away or busy"
    SET_UP = "the server does not know us, or not the model, or is none"
    UNKNOWN = "the server may have failed over this question, or over anything else"


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer. `reason` is a code, `detail` is for a person."""

    fault: Fault
    reason: str
    detail: str
    retry_after_s: float = 0.0


_BUSY = frozenset({429, 503})
_SET_UP = frozenset({401, 402, 403, 404, 405, 407, 410, 501})
_AGAIN = frozenset({408, 409, 425})


class Attempts:
    """Makes requests over a pool of open connections; to be used on one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: Body, key: str) -> bytes | Failure:
        """The answer's body, or why there is none."""
        content, content_type = body
        return await self._request("POST", url, key, self._timeout_s, content, content_type)

    async def get(self, url: str, key: str, timeout_s: float) -> bytes | Failure:
        return await self._request("GET", url, key, timeout_s)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _request(
        self, method: str, url: str, key: str, timeout_s: float, content: bytes | None = None, content_type: str = ""
    ) -> bytes | Failure:
        import aiohttp

        # A compressed answer could unpack to any size.
        headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        headers |= {"Content-Type": content_type} if content_type else {}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
        sending = {"data": content, "headers": headers, "timeout": timeout, "proxy": proxy_of(url)}
        try:
            async with self._open().request(method, url, allow_redirects=False, **sending) as response:
                return await _read(response, key)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Failure(Fault.SERVER, "server_away", f"{url}: {_described(error, key)}")
        except TimeoutError:
            return Failure(Fault.UNKNOWN, "timed_out", f"{url}: no answer in {timeout_s:g} s")
        except aiohttp.ClientError as error:
            return Failure(Fault.UNKNOWN, "connection_lost", f"{url}: {_described(error, key)}")

    def _open(self) -> aiohttp.ClientSession:
        """The session, which must be created on the loop that uses it."""
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session


@lru_cache(maxsize=1024)
def proxy_of(url: str) -> str | None:
    """The proxy from the environment for `url`, read once per URL.

    aiohttp would look for it, and for passwords in ~/.netrc, in its own threads at every request.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def _read(response: aiohttp.ClientResponse, key: str) -> bytes | Failure:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BYTES:
            detail = f"over {MAX_BYTES} bytes, beginning with {without_key(b''.join(parts), key)[:200]!r}"
            return Failure(Fault.QUESTION, "endless_answer", detail)
        parts.append(part)
    body = without_key(b"".join(parts), key)
    if (packed := response.headers.get("Content-Encoding", "identity")) != "identity":
        detail = f"compressed as {packed[:20]!r}, which was not asked for: switch that off in the server or its proxy"
        return Failure(Fault.UNKNOWN, NO_ANSWER, f"HTTP {response.status}, {detail}")
    if 200 <= response.status < 300:
        return body
    detail = body.decode(errors="replace")[:DETAIL_CHARACTERS]
    return failure_of(response.status, f"HTTP {response.status}: {detail}", response.headers.get("Retry-After", ""))


def without_key(body: bytes, key: str) -> bytes:
    """`body` without the API key of its request: some servers send a request's headers back."""
    if len(key) < MIN_KEY_CHARACTERS:
        return body
    for written in {key, json.dumps(key)[1:-1], json.dumps(key)[1:-1].replace("/", "\\/")}:
        body = body.replace(written.encode(), b"[key]")
    return body


def no_answer(body: bytes, holds: str) -> Failure | None:
    """The failure if the body of a successful response is not a JSON object with an answer in `holds`; else None.

    Some servers, and proxies before them, report errors in the body of a successful response.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and not answer.get("error") and _is_answer(answer.get(holds)):
        return None
    detail = f"success without an answer: {body[:DETAIL_CHARACTERS].decode(errors='replace')}"
    nested = answer.get("error") if isinstance(answer, dict) else None
    codes = [source.get("code") for source in (answer, nested) if isinstance(source, dict)]
    return Failure(Fault.SERVER if _BUSY.intersection(filter(_is_int, codes)) else Fault.UNKNOWN, NO_ANSWER, detail)


def _is_answer(value: object) -> bool:
    """Whether `value` is a text, or a list that begins with a choice that holds a message and no error."""
    if not isinstance(value, list):
        return isinstance(value, str)
    first = value[0] if value else None
    if not isinstance(first, dict) or first.get("error") or first.get("finish_reason") == "error":
        return False
    return isinstance(first.get("message"), dict)


def _is_int(value: object) -> bool:
    return isinstance(value, int)


def failure_of(status: int, detail: str, retry_after: str = "") -> Failure:
    """The failure for an unsuccessful status; `retry_after` is the header of that name."""
    if status in _BUSY:
        return Failure(Fault.SERVER, "server_busy", detail, retry_after_s(retry_after))
    if status in _SET_UP or 300 <= status < 400:
        return Failure(Fault.SET_UP, "not_served", detail)
    if status in _AGAIN or status >= 500:
        return Failure(Fault.UNKNOWN, "server_error", detail)
    return Failure(Fault.QUESTION, "refused_by_server", detail)


def retry_after_s(value: str) -> float:
    """The seconds that a Retry-After header asks for, given as such or as a date; 0 if it is neither."""
    try:
        return max(0.0, float(value)) if float(value) < float("inf") else 0.0
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (then - datetime.now(UTC)).total_seconds()) if then.tzinfo else 0.0


def _described(error: Exception, key: str) -> str:
    """An error of a connection, which may quote what the server sent."""
    text = f"{type(error).__name__} {error}".strip()[:DETAIL_CHARACTERS]
    return without_key(text.encode(errors="replace"), key).decode()


ContextT = TypeVar("ContextT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

AHEAD = 0.25
"""This share of the requests in flight is prepared in advance, so that none has to wait for reading a file."""
MAX_WAITING = 8
"""Maximum number of finished requests that wait for a slow one before them, in multiples of those in flight."""
LOOK_AGAIN_S = 5.0


class LoopThread:
    """An event loop that runs until it is stopped, or until this object is garbage-collected."""

    def __init__(self, at_end: Callable[[], Awaitable[None]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop, at_end), name="chat-client", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    def submit(self, coroutine: Coroutine[Any, Any, ResultT]) -> Future[ResultT]:
        if not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError("the client has been closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        self._end()
        self._thread.join()


def _run(loop: asyncio.AbstractEventLoop, at_end: Callable[[], Awaitable[None]]) -> None:
    async def end() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await at_end()

    try:
        loop.run_forever()
        loop.run_until_complete(end())
    finally:
        loop.close()


class Flow(Generic[ContextT, ResultT]):
    """One stream of groups through an event loop: draws them as fast as they are answered, and keeps their order.

    A group comes with a context, which comes back with its result: so no caller has to remember what it asked.
    """

    def __init__(self, thread: LoopThread, in_flight: int) -> None:
        self._thread = thread
        self._max_unanswered = in_flight + max(1, round(AHEAD * in_flight))
        self._max_waiting = MAX_WAITING * in_flight
        self._pending: deque[tuple[ContextT, Future[ResultT]]] = deque()
        self._unanswered = 0
        self._lock = threading.Lock()
        self._moved = threading.Event()

    def run(
        self,
        groups: Iterable[tuple[ContextT, Sequence[ItemT]]],
        answer: Callable[[Sequence[ItemT]], Coroutine[Any, Any, ResultT]],
    ) -> Generator[tuple[ContextT, ResultT], None, None]:
        """Each context with the result of `answer` for its group, in order. Closing it cancels what is not answered."""
        source = iter(groups)
        drained = False
        try:
            while self._pending or not drained:
                self._moved.clear()
                if self._pending and self._pending[0][1].done():
                    context, future = self._pending.popleft()
                    yield context, future.result()
                elif not drained and self._has_room():
                    pair = next(source, None)
                    if pair is None:
                        drained = True
                    else:
                        context, group = pair
                        self._add(context, self._thread.submit(answer(group)), len(group))
                else:
                    self._moved.wait(LOOK_AGAIN_S)
        finally:
            for _, future in self._pending:
                future.cancel()

    def _has_room(self) -> bool:
        with self._lock:
            return self._unanswered < self._max_unanswered and len(self._pending) < self._max_waiting

    def _add(self, context: ContextT, future: Future[ResultT], questions: int) -> None:
        with self._lock:
            self._unanswered += questions
        self._pending.append((context, future))

        def done(_: Future[ResultT]) -> None:
            with self._lock:
                self._unanswered -= questions
            self._moved.set()

        future.add_done_callback(done)

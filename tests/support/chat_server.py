"""A server in the same process whose model answers what a test knows beforehand, and which fails as the test wants."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any, Protocol

Json = dict[str, Any]
WAITING = 512


@dataclass(frozen=True)
class Asked:
    """One request as a model sees it."""

    text: str
    audio: tuple[bytes, ...]
    system: str = ""
    choices: tuple[str, ...] = ()
    """The only answers that may be given; for JSON dialects the whole JSON texts."""
    json_schema: Json | None = None
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 512
    language: str = ""
    transcribe: bool = False


@dataclass(frozen=True)
class Token:
    """A token of an answer with its log-probability, and the most probable others for its place."""

    text: str
    logprob: float
    top: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Told:
    """What a model answers."""

    tokens: Sequence[Token]
    reasoning: str | None = None
    finish_reason: str = "stop"
    prompt_tokens: int = 100
    cached_tokens: int = 0

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)


class ServedModel(Protocol):
    def answer(self, asked: Asked) -> Told: ...


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of, or before, its answer."""

    status: int = 0
    """Answers with this status; 0 leaves it at 200."""
    body: bytes | None = None
    """Sent in place of the answer."""
    stall_s: float = 0.0
    drop: bool = False
    """Closes the connection without a word."""
    half: bool = False
    """Closes it in the middle of the answer."""
    headers: Mapping[str, str] = field(default_factory=dict)


Faults = Callable[[int, Asked], Fault | None]
"""(number of the request, from 0; the request) → what goes wrong with it, if anything."""


@dataclass
class Received:
    """A request as it came, for tests to look at."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        content: Json = json.loads(self.body)
        return content


class ChatServer:
    """Runs in a thread of its own while it is entered; may be stopped and started again on the same port."""

    def __init__(
        self,
        model: ServedModel,
        faults: Faults = lambda number, asked: None,
        latency_s: float = 0.0,
        reasoning_field: str = "reasoning",
        names: Sequence[str] = ("tiny",),
    ) -> None:
        self.model, self.faults, self.latency_s = model, faults, latency_s
        self.reasoning_field, self.names = reasoning_field, names
        self.received: list[Received] = []
        self.keep_requests = True
        self.count = 0
        self.in_flight = self.max_in_flight = 0
        self.port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ChatServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        up = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(up,), daemon=True)
        self._thread.start()
        assert up.wait(10), "the server did not start"

    def stop(self) -> None:
        """Closes the port and every connection at once, as a killed process would."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._thread = None

    def _run(self, up: threading.Event) -> None:
        loop = self._loop = asyncio.new_event_loop()

        async def begin() -> asyncio.Server:
            server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=WAITING)
            self.port = server.sockets[0].getsockname()[1]
            return server

        async def end() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        server = loop.run_until_complete(begin())
        up.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(end())
        loop.close()
        self.in_flight = 0

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await _read_request(reader)) is not None:
                self.in_flight += 1
                self.max_in_flight = max(self.max_in_flight, self.in_flight)
                try:
                    if not await self._respond(received, writer):
                        return
                finally:
                    self.in_flight -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other end is gone, or the server is being stopped
        finally:
            writer.close()

    async def _respond(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        if received.path == "/v1/models":
            await _send(writer, 200, json.dumps({"data": [{"id": name} for name in self.names]}).encode())
            return True
        if received.path == "/health":
            await _send(writer, 200, b"")
            return True
        if received.path not in {"/v1/chat/completions", "/v1/audio/transcriptions"}:
            await _send(writer, 404, b'{"detail": "Not Found"}')
            return True
        if self.keep_requests:
            self.received.append(received)
        number, self.count = self.count, self.count + 1
        try:
            asked = read_chat(received.json) if received.path.endswith("/chat/completions") else read_form(received)
        except (KeyError, ValueError, TypeError) as error:
            await _send(writer, 400, json.dumps({"error": {"message": f"bad request: {error!r}"}}).encode())
            return True
        fault = self.faults(number, asked) or Fault()
        await asyncio.sleep(self.latency_s + fault.stall_s)
        if fault.drop:
            return False
        body = fault.body if fault.body is not None else self._answer(asked, fault)
        await _send(writer, fault.status or 200, body, fault.headers, half=fault.half)
        return not fault.half

    def _answer(self, asked: Asked, fault: Fault) -> bytes:
        if fault.status:
            return json.dumps({"error": {"message": "as told", "code": fault.status}}).encode()
        told = self.model.answer(asked)
        if asked.transcribe:
            return json.dumps({"text": told.text}).encode()
        return json.dumps(chat_answer(told, self.reasoning_field)).encode()


def chat_answer(told: Told, reasoning_field: str = "reasoning") -> Json:
    """A chat completion."""
    logprobs = [
        {
            "token": token.text,
            "logprob": token.logprob,
            "bytes": list(token.text.encode()),
            "top_logprobs": [
                {"token": text, "logprob": logprob, "bytes": list(text.encode())} for text, logprob in token.top
            ],
        }
        for token in told.tokens
    ]
    message = {"role": "assistant", "content": told.text, reasoning_field: told.reasoning}
    return {
        "id": "chat",
        "object": "chat.completion",
        "created": int(time.time()),
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": {"content": logprobs},
                "finish_reason": told.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": told.prompt_tokens,
            "completion_tokens": len(told.tokens),
            "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        },
    }


def read_chat(request: Json) -> Asked:
    """A chat request in whichever dialect. Raises ValueError, KeyError or TypeError for what is none."""
    words: list[str] = []
    audio: list[bytes] = []
    system = ""
    for message in request["messages"]:
        if message["role"] == "system":
            system = message["content"]
            continue
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                words.append(part["text"])
                continue
            if words:
                raise ValueError("sound after words")
            data = part["input_audio"]["data"] if part["type"] == "input_audio" else part["audio_url"]["url"]
            audio.append(base64.b64decode(data.rpartition(",")[2], validate=True))
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema")
    choices = request.get("structured_outputs", {}).get("choice") or request.get("guided_choice") or ()
    if "regex" in request:
        choices = [choice.strip("()").replace("\\", "") for choice in request["regex"].split("|")]
    if schema and (enum := schema.get("properties", {}).get("answer", {}).get("enum")):
        choices, schema = [json.dumps({"answer": choice}) for choice in enum], None
    return Asked(
        text="\n".join(words),
        audio=tuple(audio),
        system=system,
        choices=tuple(choices),
        json_schema=schema,
        temperature=float(request.get("temperature", 1.0)),
        seed=int(request.get("seed", 0)),
        max_tokens=int(request.get("max_tokens", 512)),
    )


def read_form(received: Received) -> Asked:
    """A multipart form for /audio/transcriptions."""
    head = f"Content-Type: {received.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + received.body)
    fields = {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.get_payload()
    }  # type: ignore[union-attr]
    return Asked(
        text=fields.get("prompt", b"").decode(),
        audio=(fields["file"],),
        temperature=float(fields["temperature"]),
        language=fields.get("language", b"").decode(),
        transcribe=True,
    )


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(first.split(" ")[1], headers, body)


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    lines = [f"HTTP/1.1 {status} Told", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + (body[: len(body) // 2] if half else body))
    await writer.drain()

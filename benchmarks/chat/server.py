"""A server that answers after a fixed time and does next to nothing else, in a process of its own.

It counts how many requests it has at once, which is what a GPU behind it would have to work on together.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import NamedTuple
from urllib.request import urlopen

ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "A dog barks twice."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 6},
}


class InFlight(NamedTuple):
    """Requests that a server had at once, since it was last asked."""

    mean: float
    most: int
    requests: int


class _Meter:
    def __init__(self) -> None:
        self.now = 0
        self.reset()

    def reset(self) -> None:
        self.begun_s = self.last_s = time.monotonic()
        self.area, self.most, self.count = 0.0, self.now, 0

    def move(self, step: int) -> None:
        moment = time.monotonic()
        self.area += self.now * (moment - self.last_s)
        self.last_s = moment
        self.now += step
        self.most = max(self.most, self.now)
        self.count += step > 0

    def read(self) -> InFlight:
        self.move(0)
        found = InFlight(self.area / max(1e-9, self.last_s - self.begun_s), self.most, self.count)
        self.reset()
        return found


@contextmanager
def answering_server(latency_s: float) -> Iterator[str]:
    """The address of a server that answers every request after `latency_s`."""
    spawn = multiprocessing.get_context("spawn")
    ports: Queue[int] = spawn.Queue()
    process = spawn.Process(target=_serve, args=(latency_s, ports), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=60)}/v1"
    finally:
        process.kill()
        process.join()


def read_in_flight(url: str) -> InFlight:
    """What the server has counted; it begins anew."""
    with urlopen(f"{url}/in-flight") as response:
        return InFlight(*json.load(response))


def _serve(latency_s: float, ports: Queue[int]) -> None:
    meter = _Meter()
    content = json.dumps(ANSWER).encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    _respond(writer, json.dumps(meter.read()).encode())
                    continue
                meter.move(1)
                try:
                    await reader.readexactly(_length(head))
                    await asyncio.sleep(latency_s)
                finally:
                    meter.move(-1)
                _respond(writer, content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024, limit=2**20)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _length(head: bytes) -> int:
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])


def _respond(writer: asyncio.StreamWriter, content: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)

"""A server in a separate process: started, watched until it is healthy, and stopped; and requests to it."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import wave
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from soundseam.annotators.base import Samples
from soundseam.annotators.flac import to_pcm16
from soundseam.pipeline.config import SetupError

RATE_HZ = 16_000
FULL_SCALE = 32_768


def probe_clip(duration_ms: int) -> NDArray[np.int16]:
    """16 kHz mono: a voice-like tone in syllables, a whistle that rises for 5 s and starts again, bells, and noise.

    Everything changes all the time, so that no two stretches that a server encodes are equal.
    """
    seconds = np.arange(RATE_HZ * duration_ms // 1000) / RATE_HZ
    pitch = 2 * np.pi * (140 * seconds - 8 * np.cos(2 * np.pi * 0.7 * seconds))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * seconds + np.sin(seconds))
    voice = syllables * sum(np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 13))
    climbing = seconds % 5.0
    whistle = np.sin(2 * np.pi * (400 * climbing + 260 * climbing**2))
    ringing = seconds % 1.3
    bell = np.exp(-4 * ringing) * np.sin(2 * np.pi * 1870 * ringing)
    noise = np.random.default_rng(20_260).integers(-1000, 1001, len(seconds)) / 1000 * (0.5 + 0.5 * np.sin(seconds))
    mix = 0.2 * voice + 0.15 * whistle + 0.2 * bell + 0.05 * noise
    return to_pcm16(mix * 0.8)


def decoded_samples(clip: NDArray[np.int16]) -> Samples:
    """The samples that a server decodes from the clip's file: float32 in [-1, 1)."""
    samples: Samples = clip.astype(np.float32) / np.float32(FULL_SCALE)
    return samples


SYSTEM = "You are a helpful assistant."
QUESTION = "Describe this audio."
TIMEOUT_S = 600.0
"""Timeout of one request: a server that has just started may compile first."""
MAX_BYTES = 64 * 2**20
SHOWN_CHARACTERS = 300

Shape = TypeVar("Shape", bound=BaseModel)


class _TokenLogprob(BaseModel):
    logprob: float = Field(le=1e-3)


class _Completion(BaseModel):
    prompt_token_ids: list[Annotated[int, Field(ge=0)]] | None = None
    prompt_logprobs: list[dict[str, _TokenLogprob] | None] | None = None


class _Named(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Named]


@dataclass(frozen=True, eq=False)
class ScoredPrompt:
    token_ids: list[int]
    log_probabilities: NDArray[np.float64]
    """(num_token_ids - 1,): natural logarithms, of each token except the first."""


def api_root(url: str) -> str:
    """`url` with /v1 at its end. Raises SetupError if it is not an address."""
    if not url.startswith(("http://", "https://")):
        raise SetupError(f"{url} is not the address of a server: write it as http://localhost:8000")
    return url.rstrip("/").removesuffix("/v1") + "/v1"


def served_model(root: str) -> str:
    """The name of the server's first model."""
    models = _read(_Models, _request(f"{root}/models"), root).data
    if not models:
        raise SetupError(f"{root} serves no model: start one with soundseam serve start MODEL")
    return models[0].id


def score_prompt(root: str, model: str, clip: NDArray[np.int16]) -> ScoredPrompt:
    """The scored prompt of one question about 16 kHz mono `clip`; raises like `score_messages`."""
    audio = {"data": base64.b64encode(_wav(clip)).decode(), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": QUESTION}]
    return score_messages(root, model, [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}])


def score_messages(root: str, model: str, messages: Sequence[Mapping[str, object]]) -> ScoredPrompt:
    """The server's prompt for `messages`, with log-probabilities.

    Raises SetupError if it does not answer, or does not support `prompt_logprobs` and `return_token_ids` like vLLM 0.10
    and later.
    """
    body = {
        "model": model,
        "messages": messages,
        "max_tokens": 1,
        "temperature": 0,
        "prompt_logprobs": 0,
        "return_token_ids": True,
    }
    answer = _read(_Completion, _request(f"{root}/chat/completions", json.dumps(body).encode()), root)
    ids, logprobs = answer.prompt_token_ids, answer.prompt_logprobs
    if not ids or not logprobs or len(ids) != len(logprobs):
        raise SetupError(f"{root} does not return log-probabilities of its prompt: only a vLLM server can be checked")
    scores = []
    for token, row in zip(ids[1:], logprobs[1:], strict=True):
        if row is None or str(token) not in row:
            raise SetupError(
                f"{root} does not return a log-probability of token {token} of its own prompt: is it a vLLM server?"
            )
        scores.append(row[str(token)].logprob)
    return ScoredPrompt(ids, np.array(scores))


def _wav(clip: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(clip.astype("<i2").tobytes())
    return file.getvalue()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Does not follow redirects: the key must not be sent to another server."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def _request(url: str, body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - api_root lets http and https through alone
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as response:
            answer: bytes = response.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(SHOWN_CHARACTERS).decode(errors="replace").split())
        key_hint = "; is its key in OPENAI_API_KEY?" if error.code in (401, 403) else ""
        raise SetupError(f"{url} answers with status {error.code}{key_hint}: {said}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SetupError(f"{url} cannot be reached ({reason}): is the server up?") from error
    if len(answer) > MAX_BYTES:
        raise SetupError(f"{url} answers with over {MAX_BYTES >> 20} MiB: is it a vLLM server?")
    return answer


def _read(shape: type[Shape], body: bytes, root: str) -> Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        shown = " ".join(body[:SHOWN_CHARACTERS].decode(errors="replace").split())
        raise SetupError(f"{root} does not answer as OpenAI's interfaces do: {shown}") from error


LAST_LINES = 20
"""Lines of the server's log shown on failure."""
PAUSE_S = 1.0
END_S = 30.0
"""Time for a server to stop by itself, before it is killed."""


class ServerFailedError(SetupError):
    """The server exited, or did not become healthy. `lines` are its last output."""

    def __init__(self, message: str, lines: Sequence[str]) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


def check_free(host: str, port: int) -> None:
    """Raises SetupError if the port is in use, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise SetupError(f"cannot serve at {host}:{port} ({error.strerror}): choose another --port") from error


class Server:
    """A running server and the log that it writes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def wait_until_healthy(self, root: str, timeout_s: float, progress: Callable[[float, str], None]) -> None:
        """`progress` is called with the seconds so far and the log's last line. Raises ServerFailedError."""
        began_s = time.monotonic()
        while not _is_healthy(root):
            passed_s = time.monotonic() - began_s
            if self._process.poll() is not None:
                raise self._failure(f"the server ended with status {self._process.returncode} before it was healthy")
            if passed_s > timeout_s:
                raise self._failure(f"the server is not healthy after {timeout_s:.0f} s (--timeout)")
            progress(passed_s, (self.last_lines(1) or [""])[0])
            time.sleep(PAUSE_S)

    def wait(self) -> None:
        """Waits until the server exits, which is unexpected. Then raises ServerFailedError."""
        status = self._process.wait()
        raise self._failure(f"the server ended with status {status}")

    def end(self) -> None:
        """Asks the server to stop, and kills the rest of it and of its processes."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_lines(self, count: int) -> list[str]:
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip() for line in deque((line for line in lines if line.strip()), maxlen=count)]

    def _failure(self, message: str) -> ServerFailedError:
        return ServerFailedError(f"{message}; all that it wrote is in {self._log}", self.last_lines(LAST_LINES))


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """The server started by `command`, stopped at the end of the block. `environment` is added to this process's."""
    with log.open("wb") as output:
        # A separate session, so that Ctrl-C only reaches this process, which then stops the server in order.
        process = subprocess.Popen(  # noqa: S603 - what the user asked to be run
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    server = Server(process, log)
    try:
        yield server
    finally:
        server.end()


def _is_healthy(root: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root}/health", timeout=5) as answer:  # noqa: S310 - an address of our own
            return bool(answer.status == 200)
    except OSError:
        return False

"""What a server says of a prompt: which tokens it made of it, and how likely it found each."""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.error
import urllib.request
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from pipeline.errors import SetupError
from pipeline.serving.probe import RATE_HZ

SYSTEM = "You are a helpful assistant."
QUESTION = "Describe this audio."
TIMEOUT_S = 600.0
"""For one request: a server that has just started may compile first."""
MOST_BYTES = 64 * 2**20
SHOWN_CHARACTERS = 300

Shape = TypeVar("Shape", bound=BaseModel)


class _Told(BaseModel):
    logprob: float = Field(le=1e-3)


class _Completion(BaseModel):
    prompt_token_ids: list[Annotated[int, Field(ge=0)]] | None = None
    prompt_logprobs: list[dict[str, _Told] | None] | None = None


class _Named(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Named]


@dataclass(frozen=True, eq=False)
class ScoredPrompt:
    token_ids: list[int]
    log_probabilities: NDArray[np.float64]
    """(num_token_ids - 1,): natural logarithms, of each token but the first."""


def api_root(url: str) -> str:
    """`url` with /v1 at its end, whether it was there or not. Raises SetupError where it is no address."""
    if not url.startswith(("http://", "https://")):
        raise SetupError(f"{url} is no address of a server: write it as http://localhost:8000")
    return url.rstrip("/").removesuffix("/v1") + "/v1"


def served_model(root: str) -> str:
    """The name under which the server has its first model."""
    models = _read(_Models, _request(f"{root}/models"), root).data
    if not models:
        raise SetupError(f"{root} serves no model: start one with soundseam serve MODEL")
    return models[0].id


def score_prompt(root: str, model: str, clip: NDArray[np.int16]) -> ScoredPrompt:
    """The prompt of one question about 16 kHz mono `clip`, as the server reads it; fails as `score_messages` does."""
    audio = {"data": base64.b64encode(_wav(clip)).decode(), "format": "wav"}
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": QUESTION}]
    return score_messages(root, model, [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}])


def score_messages(root: str, model: str, messages: Sequence[Mapping[str, object]]) -> ScoredPrompt:
    """The prompt that the server makes of `messages`.

    Raises SetupError where it does not answer, or not with what vLLM 0.10 and later answer to `prompt_logprobs` and
    `return_token_ids`.
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
    ids, told = answer.prompt_token_ids, answer.prompt_logprobs
    if not ids or not told or len(ids) != len(told):
        raise SetupError(
            f"{root} tells no log-probabilities of its prompt, as vLLM does: only a vLLM server can be checked"
        )
    scores = []
    for token, row in zip(ids[1:], told[1:], strict=True):
        if row is None or str(token) not in row:
            raise SetupError(
                f"{root} tells no log-probability of token {token} of its own prompt: is it a vLLM server?"
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


def _request(url: str, body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - api_root lets http and https through alone
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            answer: bytes = response.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(SHOWN_CHARACTERS).decode(errors="replace").split())
        key_hint = "; is its key in OPENAI_API_KEY?" if error.code in (401, 403) else ""
        raise SetupError(f"{url} answers with status {error.code}{key_hint}: {said}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SetupError(f"{url} cannot be reached ({reason}): is the server up?") from error
    if len(answer) > MOST_BYTES:
        raise SetupError(f"{url} answers with over {MOST_BYTES >> 20} MiB: is it a vLLM server?")
    return answer


def _read(shape: type[Shape], body: bytes, root: str) -> Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        shown = " ".join(body[:SHOWN_CHARACTERS].decode(errors="replace").split())
        raise SetupError(f"{root} does not answer as OpenAI's interfaces do: {shown}") from error

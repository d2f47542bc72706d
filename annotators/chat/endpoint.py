"""Where a model is served, and how to call its servers."""

from __future__ import annotations

import contextlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, ValidationError

from soundseam.annotators.base import BackendUnavailableError
from soundseam.schemas.record import Record

REMEDY = "pip install 'soundseam[served]'"
ServerUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@?#]+$", max_length=500)]
Dialect = Literal["vllm", "guided", "sglang", "openai", "plain"]


class Endpoint(Record):
    """One model on one or several servers with OpenAI's interfaces. Only the model and its revision enter keys."""

    not_in_key: ClassVar[frozenset[str]] = frozenset(
        {"urls", "api_key_variable", "in_flight", "timeout_s", "attempts", "outage_s", "dialect"}
    )

    urls: tuple[ServerUrl, ...] = Field(default=("http://localhost:8000/v1",), min_length=1, max_length=256)
    """Addresses of the servers, without key or query; each question goes to the server with the fewest open
    requests.
    """
    model: str = Field(default="", max_length=500)
    """The model's name on the servers; needed."""
    revision: str = Field(default="unknown", max_length=200)
    """The version of the weights on the servers, for your own bookkeeping: rows are rebuilt when you change it."""
    api_key_variable: str = Field(default="OPENAI_API_KEY", max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with the API key; if it is not set, no key is sent."""
    in_flight: int = Field(default=128, ge=1, le=4096)
    """Maximum number of concurrent requests per worker."""
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """Timeout of one request, from its first byte to its last."""
    attempts: int = Field(default=4, ge=1, le=10)
    """Attempts per question, with increasing waits between, if the question itself may be the cause of the failure."""
    outage_s: float = Field(default=240.0, gt=0, le=86_400)
    """How long all servers may be unreachable, for example while starting, before the run ends; nothing is rejected."""
    dialect: Dialect = "vllm"
    """How a choice of answers is sent: structured_outputs of vLLM, guided_choice of its older versions, regex of
    SGLang, a JSON schema as for OpenAI, or only in the question's words (plain). Audio is sent as FLAC to the first
    two, in a data: address to SGLang, and as WAV to the others."""

    def check_model(self, backend: str) -> None:
        """Raises BackendUnavailableError, on behalf of `backend`, if no model is set."""
        if not self.model:
            raise BackendUnavailableError(
                f"{backend} needs server.model: set it to the model's name on the servers at server.urls"
            )


def endpoints_in(node: object, path: str = "") -> dict[str, Endpoint]:
    """The places in a configuration's YAML, or in its part at `path`, that describe servers, as `--set` names them."""
    if isinstance(node, dict) and "model" in node and "kind" not in node:
        with contextlib.suppress(ValidationError):
            return {path: Endpoint.model_validate(node)}
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return {
        name: endpoint
        for key, part in parts
        for name, endpoint in endpoints_in(part, f"{path}.{key}".removeprefix(".")).items()
    }

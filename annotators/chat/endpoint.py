"""Where a model is served, and how its servers are asked."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

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
    """Where the servers answer, without key or query; questions go to whichever has the fewest to answer."""
    model: str = Field(default="", max_length=500)
    """The model's name on the servers; needed."""
    revision: str = Field(default="unknown", max_length=200)
    """Which weights the servers have, as you know it: rows are made again when you change it."""
    api_key_variable: str = Field(default="OPENAI_API_KEY", max_length=200)
    """Environment variable with the key; none is sent where it is not set."""
    in_flight: int = Field(default=128, ge=1, le=4096)
    """Requests under way at once from one worker."""
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """For one request, from its first byte to its last."""
    attempts: int = Field(default=4, ge=1, le=10)
    """For one question, with growing waits between, where it may be the question that fails."""
    outage_s: float = Field(default=240.0, gt=0, le=86_400)
    """So long all servers may be away, as while they start, before the run ends; nothing is rejected for it."""
    dialect: Dialect = "vllm"
    """How the servers are told of the possible answers: structured_outputs of vLLM, guided_choice of its older
    versions, regex of SGLang, a JSON schema as OpenAI takes it, or by the question's words alone (plain). Sound goes as
    FLAC to the first two, by a data: address to SGLang, and as WAV to the others."""

    def check_model(self, backend: str) -> None:
        """Raises BackendUnavailableError, in the name of `backend`, where no model is named."""
        if not self.model:
            raise BackendUnavailableError(
                f"{backend} needs server.model: set it to the model's name on the servers at server.urls"
            )

"""How captions are written and verified, as one record."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Self

from pydantic import Field, model_validator

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.chat.endpoint import REMEDY, Endpoint
from soundseam.annotators.chat.questions import Sampling
from soundseam.annotators.clap import CaptionClap
from soundseam.annotators.grammar.engine import GRAMMAR
from soundseam.pipeline.captions.prompts import VERIFIER_PROMPTS, WRITER_PROMPTS, CaptionLanguage, prompts_key
from soundseam.schemas.record import Record, content_key, key_content


class WriterConfig(Record):
    """A language model that writes captions from the plan and the evidence, without hearing the audio."""

    server: Endpoint = Endpoint()
    sampling: Sampling = Field(default=Sampling(max_tokens=1024), description="how its answers are drawn")


class VerifierConfig(Record):
    """A model that hears the audio and is asked of every claim whether it is true."""

    server: Endpoint = Endpoint()
    confirm: float = Field(default=0.75, gt=0.5, lt=1.0, description="a claim at least this probable is confirmed")
    drop: float = Field(
        default=0.25, gt=0.0, lt=0.5, description="one at most this probable is dropped; between them it is unsure"
    )
    disagreement: float = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="where the two phrasings of a question are further apart than this, the claim is unsure",
    )
    silence_share: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        description="share of the segments whose confirmed claims are also asked with silence in place of the audio",
    )
    believed: float = Field(
        default=0.75,
        gt=0.5,
        le=1.0,
        description="a claim that is at least this probable in silence counts as unverified: it is unsure",
    )
    seed: int = Field(default=0, description="another seed asks about other segments in silence")


class CaptionConfig(Record):
    """How captions are written."""

    composer: Literal["grammar", "writer", "captioner"] = Field(
        default="grammar",
        description="what writes the caption: rules, the language model `writer`, or a backend that hears the audio",
    )
    language: CaptionLanguage = Field(default="en", description="of captions that `writer` writes; rules know English")
    sentences: int = Field(default=5, ge=1, le=12, description="most sentences of a caption")
    captioner: str = Field(
        default="", description="the backend whose claims are taken over by the composer captioner, by its name"
    )
    writer: WriterConfig | None = Field(default=None, description="for the composer writer")
    verifier: VerifierConfig | None = Field(default=None, description="null leaves claims unverified")
    clap: CaptionClap | None = Field(default=None, description="keeps how near each caption lies to the sound")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.composer == "writer" and self.writer is None:
            raise ValueError("the composer writer needs captions.writer.server.model: name the model and its server")
        if self.composer == "captioner" and not self.captioner:
            raise ValueError("the composer captioner needs captions.captioner: name the backend whose claims it takes")
        if self.composer == "grammar" and self.language != "en":
            raise ValueError("the composer grammar writes English: set captions.language=en, or another composer")
        return self

    def check_available(self) -> None:
        """Raises BackendUnavailableError, with the remedy, where what captions need cannot be asked from here."""
        servers = {"captions.verifier": self.verifier, "captions.writer": self.writer}
        for name, asked in servers.items():
            if asked is not None and (name != "captions.writer" or self.composer == "writer"):
                asked.server.check_model(name)
                if find_spec("aiohttp") is None:
                    raise BackendUnavailableError(f"{name} needs aiohttp: {REMEDY}")
        if self.clap is not None:
            self.clap.check_available()

    @property
    def hears_audio(self) -> bool:
        """Whether whoever writes or holds captions needs the segments' sound."""
        return self.verifier is not None or self.clap is not None

    @property
    def composer_name(self) -> str:
        """What rows say of who wrote them; claims that no rule derives bear it as their rule."""
        if self.composer == "writer" and self.writer is not None:
            return f"{self.writer.server.model}@{self.writer.server.revision}"
        return self.captioner if self.composer == "captioner" else GRAMMAR

    @property
    def key(self) -> str:
        """Changes with all that captions depend on: models and prompts, never where models are served."""
        prompts = [prompts_key(WRITER_PROMPTS, self.language)] if self.composer == "writer" else []
        prompts += [prompts_key(VERIFIER_PROMPTS, self.language)] if self.verifier is not None else []
        prompts += [self.clap.config_key] if self.clap is not None else []
        unused = {"writer": None} if self.composer != "writer" else {}
        return content_key([key_content(self.model_copy(update=unused)), prompts])

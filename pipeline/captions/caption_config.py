"""The options for writing and verifying captions, as one record."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.chat.endpoint import REMEDY, Endpoint
from soundseam.annotators.chat.questions import QuestionKind, Sampling
from soundseam.annotators.clap import CaptionClap
from soundseam.annotators.grammar.engine import GRAMMAR
from soundseam.annotators.prompts import CAPTIONS
from soundseam.schemas.record import Record, content_key, key_content

CaptionLanguage = Literal["en", "zh"]
WRITER_PROMPTS = ("write", "repair")
VERIFIER_PROMPTS = ("affirm", "deny")


class WriterConfig(Record):
    """A language model that writes captions from the plan and the evidence, without the audio."""

    server: Endpoint = Endpoint()
    sampling: Sampling = Field(default=Sampling(max_tokens=1024), description="how its answers are sampled")
    grammar_if_refused: bool = Field(
        default=False,
        description="a segment whose written caption is refused gets the grammar's, else none",
    )

    asks: ClassVar[tuple[QuestionKind, ...]] = (QuestionKind(answer="schema"),)


class VerifierConfig(Record):
    """A model that gets the audio and is asked whether each claim is true."""

    server: Endpoint = Endpoint()
    confirm: float = Field(
        default=0.75, gt=0.5, lt=1.0, description="a claim with at least this probability is confirmed"
    )
    drop: float = Field(
        default=0.25,
        gt=0.0,
        lt=0.5,
        description="a claim with at most this probability is dropped; between the two it is unsure",
    )
    disagreement: float = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="if the answers to the two phrasings differ by more than this, the claim is unsure",
    )
    silence_share: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        description="share of the segments whose confirmed claims are also checked with silence in place of the audio",
    )
    believed: float = Field(
        default=0.75,
        gt=0.5,
        le=1.0,
        description="a claim with at least this probability in silence is unsure",
    )
    seed: int = Field(default=0, description="another seed selects other segments for silence")

    asks: ClassVar[tuple[QuestionKind, ...]] = (QuestionKind(has_audio=True, answer="choices"),)


class CaptionConfig(Record):
    """Options for captions."""

    composer: Literal["grammar", "writer", "captioner"] = Field(
        default="grammar",
        description="who writes captions: the rules of the grammar, the language model `writer`, or a captioning "
        "backend",
    )
    language: CaptionLanguage = Field(default="en", description="of captions by the grammar or by `writer`")
    sentences: int = Field(default=5, ge=1, le=12, description="maximum number of sentences in a caption")
    captioner: str = Field(
        default="", description="for the composer captioner: the name of the backend whose claims are used"
    )
    writer: WriterConfig | None = Field(default=None, description="for the composer writer")
    verifier: VerifierConfig | None = Field(default=None, description="null: claims are not verified")
    clap: CaptionClap | None = Field(default=None, description="stores the similarity of each caption and the audio")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.composer == "writer" and self.writer is None:
            raise ValueError("the composer writer needs captions.writer.server.model: set the model and its server")
        if self.composer == "captioner" and not self.captioner:
            raise ValueError(
                "the composer captioner needs captions.captioner: set it to the backend whose claims it uses"
            )
        return self

    def check_available(self) -> None:
        """Raises BackendUnavailableError, with the remedy, if the servers for captions cannot be used from here."""
        servers = {"captions.verifier": self.verifier, "captions.writer": self.writer}
        for name, asked in servers.items():
            if asked is not None and (name != "captions.writer" or self.composer == "writer"):
                asked.server.check_model(name)
                if find_spec("aiohttp") is None:
                    raise BackendUnavailableError(f"{name} needs aiohttp: {REMEDY}")
        if self.clap is not None:
            self.clap.check_available()

    @property
    def needs_audio(self) -> bool:
        """Whether the segments' audio is needed for captions."""
        return self.verifier is not None or self.clap is not None

    @property
    def composer_name(self) -> str:
        """The composer in rows; also the rule of claims that are not derived by a rule."""
        if self.composer == "writer" and self.writer is not None:
            return f"{self.writer.server.model}@{self.writer.server.revision}"
        return self.captioner if self.composer == "captioner" else GRAMMAR

    @property
    def key(self) -> str:
        """Changes with everything that captions depend on: models and prompts, but not the addresses of servers."""
        prompts = [CAPTIONS.key(*WRITER_PROMPTS, language=self.language)] if self.composer == "writer" else []
        prompts += [CAPTIONS.key(*VERIFIER_PROMPTS, language=self.language)] if self.verifier is not None else []
        prompts += [self.clap.config_key] if self.clap is not None else []
        unused = {"writer": None} if self.composer != "writer" else {}
        return content_key([key_content(self.model_copy(update=unused)), prompts])

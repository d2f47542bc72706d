"""The options of `soundseam long`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pydantic import Field, ValidationError, model_validator

from soundseam.annotators.chat.endpoint import REMEDY, Endpoint, endpoints_in
from soundseam.annotators.prompts import CAPTIONS
from soundseam.pipeline.captions.caption_config import WriterConfig
from soundseam.pipeline.config import SetupError, first_problem, read_text, tree_of, with_servers
from soundseam.schemas.record import Record, content_key, key_content

LONG_REVISION = "6"
"""Raise it whenever equal rows and options may give other windows or captions."""


class ChapterConfig(Record):
    """Options for chapters: an optimum over all segments of a recording."""

    change_cost: float = Field(
        default=8.0,
        gt=0.0,
        description="seconds of entirely different content that are worth a chapter of their own: higher gives fewer",
    )
    max_ms: int = Field(
        default=1_800_000, ge=60_000, description="a chapter with the same content throughout is cut at this length"
    )
    speakers: float = Field(default=0.6, ge=0.0, description="weight of who speaks, beside a class's weight of 1")
    sounds: float = Field(default=0.4, ge=0.0, description="weight of which named sounds there are")
    pieces: float = Field(
        default=0.6, ge=0.0, description="weight of which piece of music plays, if it is surely known"
    )
    topics: float = Field(default=0.5, ge=0.0, description="weight of the words of a transcript usable for training")


class WindowLength(Record):
    """One target length, and how often it is drawn."""

    seconds: float = Field(gt=0.0, le=3600.0, description="the length that is aimed at")
    share: float = Field(gt=0.0, description="how often it is drawn, compared with the others")


class WindowConfig(Record):
    """Options for windows. Every run of segments is divided completely, so each segment is in one window at most."""

    lengths: tuple[WindowLength, ...] = Field(
        default=(
            WindowLength(seconds=30, share=0.2),
            WindowLength(seconds=60, share=0.25),
            WindowLength(seconds=120, share=0.25),
            WindowLength(seconds=300, share=0.15),
            WindowLength(seconds=900, share=0.1),
            WindowLength(seconds=3600, share=0.05),
        ),
        min_length=1,
        description="target lengths and their shares of the windows",
    )
    tolerance: float = Field(
        default=0.25, ge=0.0, lt=1.0, description="how far a window may differ from its target to end with a chapter"
    )
    min_segments: int = Field(default=2, ge=1, description="a shorter run of segments gives no window")
    max_gap_ms: int = Field(
        default=60_000, ge=0, description="a window spans no longer stretch without segments than this"
    )
    allow_excluded: bool = Field(
        default=False,
        description="true: windows may span stretches that were rejected, filtered or marked as duplicates to leave "
        "out; their rows list them",
    )


class LongConfig(Record):
    """Options for windows and for captions of recordings."""

    chapters: ChapterConfig = ChapterConfig()
    windows: WindowConfig = WindowConfig()
    min_name_score: float = Field(
        default=0.8,
        ge=0.0,
        le=1.0,
        description="mean score of a sound's name over its occurrences from which it is called by that name",
    )
    writer: WriterConfig | None = Field(
        default=None,
        description="a language model that writes titles, sentences and summaries from the grammar's; null: the "
        "grammar's own. What it says is checked against them, and where it is refused, the grammar's stay",
    )
    seed: int = Field(default=0, description="another seed draws other lengths of windows")

    @model_validator(mode="after")
    def _has_a_model(self) -> LongConfig:
        if self.writer is not None and not self.writer.server.model:
            raise ValueError("writer.server.model: set the model, and its server's urls")
        return self

    @property
    def captions_key(self) -> str:
        """Key of everything that captions of recordings depend on, except for the rows."""
        prompts = CAPTIONS.key("recording", language="en") if self.writer is not None else ""
        parts = [key_content(self.chapters), self.min_name_score, key_content(self.writer) if self.writer else None]
        return content_key([LONG_REVISION, *parts, prompts])

    @property
    def windows_key(self) -> str:
        """The same for windows, which end with chapters if they can."""
        return content_key([LONG_REVISION, key_content(self.chapters), key_content(self.windows), self.seed])

    def check_available(self) -> None:
        """Raises SetupError, with the remedy, if the writer cannot be used."""
        if self.writer is not None and find_spec("aiohttp") is None:
            raise SetupError(f"writer needs aiohttp: {REMEDY}")


def load_long_config(path: str | None = None, overrides: Sequence[str] = ()) -> LongConfig:
    """The configuration in a YAML file, or the default one, with `key.path=value` overrides.

    Raises SetupError, one line with the remedy.
    """
    tree = with_servers(tree_of("{}" if path is None else read_text(path), path or "default", overrides))
    try:
        return LongConfig.model_validate(tree)
    except ValidationError as error:
        problem = first_problem(error, LongConfig)
        raise SetupError(f"configuration {path or 'default'}: {problem}; see docs/long.md") from error


def long_server_settings(path: str | None = None, overrides: Sequence[str] = ()) -> dict[str, Endpoint]:
    """The places of a configuration that describe servers, as `--set` names them."""
    return endpoints_in(tree_of("{}" if path is None else read_text(path), path or "default", overrides))

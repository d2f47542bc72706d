"""What a format is: it writes samples with their audio into files of a part, and an index over all parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.export.mixing import MixConfig
from pipeline.storage import files
from schemas.record import Record
from schemas.sample import MessageKind, Role, Sample, Split

SAMPLE_RATE_HZ = 16_000
EXPORT_FOLDER = "_export"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Stage(StrEnum):
    PRETRAIN = "pretrain"
    SFT = "sft"


@dataclass(frozen=True)
class Clip:
    """The audio of a segment: 16 kHz mono 16-bit FLAC."""

    segment_id: str
    flac: bytes
    duration_ms: int


@dataclass(frozen=True)
class Item:
    """One sample to write. `key` is unique in an export, also where mixing repeats a sample."""

    key: str
    sample: Sample
    clips: tuple[Clip, ...]
    answer_prior: float | None
    """Share of like questions that this answer is right for; None where there are too few to tell."""
    with_reasoning: bool = True

    @property
    def answer(self) -> str:
        """The answer, after its chain of reasoning where there is one, in the tags that Qwen3 thinks in."""
        if self.sample.reasoning is None or not self.with_reasoning:
            return self.sample.answer
        return f"<think>\n{self.sample.reasoning}\n</think>\n\n{self.sample.answer}"

    def turns(self) -> list[tuple[Role, MessageKind, str]]:
        """The conversation as (role, kind, content), with the answer as a model is to write it."""
        return [
            (message.role, message.kind, self.answer if message.role is Role.ASSISTANT else message.content)
            for message in self.sample.messages
        ]


class ExportOptions(Record):
    """What to export, and how: equal options over equal rows give equal files."""

    to: str
    stage: Stage = Stage.SFT
    tasks: tuple[str, ...] = Field(default=(), description="only these; all of the stage for none")
    shard_mb: int = Field(default=512, ge=1, le=65536, description="about the size of a shard")
    reasoning: bool = Field(default=True, description="write the chain of reasoning before the answer")
    tables: bool = Field(default=True, description="hf: the corpus's own tables too, each as a configuration")
    audio_root: str | None = Field(
        default=None, description="what audio paths begin with; the export's own folder for null"
    )
    mix: MixConfig = MixConfig()


@dataclass(frozen=True)
class Place:
    """Where one part goes: `folder` is laid out like `target`, into which its files are moved once all are there."""

    folder: Path
    target: str
    part: str
    options: ExportOptions

    def path(self, *parts: str) -> Path:
        """A new file in the part; its folder is made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def audio_uri(self, *parts: str) -> str:
        """How a line names an audio file of the export."""
        root = self.options.audio_root
        if root is None:
            root = str(files.local_path(self.target).absolute()) if files.is_local(self.target) else self.target
        return files.join(root, *parts) if root else "/".join(parts)


class PartWriter(ABC):
    """Writes one part. Holds no more than a shard's buffer in memory."""

    @abstractmethod
    def write(self, item: Item) -> str | None:
        """Writes a sample; a few words that can be counted where the format has no form for it, and nothing is."""

    @abstractmethod
    def close(self) -> None:
        """Finishes the part's files."""


@dataclass(frozen=True)
class Finished:
    """All parts of an export, in order."""

    target: str
    options: ExportOptions
    files: tuple[str, ...]
    """Paths in the target."""

    def under(self, prefix: str, suffix: str = "") -> tuple[str, ...]:
        return tuple(name for name in self.files if name.startswith(prefix) and name.endswith(suffix))


class Format(ABC):
    """A form of training data."""

    name: ClassVar[str]
    reader: ClassVar[str]
    """What reads it."""
    indexes: ClassVar[tuple[str, ...]] = ()
    """Every file that it may write beside the parts."""

    @abstractmethod
    def writer(self, place: Place) -> PartWriter:
        """A writer of one part."""

    @abstractmethod
    def finish(self, finished: Finished) -> Mapping[str, str]:
        """Path → text of the small index files that stand beside the parts."""

    def joined(self, finished: Finished) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - for those that join
        """Path → the part files that make it up, joined end to end. Nothing by default."""
        return {}


SPLITS = tuple(Split)

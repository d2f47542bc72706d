"""What a format is: it writes samples with their audio into files of a part, and an index over all parts."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

import soundfile
from pydantic import Field

from soundseam.annotators.flac import num_flac_samples, wav_of
from soundseam.pipeline.export.mixing import MixConfig
from soundseam.pipeline.storage import files
from soundseam.schemas.record import Record
from soundseam.schemas.sample import MessageKind, Role, Sample, Split

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
    """Share of like questions that this answer is right for; None if there are too few to tell."""
    with_reasoning: bool = True

    @property
    def answer(self) -> str:
        """The answer, after its chain of reasoning where there is one, in the tags that Qwen3 thinks in."""
        if self.sample.reasoning is None or not self.with_reasoning:
            return self.sample.answer
        return f"<think>\n{self.sample.reasoning}\n</think>\n\n{self.sample.answer}"

    def turns(self) -> list[tuple[Role, MessageKind, str]]:
        """The conversation as (role, kind, content), with the answer as a model is to write it."""
        reasoned = self.sample.reasoning is not None
        return [
            (
                message.role,
                message.kind,
                self.answer if reasoned and message.role is Role.ASSISTANT else message.content,
            )
            for message in self.sample.messages
        ]


class ExportOptions(Record):
    """What to export, and how: equal options over equal rows give equal files."""

    to: str
    stage: Stage = Stage.SFT
    tasks: tuple[str, ...] = Field(default=(), description="only these; all of the stage for none")
    shard_mb: int = Field(default=512, ge=1, le=65536, description="about the size of a shard")
    reasoning: bool = Field(default=True, description="write the chain of reasoning before the answer")
    conversations: bool = Field(
        default=False, description="all questions about a clip, language by language, as one conversation: audio once"
    )
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
    command: ClassVar[str] = ""
    """What trains on it, as its README ends with; {target} is the export's folder."""
    holds_conversations: ClassVar[bool] = True
    """Whether one entry may hold several questions with their answers."""

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

Container = Literal["wav", "flac"]


def audio_bytes(clip: Clip, container: Container) -> bytes:
    """A clip as a file of `container`, equal sample for sample."""
    if container == "flac":
        return clip.flac
    told = soundfile.info(io.BytesIO(clip.flac))
    if (told.samplerate, told.channels) != (SAMPLE_RATE_HZ, 1):
        raise ValueError(f"{clip.segment_id} is not {SAMPLE_RATE_HZ} Hz mono")
    return wav_of(clip.flac)


def num_samples(clip: Clip) -> int:
    """How many samples a clip holds: its length to the sample, where its times are rounded to milliseconds."""
    return num_flac_samples(clip.flac)


class AudioFolder:
    """Writes each clip of a part once, to `audio/<part>/<segment_id>.<container>`."""

    def __init__(self, place: Place, container: Container) -> None:
        self._place, self._container = place, container
        self._written: set[str] = set()

    def names(self, clips: Iterable[Clip]) -> list[str]:
        """How lines name the clips, which are written where they are not yet."""
        return [self._name(clip) for clip in clips]

    def _name(self, clip: Clip) -> str:
        parts = ("audio", self._place.part, f"{clip.segment_id}.{self._container}")
        if clip.segment_id not in self._written:
            self._place.path(*parts).write_bytes(audio_bytes(clip, self._container))
            self._written.add(clip.segment_id)
        return self._place.audio_uri(*parts)


def sample_fields(item: Item) -> dict[str, Json]:
    """All of a sample but its audio, with the prior of its answer."""
    fields: dict[str, Json] = item.sample.model_dump(mode="json")
    return {**fields, "sample_id": item.key, "answer_prior": item.answer_prior}


def read_target(target: str, name: str) -> str:
    """A small text file of an export."""
    return files.read_bytes(files.join(target, name)).decode("utf-8")

"""The interface of export formats: they write samples with their audio to the files of a part, and an index."""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

import soundfile
from pydantic import Field

from soundseam.annotators.flac import num_flac_samples, wav_of
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.mixing import MixConfig
from soundseam.pipeline.export.recipe import PretrainRecipe
from soundseam.pipeline.sft.tasks.caption import UNIFIED
from soundseam.pipeline.storage import files
from soundseam.schemas.record import Record
from soundseam.schemas.sample import MessageKind, Role, Sample, Split

SAMPLE_RATE_HZ = 16_000
_PLAIN_NAME = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]*")
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
    """One sample to write. `key` is unique in an export, even if mixing repeats a sample."""

    key: str
    sample: Sample
    clips: tuple[Clip, ...]
    answer_prior: float | None
    """Share of similar questions with this answer; None if there are too few."""
    with_reasoning: bool = True

    @property
    def answer(self) -> str:
        """The answer, after its chain of reasoning, if any, in Qwen3's thinking tags."""
        if self.sample.reasoning is None or not self.with_reasoning:
            return self.sample.answer
        return f"<think>\n{self.sample.reasoning}\n</think>\n\n{self.sample.answer}"

    @property
    def question(self) -> str:
        return self.sample.question

    def fields(self) -> dict[str, Json]:
        """All fields but the audio, with the prior of the answer."""
        fields: dict[str, Json] = self.sample.model_dump(mode="json")
        return {**fields, "sample_id": self.key, "answer_prior": self.answer_prior}

    def turns(self) -> list[tuple[Role, MessageKind, str]]:
        """The conversation as (role, kind, content), with the answer in the form that a model should write."""
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
    """Options of an export: equal options and rows give equal files."""

    to: str
    stage: Stage = Stage.SFT
    tasks: tuple[str, ...] = Field(default=(), description="only these tasks; empty means all of the stage")
    shard_mb: int = Field(default=512, ge=1, le=65536, description="approximate size of a shard")
    reasoning: bool = Field(default=True, description="write the chain of reasoning before the answer")
    conversations: bool = Field(
        default=False,
        description="write all questions about a clip in one language as one conversation with the audio once",
    )
    tables: bool = Field(default=True, description="hf: include the corpus's own tables, each as a configuration")
    audio_root: str | None = Field(
        default=None, description="prefix of audio paths; null means the export's own folder"
    )
    mix: MixConfig = MixConfig()
    recipe: PretrainRecipe | None = Field(default=None, description="write packs of this pretraining mix")


class Window(Record):
    """One shard of several with equal numbers of entries; an entry is a clip or a pair of clips with all its samples.

    Clips and pairs have shards of their own, so that nobody who only reads one audio trains on half a pair.
    """

    split: Split
    pairs: bool
    number: int
    """From 0."""
    total: int
    partial: dict[str, tuple[int, int]] = Field(default={})
    """Recordings of which only the entries from the first number to before the second are in this shard."""

    def stem(self, digits: int) -> str:
        """Folder and beginning of the shard's name: `data/train-000000`."""
        return f"{PAIRS if self.pairs else DATA}/{self.split}-{self.number:0{digits}d}"


WHOLE = Window(split=Split.TRAIN, pairs=False, number=0, total=1)
DATA, PAIRS = "data", "pairs"
"""Folders of shards with one clip an entry, and with two."""


@dataclass(frozen=True)
class Place:
    """The location of one part: `folder` has the layout of `target`, into which its files are moved when complete."""

    folder: Path
    target: str
    part: str
    options: ExportOptions
    window: Window = WHOLE
    """The shard to write, in formats with equal shards."""

    def path(self, *parts: str) -> Path:
        """The path of a new file in the part; its folder is created."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def audio_uri(self, *parts: str) -> str:
        """The name of an audio file of the export in a line."""
        root = self.options.audio_root
        if root is None:
            root = str(files.local_path(self.target).absolute()) if files.is_local(self.target) else self.target
        return files.join(root, *parts) if root else "/".join(parts)


class PartWriter(ABC):
    """Writes one part, with at most a shard's buffer in memory."""

    @abstractmethod
    def write(self, item: Item) -> str | None:
        """Writes a sample; if the format does not support it, writes nothing and returns the reason."""

    @abstractmethod
    def close(self) -> None:
        """Finishes the part's files."""


class EntryWriter(PartWriter):
    """Writes all samples of a clip, or of a pair of clips, as one entry: they are consecutive."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._gathered: list[Item] = []

    def write(self, item: Item) -> str | None:
        if self._gathered and self._gathered[0].sample.audio_ids != item.sample.audio_ids:
            self._write_gathered()
        self._gathered.append(item)
        return None

    def close(self) -> None:
        self._write_gathered()

    def _write_gathered(self) -> None:
        if self._gathered:
            self.write_entry(self._gathered)
            self._gathered = []

    @abstractmethod
    def write_entry(self, items: Sequence[Item]) -> None:
        """Writes the samples of one clip or pair, of which there is at least one."""


_MAIN_TASKS = ("caption", "asr")


def main_item(items: Sequence[Item]) -> Item:
    """The sample that stands for an entry if only one text is wanted: a caption, else a transcript, else the first."""

    def rank(item: Item) -> tuple[int, int, str]:
        task = item.sample.task
        place = _MAIN_TASKS.index(task) if task in _MAIN_TASKS else len(_MAIN_TASKS)
        return place, item.sample.kind not in UNIFIED, item.key

    return min(items, key=rank)


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
    """A format of training data."""

    name: ClassVar[str]
    reader: ClassVar[str]
    """The software that reads it."""
    indexes: ClassVar[tuple[str, ...]] = ()
    """All files that it may write besides the parts."""
    command: ClassVar[str] = ""
    """A command that trains on it, for the end of its README; {target} is the export's folder."""
    holds_conversations: ClassVar[bool] = True
    """Whether one entry may contain several questions with their answers."""
    equal_shards: ClassVar[bool] = False
    """Whether each part is a shard with as many entries as the others: a changed corpus is written again as a whole.
    Packs have no equal shards."""
    holds_packs: ClassVar[bool] = False
    """Whether one entry may be any sequence of texts and clips."""
    pack_command: ClassVar[str] = ""
    """A command that trains on packs, if it is another one than `command`."""

    @abstractmethod
    def writer(self, place: Place) -> PartWriter:
        """A writer of one part."""

    @abstractmethod
    def finish(self, finished: Finished) -> Mapping[str, str]:
        """Path → text of the small index files besides the parts."""

    def command_for(self, names: Sequence[str]) -> str:  # noqa: ARG002 - for those with several files
        """The command for an export with the files `names`."""
        return self.command

    def joined(self, finished: Finished) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - for those that join
        """Path → the part files that are concatenated to it. Nothing by default."""
        return {}


SPLITS = tuple(Split)

Container = Literal["wav", "flac"]


def audio_bytes(clip: Clip, container: Container) -> bytes:
    """A clip as a file of `container`, with equal samples."""
    if container == "flac":
        return clip.flac
    info = soundfile.info(io.BytesIO(clip.flac))
    if (info.samplerate, info.channels) != (SAMPLE_RATE_HZ, 1):
        raise ValueError(f"{clip.segment_id} is not {SAMPLE_RATE_HZ} Hz mono")
    return wav_of(clip.flac)


def checked_name(name: str) -> str:
    """The id of a clip. Raises SetupError for one that is no plain name."""
    if not _PLAIN_NAME.fullmatch(name):
        # Files of an export are named by it: from a corpus of somebody else it might lead out of the folder.
        raise SetupError(f"{name!r} is no id of a segment: was this corpus made by Soundseam?")
    return name


def num_samples(clip: Clip) -> int:
    """Number of samples of a clip: its exact length, whereas its times are rounded to milliseconds."""
    return num_flac_samples(clip.flac)


class AudioFolder:
    """Writes each clip of a part once, to `audio/<part>/<segment_id>.<container>`."""

    def __init__(self, place: Place, container: Container) -> None:
        self._place, self._container = place, container
        self._written: set[str] = set()

    def names(self, clips: Iterable[Clip]) -> list[str]:
        """The names of the clips in lines; clips that do not exist yet are written."""
        return [self._name(clip) for clip in clips]

    def _name(self, clip: Clip) -> str:
        parts = ("audio", self._place.part, f"{clip.segment_id}.{self._container}")
        if clip.segment_id not in self._written:
            self._place.path(*parts).write_bytes(audio_bytes(clip, self._container))
            self._written.add(clip.segment_id)
        return self._place.audio_uri(*parts)


def read_target(target: str, name: str) -> str:
    """A small text file of an export."""
    return files.read_bytes(files.join(target, name)).decode("utf-8")

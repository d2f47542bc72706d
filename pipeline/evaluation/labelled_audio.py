"""Folders of labelled audio: scenes.jsonl, clips.jsonl and ami.jsonl, each with its files beside it.

A scene's line has `file`, `duration` (s) and `events` (`cls`, `onset`, `offset` in s, `role` foreground or background);
a clip's has `file` and `label`; a conversation's has `file` and `turns` (`onset`, `offset`, `speaker`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.evaluation.boundary_metrics import TrueEvent
from schemas.event import Branch
from schemas.timespan import TimeSpan


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str


LineT = TypeVar("LineT", bound=_Line)


class _Turn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    onset: float
    offset: float

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(round(1000 * self.onset), round(1000 * self.offset))


class _SpeakersTurn(_Turn):
    speaker: str = ""
    """Whose it is; empty where that is not known."""


class _SceneEvent(_Turn):
    cls: Branch
    role: str = "foreground"


class LabelledScene(_Line):
    """A mixture and when what sounds in it."""

    duration: float
    events: tuple[_SceneEvent, ...]

    @property
    def foreground(self) -> list[TrueEvent]:
        return [TrueEvent(event.cls, event.span) for event in self.events if event.role == "foreground"]


class LabelledClip(_Line):
    """A recording of one kind of sound."""

    label: Branch


class Conversation(_Line):
    """A conversation and who speaks when."""

    turns: tuple[_SpeakersTurn, ...]

    @property
    def knows_speakers(self) -> bool:
        return bool(self.turns) and all(turn.speaker for turn in self.turns)

    @property
    def spans(self) -> list[TimeSpan]:
        return [turn.span for turn in self.turns]


class LabelledFolderError(ValueError):
    """The folder is not in the format; the message is one line and says what is wrong with it."""


class LabelledFolder(BaseModel):
    """What a folder of labelled audio lists; a missing list is empty."""

    model_config = ConfigDict(frozen=True)

    root: Path
    scenes: tuple[LabelledScene, ...]
    clips: tuple[LabelledClip, ...]
    conversations: tuple[Conversation, ...]


def read_labelled_folder(root: Path) -> LabelledFolder:
    """Raises LabelledFolderError where no list is there or a line does not fit."""
    names = ("scenes.jsonl", "clips.jsonl", "ami.jsonl")
    if not any((root / name).is_file() for name in names):
        raise LabelledFolderError(f"{root} has none of {', '.join(names)}")
    return LabelledFolder(
        root=root,
        scenes=_lines(root / names[0], LabelledScene),
        clips=_lines(root / names[1], LabelledClip),
        conversations=_lines(root / names[2], Conversation),
    )


def _lines(path: Path, kind: type[LineT]) -> tuple[LineT, ...]:
    if not path.is_file():
        return ()
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            if line.strip():
                rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise LabelledFolderError(f"{path}, line {number}: {error.errors()[0]['msg']}") from error
    return tuple(rows)

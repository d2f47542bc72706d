"""Labelled recordings as input for backends: each as one segment, at the backend's sample rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr
from pydantic import BaseModel, ConfigDict, ValidationError

from soundseam.annotators.base import Backend, BackendUnavailableError, Clip, Samples
from soundseam.pipeline.audio.channels import mean_channel
from soundseam.pipeline.audio.open_audio import openers
from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.evaluation.event_scores import TrueEvent
from soundseam.schemas.annotation import Facts
from soundseam.schemas.event import Branch, Event, ProfileEntry
from soundseam.schemas.segment import Boundary, Segment, segment_id_of
from soundseam.schemas.timespan import TimeSpan


class LabelledLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str


LineT = TypeVar("LineT", bound=BaseModel)


class TimedLabel(BaseModel):
    """What is said of a stretch of a recording, in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    onset: float
    offset: float

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(round(1000 * self.onset), round(1000 * self.offset))


class _SpeakersTurn(TimedLabel):
    speaker: str = ""
    """The speaker; empty if unknown."""


class _SceneEvent(TimedLabel):
    cls: Branch
    role: str = "foreground"
    label: str | None = None


class LabelledScene(LabelledLine):
    """A mixture with the times of its events."""

    duration: float
    bed: str | None = None
    """The background: music, noise or quiet; None if unknown."""
    events: tuple[_SceneEvent, ...]

    @property
    def foreground(self) -> list[TrueEvent]:
        return [TrueEvent(event.cls, event.span) for event in self.events if event.role == "foreground"]


class LabelledClip(LabelledLine):
    """A recording of one kind of sound."""

    label: Branch


class Conversation(LabelledLine):
    """A conversation with its speaker turns."""

    turns: tuple[_SpeakersTurn, ...]

    @property
    def knows_speakers(self) -> bool:
        return bool(self.turns) and all(turn.speaker for turn in self.turns)

    @property
    def spans(self) -> list[TimeSpan]:
        return [turn.span for turn in self.turns]


class LabelledFolderError(ValueError):
    """The folder is not in the format; the message is one line with the problem."""


class LabelledFolder(BaseModel):
    """The lists of a folder of labelled audio; a missing list is empty."""

    model_config = ConfigDict(frozen=True)

    root: Path
    scenes: tuple[LabelledScene, ...]
    clips: tuple[LabelledClip, ...]
    conversations: tuple[Conversation, ...]


def read_labelled_folder(root: Path) -> LabelledFolder:
    """The lists. Raises LabelledFolderError if there are none, or a line is invalid."""
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
    return tuple(read_list(path, kind)) if path.is_file() else ()


_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)

BackendT = TypeVar("BackendT", bound=Backend[Facts])


def read_list(path: Path, record: type[LineT]) -> Iterator[LineT]:
    """One `record` per line. Raises LabelledFolderError if the file is missing or a line is invalid."""
    if not path.is_file():
        raise LabelledFolderError(f"{path.parent} has no {path.name}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            if line.strip():
                yield record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
            raise LabelledFolderError(f"{path}, line {number}: {where}{first['msg']}") from error


def loadable(backends: Sequence[BackendT]) -> list[BackendT]:
    """`backends` without optional ones that cannot load here. Raises BackendUnavailableError for required ones."""
    found = []
    for backend in backends:
        try:
            backend.check_available()
        except BackendUnavailableError:
            if not backend.optional:
                raise
            continue
        found.append(backend)
    return found


def read_mono(path: Path) -> tuple[Samples, int]:
    """Samples (num_samples,), the mean of all channels, and their rate. Raises LabelledFolderError if unreadable."""
    try:
        with openers(path)[-1](path, None) as reader:
            blocks = [mean_channel(block) for block in reader.blocks()]
            rate_hz = reader.format.sample_rate_hz
    except DecodeError as error:
        raise LabelledFolderError(f"{path} cannot be read ({error.reason}: {error.detail})") from error
    return np.concatenate(blocks), rate_hz


def at_rate(samples: Samples, rate_hz: int, wanted_hz: int) -> Samples:
    if rate_hz == wanted_hz:
        return samples
    resampled: Samples = soxr.resample(samples, rate_hz, wanted_hz).astype(np.float32)
    return resampled


def clip_for(backend: Backend[Facts], segment: Segment, mono: Samples, rate_hz: int) -> Clip:
    """The clip for `backend` of `segment` of a recording with samples `mono`."""
    if backend.sample_rate_hz is None:
        return Clip(segment, np.zeros(0, np.float32), rate_hz)
    part = mono[segment.start_ms * rate_hz // 1000 : segment.end_ms * rate_hz // 1000]
    resampled = at_rate(part, rate_hz, backend.sample_rate_hz)
    return Clip(segment, resampled if backend.mono else resampled[None], backend.sample_rate_hz)


def segment_for(
    file: str, span: TimeSpan, branch: Branch, events: Sequence[Event] = (), profile: Sequence[ProfileEntry] = ()
) -> Segment:
    return Segment(
        segment_id=segment_id_of(file, span),
        recording_id=file,
        source_uri=file,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=(branch,),
        profile=tuple(profile),
        events=tuple(events),
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="",
    )

"""What the lists of a folder of labelled audio know of a recording, whichever of them it stands in.

The lists are those of the other subjects: `clips.jsonl` (what it is, or what is said), `scenes.jsonl` (what sounds
when), `ami.jsonl` (who speaks when) and `pieces.jsonl` (key and tempo).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soundseam.pipeline.evaluation.labelled import LabelledFolderError, read_labelled_folder, read_list
from soundseam.pipeline.evaluation.music import MusicTruth
from soundseam.pipeline.evaluation.named_clips import ClipTruth, labels_in
from soundseam.pipeline.input.sources import recording_id_of
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

LISTS = ("clips.jsonl", "scenes.jsonl", "ami.jsonl", "pieces.jsonl")
WHOLE = TimeSpan(0, 2**53)
"""Of an event whose times nobody wrote down: all of the recording, however long it is."""


@dataclass(frozen=True)
class TruthEvent:
    """Something that sounds in a recording."""

    branch: Branch
    span: TimeSpan = WHOLE
    labels: frozenset[str] = frozenset()
    """AudioSet's labels that are right for it; empty if nobody knows."""
    speaker: str = ""


@dataclass(frozen=True)
class Truth:
    """What is known of one recording, or of a part of it."""

    events: tuple[TruthEvent, ...] = ()
    is_timed: bool = False
    """Whether the events' times are known."""
    is_complete: bool = True
    """Whether nothing but the events can be heard; a list of turns says nothing of other sounds."""
    bed: str | None = None
    """What lies under all of it: music, noise, quiet; None if nobody knows."""
    text: str = ""
    """What is said."""
    language: str | None = None
    key: str | None = None
    tempo_bpm: float | None = None

    def part(self, span: TimeSpan) -> Truth:
        """What is known of `span` of the recording; times stay the recording's."""
        parts = ((event, event.span.intersection(span)) for event in self.events)
        return replace(self, events=tuple(replace(event, span=part) for event, part in parts if part.duration_ms > 0))

    def spans(self, branch: Branch) -> list[TimeSpan]:
        return [event.span for event in self.events if event.branch is branch]

    def has(self, branch: Branch) -> bool | None:
        """Whether it holds any sound of `branch`; None if the labels cannot tell."""
        if self.spans(branch) or (branch is Branch.MUSIC and self.bed == "music"):
            return True
        return None if branch is Branch.GENERAL and not self.is_complete else False

    @property
    def speakers(self) -> frozenset[str]:
        return frozenset(event.speaker for event in self.events if event.speaker)


def read_truths(folder: Path) -> dict[str, Truth]:
    """recording_id → what is known of it. Raises LabelledFolderError if the folder is not in the format."""
    if not any((folder / name).is_file() for name in LISTS):
        raise LabelledFolderError(f"{folder} has none of {', '.join(LISTS)}")
    found: dict[str, Truth] = {}
    for file, truth in (*_clips(folder), *_timed(folder), *_pieces(folder)):
        path = folder / file
        if not path.is_file():
            raise LabelledFolderError(f"{path} is listed and not there")
        name = recording_id_of(str(path))
        found[name] = _joined(found[name], truth) if name in found else truth
    return found


def _joined(known: Truth, more: Truth) -> Truth:
    """Both, where one recording stands in several lists or under several names; times win over none."""
    if more.is_timed and not known.is_timed:
        known, more = more, known
    events = known.events if known.is_timed or not more.events else _same_sound(known.events, more.events)
    return replace(
        known,
        events=events,
        text=known.text or more.text,
        language=known.language or more.language,
        key=known.key or more.key,
        tempo_bpm=known.tempo_bpm or more.tempo_bpm,
    )


def _same_sound(events: Sequence[TruthEvent], others: Sequence[TruthEvent]) -> tuple[TruthEvent, ...]:
    """One sound under two names may be called by either."""
    labels = frozenset[str]().union(*(event.labels for event in (*events, *others)))
    branches = dict.fromkeys(event.branch for event in (*events, *others))
    return tuple(TruthEvent(branch, labels=labels if branch is Branch.GENERAL else frozenset()) for branch in branches)


def _clips(folder: Path) -> Iterator[tuple[str, Truth]]:
    if not (folder / "clips.jsonl").is_file():
        return
    for clip in read_list(folder / "clips.jsonl", ClipTruth):
        is_speech = clip.label is Branch.SPEECH
        labels = clip.right_labels if clip.label is Branch.GENERAL else frozenset()
        yield (
            clip.file,
            Truth(
                events=(TruthEvent(clip.label, labels=labels),),
                text=(clip.text or "") if is_speech else "",
                language=clip.lang if is_speech else None,
            ),
        )


def _timed(folder: Path) -> Iterator[tuple[str, Truth]]:
    if not any((folder / name).is_file() for name in ("scenes.jsonl", "ami.jsonl")):
        return
    labelled = read_labelled_folder(folder)
    for scene in labelled.scenes:
        events = tuple(
            TruthEvent(event.cls, event.span, _labels(event.cls, event.label))
            for event in scene.events
            if event.role == "foreground"
        )
        yield scene.file, Truth(events, is_timed=True, bed=scene.bed)
    for conversation in labelled.conversations:
        turns = tuple(TruthEvent(Branch.SPEECH, turn.span, speaker=turn.speaker) for turn in conversation.turns)
        yield conversation.file, Truth(turns, is_timed=True, is_complete=False)


def _labels(branch: Branch, text: str | None) -> frozenset[str]:
    """AudioSet's labels for what is no speech and no music, whose text is what it is."""
    return frozenset(labels_in(text or "")) if branch is Branch.GENERAL else frozenset()


def _pieces(folder: Path) -> Iterator[tuple[str, Truth]]:
    if (folder / "pieces.jsonl").is_file():
        for piece in read_list(folder / "pieces.jsonl", MusicTruth):
            music = (TruthEvent(Branch.MUSIC),)
            yield piece.file, Truth(music, key=piece.key, tempo_bpm=piece.tempo_bpm)

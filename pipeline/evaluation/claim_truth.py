"""The truth about a recording from all lists of a folder of labelled audio.

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
"""The span of an event without times: the whole recording, whatever its length."""


@dataclass(frozen=True)
class TruthEvent:
    """A labelled event of a recording."""

    branch: Branch
    span: TimeSpan = WHOLE
    labels: frozenset[str] = frozenset()
    """AudioSet's labels that are right for it; empty if unknown."""
    speaker: str = ""


@dataclass(frozen=True)
class Truth:
    """The truth about one recording, or a part of it."""

    events: tuple[TruthEvent, ...] = ()
    is_timed: bool = False
    """Whether the events' times are known."""
    is_complete: bool = True
    """Whether the events are complete; a list of turns says nothing about other sounds."""
    bed: str | None = None
    """The background of the recording: music, noise, quiet; None if unknown."""
    text: str = ""
    """The transcript."""
    language: str | None = None
    key: str | None = None
    tempo_bpm: float | None = None

    def part(self, span: TimeSpan) -> Truth:
        """The truth about `span` of the recording; times stay in the recording's time."""
        parts = ((event, event.span.intersection(span)) for event in self.events)
        return replace(self, events=tuple(replace(event, span=part) for event, part in parts if part.duration_ms > 0))

    def spans(self, branch: Branch) -> list[TimeSpan]:
        return [event.span for event in self.events if event.branch is branch]

    def has(self, branch: Branch) -> bool | None:
        """Whether it contains any sound of `branch`; None if the labels do not say."""
        if self.spans(branch) or (branch is Branch.MUSIC and self.bed == "music"):
            return True
        return None if branch is Branch.GENERAL and not self.is_complete else False

    @property
    def speakers(self) -> frozenset[str]:
        return frozenset(event.speaker for event in self.events if event.speaker)


def read_truths(folder: Path) -> dict[str, Truth]:
    """recording_id → its truth. Raises LabelledFolderError if the folder is not in the format."""
    if not any((folder / name).is_file() for name in LISTS):
        raise LabelledFolderError(f"{folder} has none of {', '.join(LISTS)}")
    found: dict[str, Truth] = {}
    for file, truth in (*_clips(folder), *_timed(folder), *_pieces(folder)):
        path = folder / file
        if not path.is_file():
            raise LabelledFolderError(f"{path} is listed, but does not exist")
        name = recording_id_of(str(path))
        found[name] = _joined(found[name], truth) if name in found else truth
    return found


def _joined(known: Truth, more: Truth) -> Truth:
    """The combined truth of a recording in several lists or under several names; times win over missing ones."""
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
    """Merges a sound with two names: either name is then right."""
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
        # A sound in the background is there too.
        events = tuple(TruthEvent(event.cls, event.span, _labels(event.cls, event.label)) for event in scene.events)
        yield scene.file, Truth(events, is_timed=True, bed=scene.bed)
    for conversation in labelled.conversations:
        turns = tuple(TruthEvent(Branch.SPEECH, turn.span, speaker=turn.speaker) for turn in conversation.turns)
        yield conversation.file, Truth(turns, is_timed=True, is_complete=False)


def _labels(branch: Branch, text: str | None) -> frozenset[str]:
    """AudioSet's labels for a sound that is neither speech nor music, from its text."""
    return frozenset(labels_in(text or "")) if branch is Branch.GENERAL else frozenset()


def _pieces(folder: Path) -> Iterator[tuple[str, Truth]]:
    if (folder / "pieces.jsonl").is_file():
        for piece in read_list(folder / "pieces.jsonl", MusicTruth):
            music = (TruthEvent(Branch.MUSIC),)
            yield piece.file, Truth(music, key=piece.key, tempo_bpm=piece.tempo_bpm)

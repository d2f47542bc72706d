"""Scores the names of a folder's labelled sounds, from `clips.jsonl`.

A clip's line has `file`, `label` (its branch) and either `names`, the right labels of AudioSet, or `text`, in which the
nouns of the table of sounds are looked up. Clips with neither are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from soundseam.annotators.base import Backend, BackendUnavailableError
from soundseam.annotators.detection.base import Detector
from soundseam.annotators.grammar.events import SURE
from soundseam.annotators.grammar.sound_names import broader_labels, sound_names
from soundseam.annotators.hub import is_here
from soundseam.pipeline.evaluation.general import events_of, systems_of
from soundseam.pipeline.evaluation.labelled import read_list
from soundseam.pipeline.evaluation.loop import Finding, Labelled, Scorer, Scores, evaluate, read_labelled
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.record import Record

CLIPS = "clips.jsonl"
_MUSIC = (EventClass.MUSIC, EventClass.SINGING)
_MUCH_MUSIC = 0.25
"""With at least this share of music events, a clip counts as called music."""


class ClipTruth(Record):
    """The truth about one clip."""

    file: str
    label: Branch
    text: str | None = None
    names: tuple[str, ...] = ()
    lang: str | None = None
    duration: float | None = None

    @property
    def right_labels(self) -> frozenset[str]:
        """The most specific right labels of AudioSet; empty if unknown."""
        return frozenset(self.names or (labels_in(self.text) if self.text else ()))


class NamedClips(Scores):
    """What one source of names reached over the labelled clips of a folder; None if there is nothing to count."""

    source: str
    clips: int
    named: float | None
    right: float | None
    """Share of right names, including broad ones."""
    narrow: int
    narrow_right: float | None
    broad: int
    broad_right: float | None
    called_music: int
    """Clips of other sounds with music events over a quarter of the time."""


@dataclass(frozen=True)
class NamedClip:
    """One clip, its truth, and its detected events."""

    truth: ClipTruth
    duration_ms: int
    found: tuple[Event, ...]

    @property
    def name(self) -> str | None:
        """The label with the most time in the clip, of those that a caption would mention; None if there is none."""
        named = [event for event in self.found if _is_mentioned(event)]
        return max(named, key=lambda event: (event.span.duration_ms, event.score)).label if named else None

    @property
    def is_called_music(self) -> bool:
        music = sum(event.span.duration_ms for event in self.found if event.event_class in _MUSIC)
        return music >= _MUCH_MUSIC * self.duration_ms


def _is_mentioned(event: Event) -> bool:
    return (
        event.score >= SURE and event.label in sound_names() and event.event_class not in (*_MUSIC, EventClass.SPEECH)
    )


def evaluate_named_clips(
    folder: Path, backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]
) -> tuple[NamedClips, ...]:
    """One line per backend in `backends` that finds events, after one for `detectors`.

    Only clips of the general branch are read. Raises LabelledFolderError if the folder is not in the format.
    """
    truths = [truth for truth in read_list(folder / CLIPS, ClipTruth) if truth.label is Branch.GENERAL]
    scorer = NameScorer()
    evaluate(read_labelled(folder, truths, Branch.GENERAL), systems_of(backends, detectors), scorer)
    return tuple(score_named_clips(source, clips) for source, clips in scorer.found.items())


class NameScorer(Scorer[Labelled[ClipTruth], list[Finding]]):
    """Collects what each system that finds events finds in each clip."""

    def __init__(self) -> None:
        self.found: dict[str, list[NamedClip]] = {}

    def add(self, system: str, item: Labelled[ClipTruth], answer: list[Finding]) -> None:
        for finding in answer:
            if (events := events_of(finding)) is not None:
                self.found.setdefault(system, []).append(NamedClip(item.truth, item.duration_ms, events))


def is_at_hand(backend: Backend[GeneralFacts]) -> bool:
    """Whether `backend` loads without a model hub because its weights were downloaded before."""
    try:
        backend.check_available()
    except BackendUnavailableError:
        return False
    return backend.repository is None or is_here(backend.repository)


def score_named_clips(source: str, clips: Sequence[NamedClip]) -> NamedClips:
    """Scores over clips that are neither speech nor music and whose truth is known."""
    known = [clip for clip in clips if clip.truth.right_labels]
    named = [(clip.name, clip.truth.right_labels) for clip in known if clip.name is not None]
    verdicts = [(_is_broad(name), is_right(name, right)) for name, right in named]
    narrow = [right for broad, right in verdicts if not broad]
    broad = [right for broad, right in verdicts if broad]
    return NamedClips(
        source=source,
        clips=len(known),
        named=_share(len(verdicts), len(known)),
        right=_share(sum(narrow) + sum(broad), len(verdicts)),
        narrow=len(narrow),
        narrow_right=_share(sum(narrow), len(narrow)),
        broad=len(broad),
        broad_right=_share(sum(broad), len(broad)),
        called_music=sum(clip.is_called_music for clip in clips),
    )


def is_right(label: str, right: Collection[str]) -> bool:
    """Whether `label` is one of the `right` ones, or a broader word for one of them."""
    return label in right or any(label in broader_labels(one) for one in right)


def _is_broad(label: str | None) -> bool:
    """Whether there are more specific names."""
    return any(label == name.broader for name in sound_names().values())


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def labels_in(text: str) -> Iterator[str]:
    """The labels for the nouns and names in `text`."""
    words = f" {' '.join(re.findall(r'[a-z]+', text.lower()))} "
    for word, labels in _lexicon().items():
        if f" {word} " in words or f" {word}s " in words:
            yield from labels


@cache
def _lexicon() -> Mapping[str, tuple[str, ...]]:
    """Nouns of the table of sounds, AudioSet's own words, and words for a broader one → labels."""
    found: dict[str, list[str]] = {}
    for name in sound_names().values():
        spoken = {name.noun, *re.split(r", | \(|\)", name.label.lower())} - {"", "something", "someone", "people"}
        for word in spoken:
            found.setdefault(word, []).append(name.label)
    text = files("soundseam.pipeline.evaluation").joinpath("clip_words.yaml").read_text(encoding="utf-8")
    for label, words in yaml.safe_load(text).items():
        for word in words:
            found.setdefault(word, []).append(label)
    return {word: tuple(labels) for word, labels in found.items()}

"""What is known about a scene before a model describes it, and how a description is checked against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import EventClass
from soundseam.schemas.general import HeardEvent
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment

_ENDINGS = ("", "s", "es", "ed", "d", "ing", "er", "ers", "ings")


class Family(Record):
    """Words for one kind of sound, and its possible classes; empty means any."""

    classes: tuple[EventClass, ...]
    words: tuple[str, ...]

    def may_be(self, event_class: EventClass) -> bool:
        """Whether a sound that is only known to be of `event_class` may belong to this family."""
        return event_class is EventClass.SOURCE_AMBIGUOUS or not self.classes or event_class in self.classes


@cache
def families() -> Mapping[str, Family]:
    text = files("soundseam.annotators.general").joinpath("sound_words.yaml").read_text(encoding="utf-8")
    return {
        name: Family(classes=tuple(map(EventClass, entry["classes"])), words=tuple(entry["words"]))
        for name, entry in yaml.safe_load(text).items()
    }


def families_in(text: str) -> tuple[str, ...]:
    """The families of the sounds that `text` names, in order of appearance, each once.

    The longest match counts: a car horn is not a car.
    """
    found: list[str] = []
    for match in _pattern().finditer(text.lower()):
        family = _family_of()[match[1]]
        if family not in found:
            found.append(family)
    return tuple(found)


@cache
def _family_of() -> Mapping[str, str]:
    """Every form of every word → its family."""
    forms: dict[str, str] = {}
    for name, family in families().items():
        for word in family.words:
            for form in _forms(word):
                forms.setdefault(form, name)
    # A listed word takes precedence over an inflected form of another.
    forms |= {word: name for name, family in families().items() for word in family.words}
    return forms


def _forms(word: str) -> set[str]:
    stems = {word, word.removesuffix("e")} if word.endswith("e") else {word}
    if word.endswith("y"):
        stems.add(f"{word[:-1]}i")
    if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", word):
        stems.add(word + word[-1])
    return {stem + ending for stem in stems for ending in _ENDINGS if len(stem + ending) > 2}


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(_family_of(), key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b")


SALIENT_SCORE = 0.5
SALIENT_MS = 200
SALIENT_DB = 6.0
"""Level over the time without events; if there is no such time, every confident event counts."""


@dataclass(frozen=True)
class Scene:
    """One segment with the events of the row of `events`."""

    segment: Segment
    events: tuple[HeardEvent, ...]

    @property
    def salient(self) -> tuple[int, ...]:
        """Positions of the events that a description must mention."""
        return tuple(index for index, event in enumerate(self.events) if is_salient(event))

    @property
    def detected_families(self) -> frozenset[str]:
        """Families of all sounds that any source named."""
        return frozenset(family for event in self.events for family in named_families(event))

    def as_evidence(self) -> str:
        """The events as JSON for a model; names are untrusted outputs of tools."""
        start_ms, names = self.segment.start_ms, self.salient
        return json.dumps(
            [
                {
                    "id": event_id(index),
                    "from_s": round((event.onset_ms - start_ms) / 1000, 1),
                    "to_s": round((event.offset_ms - start_ms) / 1000, 1),
                    "called": sorted({event.label, *(source.label for source in event.sources)}),
                    "kind": event.event_class.replace("_", " "),
                    "must_be_told": index in names,
                }
                for index, event in enumerate(self.events)
            ],
            ensure_ascii=False,
        )


def scene_of(clip: Clip) -> Scene | AnnotationError:
    """The scene from the clip's row of `events`, or why there is none."""
    for row in clip.annotations:
        if isinstance(row, GeneralAnnotation) and row.events is not None:
            return Scene(clip.segment, row.events)
    return AnnotationError("no_events", "no row of events: list the backend events before this one")


def is_salient(event: HeardEvent) -> bool:
    stands_out = event.salience_db is None or event.salience_db >= SALIENT_DB
    return event.score >= SALIENT_SCORE and event.span.duration_ms >= SALIENT_MS and stands_out


def named_families(event: HeardEvent) -> tuple[str, ...]:
    """The families that the event's sources name; empty for unspecific names such as sound or animal."""
    labels = (event.label, *(source.label for source in event.sources))
    return tuple(dict.fromkeys(family for label in labels for family in families_in(label.replace("_", " "))))


def event_id(index: int) -> str:
    return f"E{index + 1}"


def undetected_in(text: str, scene: Scene, mentions: Sequence[tuple[int, str]] = ()) -> Iterator[str]:
    """Families that `text` names and no source detected.

    `mentions` has pairs (event, words that mention it): an unnamed event may get any name that its class allows.
    """
    allowed = {
        family
        for index, words in mentions
        for family in families_in(words)
        if not named_families(scene.events[index]) and families()[family].may_be(scene.events[index].event_class)
    }
    for family in families_in(text):
        if family not in scene.detected_families and family not in allowed:
            yield family

"""What is known of a scene before a model describes it, and how a description is held against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annotators.base import AnnotationError, Clip
from annotators.general.sound_words import families, families_in
from schemas.annotation import GeneralAnnotation
from schemas.general import HeardEvent
from schemas.segment import Segment

SALIENT_SCORE = 0.5
SALIENT_MS = 200
SALIENT_DB = 6.0
"""Over the time without events; where there is none, every sure event counts."""


@dataclass(frozen=True)
class Scene:
    """One segment with the events of the row of `events`."""

    segment: Segment
    events: tuple[HeardEvent, ...]

    @property
    def salient(self) -> tuple[int, ...]:
        """Positions of the events that a description must tell of."""
        return tuple(index for index, event in enumerate(self.events) if is_salient(event))

    @property
    def heard(self) -> frozenset[str]:
        """Families of all that any source named."""
        return frozenset(family for event in self.events for family in named_families(event))

    def as_evidence(self) -> str:
        """The events as JSON, for a model to read: names are what tools say, and no more to be trusted than that."""
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
    """From the row of `events` among the clip's, or why there is no scene to describe."""
    for row in clip.annotations:
        if isinstance(row, GeneralAnnotation) and row.events is not None:
            return Scene(clip.segment, row.events)
    return AnnotationError("no_events", "no row of events: list the backend events before this one")


def is_salient(event: HeardEvent) -> bool:
    stands_out = event.salience_db is None or event.salience_db >= SALIENT_DB
    return event.score >= SALIENT_SCORE and event.span.duration_ms >= SALIENT_MS and stands_out


def named_families(event: HeardEvent) -> tuple[str, ...]:
    """What the event's sources call it; empty where they name nothing, as in sound or animal."""
    labels = (event.label, *(source.label for source in event.sources))
    return tuple(dict.fromkeys(family for label in labels for family in families_in(label.replace("_", " "))))


def event_id(index: int) -> str:
    return f"E{index + 1}"


def unheard_in(text: str, scene: Scene, told: Sequence[tuple[int, str]] = ()) -> Iterator[str]:
    """Families that `text` names and no source heard.

    `told` has (event, words) that tell of it: an event that nobody named may be called what its class allows.
    """
    allowed = {
        family
        for index, words in told
        for family in families_in(words)
        if not named_families(scene.events[index]) and families()[family].may_be(scene.events[index].event_class)
    }
    for family in families_in(text):
        if family not in scene.heard and family not in allowed:
            yield family

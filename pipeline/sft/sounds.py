"""The events of a segment that a question may rest on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from pipeline.sft.ask import FAINT_DB
from pipeline.sft.material import Material, Sighting
from schemas.event import EventClass

LEAST_SCORE = 0.6
"""Of an event that an answer may name."""
LASTING = frozenset({EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC})
"""Classes that go on rather than happen: nobody counts them."""

Sounds = dict[tuple[EventClass, str], tuple[Sighting, ...]]
"""(class, label) → its events in order of onset."""


def all_sure(material: Material, least_score: float) -> bool:
    """Whether a list of the segment's events can be complete: it has some, and none is in doubt."""
    return bool(material.sightings) and all(one.event.score >= least_score for one in material.sightings)


def sure_sounds(material: Material, least_score: float) -> Sounds:
    """The sounds of which no event is in doubt, in order of first onset."""
    found: Sounds = {}
    for one in material.sightings:
        name = (one.event.event_class, one.event.label)
        found[name] = (*found.get(name, ()), one)
    return {name: group for name, group in found.items() if all(one.event.score >= least_score for one in group)}


def is_crowded(sightings: Sequence[Sighting]) -> bool:
    """Whether any two of them overlap."""
    return any(one.span.overlap_ms(other.span) for one, other in combinations(sightings, 2))


def is_faint(sightings: Sequence[Sighting]) -> bool:
    return any(one.salience_db is not None and one.salience_db < FAINT_DB for one in sightings)


def is_nameable(event_class: EventClass, label: str) -> bool:
    """Whether a sound can be told from others by its name."""
    return event_class is not EventClass.SOURCE_AMBIGUOUS and bool(label)

"""Everything that is known about a segment, for tasks: its rows, and evidence that refers to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeVar

from soundseam.annotators.grammar.engine import Rows
from soundseam.pipeline.sft.answers import TimedText
from soundseam.schemas.annotation import Annotation, GeneralAnnotation
from soundseam.schemas.caption import Caption, Conflict
from soundseam.schemas.claim import Claim, Evidence, Verdict
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.recording import Recording
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import annotation_table
from soundseam.schemas.timespan import TimeSpan


class Place(NamedTuple):
    """The position of a value: a field of a row, or an item of a list with everything in it."""

    table: str
    backend: str | None
    field: str


def doubted_places(caption: Caption | None) -> frozenset[Place]:
    """The places that the merge or the verifier of a segment left in doubt; empty if neither ran."""
    if caption is None:
        return frozenset()
    return _unconfirmed(caption.claims) | _contradicted(caption.plan.conflicts)


def is_doubted(evidence: Iterable[Evidence], doubted: frozenset[Place]) -> bool:
    """Whether any of the evidence is at a doubted place, or in a doubted list."""
    return bool(doubted) and any(doubted & _around(place_of(one)) for one in evidence)


def place_of(evidence: Evidence) -> Place:
    parts = evidence.field.split(".")
    of_item = len(parts) > 1 and (parts[1].isdigit() or parts[1] == "*")
    return Place(evidence.table, evidence.backend, ".".join(parts[:2] if of_item else parts))


def _unconfirmed(claims: Iterable[Claim]) -> frozenset[Place]:
    """The evidence of unsure and dropped claims, except evidence that a confirmed claim also has.

    If a claim is false, something in its evidence is wrong, but it is unknown what.
    """
    doubted: set[Place] = set()
    confirmed: set[Place] = set()
    for claim in claims:
        places = confirmed if claim.verdict is Verdict.CONFIRMED else doubted
        if claim.verdict is not None:
            places.update(map(place_of, claim.evidence))
    return frozenset(doubted - confirmed)


def _contradicted(conflicts: Iterable[Conflict]) -> frozenset[Place]:
    """The losing sources; all of them if a conflict is open."""
    sources = (source for conflict in conflicts for source in conflict.against)
    return frozenset(map(_place_of_source, sources))


def _place_of_source(source: str) -> Place:
    """The place of TABLE/BACKEND/FIELD; the table's name may itself contain a slash."""
    table, backend, field = source.rsplit("/", 2)
    return Place(table, backend or None, field)


def _around(place: Place) -> frozenset[Place]:
    """The place, and the place of its whole list."""
    head, dot, index = place.field.partition(".")
    if not (dot and index.isdigit()):
        return frozenset({place})
    return frozenset({place, place._replace(field=f"{head}.*"), place._replace(field=head)})


AnnotationT = TypeVar("AnnotationT", bound=Annotation)


@dataclass(frozen=True)
class Sighting:
    """An event and the place from which it was read."""

    event: Event
    salience_db: float | None
    """None if the source does not measure it."""
    evidence: tuple[Evidence, ...]

    @property
    def span(self) -> TimeSpan:
        return self.event.span


@dataclass(frozen=True)
class Material:
    """The committed rows of one segment."""

    segment: Segment
    annotations: tuple[Annotation, ...] = ()
    caption: Caption | None = None
    filtered: Caption | None = None
    """A filtered caption: it gives no samples, but doubts about its evidence count."""

    @property
    def segment_id(self) -> str:
        return self.segment.segment_id

    @property
    def duration_ms(self) -> int:
        return self.segment.span.duration_ms

    @property
    def leading_class(self) -> EventClass | None:
        return self.segment.profile[0].event_class if self.segment.profile else None

    def first(self, record: type[AnnotationT], field: str) -> AnnotationT | None:
        """The first row of a branch with `field` that is not contradicted; None if there is none."""
        rows = [row for row in self.annotations if isinstance(row, record) and getattr(row, field) is not None]
        return min(rows, key=lambda row: self._is_contradicted(row, field), default=None)

    def _is_contradicted(self, row: Annotation, field: str) -> bool:
        names = (annotation_table(row.branch), row.backend)
        return any((place.table, place.backend) == names and place.field.startswith(field) for place in self.doubted)

    def all(self, record: type[AnnotationT]) -> tuple[AnnotationT, ...]:
        return tuple(row for row in self.annotations if isinstance(row, record))

    def cite(self, row: Annotation | None, *paths: str) -> tuple[Evidence, ...]:
        """The evidence at `paths` of a row; None means the segment's own row."""
        return self._rows.cite(row, *paths)

    def in_clip(self, recording_ms: int) -> int:
        """A time of the recording, counted from the segment's start."""
        return recording_ms - self.segment.start_ms

    def timed(self, start_ms: int, end_ms: int, text: str) -> TimedText:
        """Text between two times of the recording, with its times in the clip."""
        return TimedText(segment_start_ms=self.in_clip(start_ms), segment_end_ms=self.in_clip(end_ms), text=text)

    @cached_property
    def sightings(self) -> tuple[Sighting, ...]:
        """The segment's events in order of onset: from the general branch, else from the detection stage."""
        row = self.first(GeneralAnnotation, "events")
        if row is not None and row.events is not None:
            events: list[tuple[Event, float | None]] = [(event, event.salience_db) for event in row.events]
        else:
            row, events = None, [(event, None) for event in self.segment.events]
        found = [
            Sighting(Event(**_event_fields(event)), salience, self._cite_event(row, index))
            for index, (event, salience) in enumerate(events)
        ]
        return tuple(sorted(found, key=lambda sighting: (sighting.span, sighting.event.label)))

    @cached_property
    def doubted(self) -> frozenset[Place]:
        """Places that a verifier did not confirm, or that another source contradicts."""
        return doubted_places(self.caption or self.filtered)

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self.segment, self.annotations)

    def _cite_event(self, row: Annotation | None, index: int) -> tuple[Evidence, ...]:
        return self.cite(row, *(f"events.{index}.{name}" for name in ("label", "onset_ms", "offset_ms", "score")))


@dataclass(frozen=True)
class RecordingMaterial:
    """A recording's segments, in order of time; `recording` is None if its row is missing."""

    recording_id: str
    recording: Recording | None
    segments: tuple[Material, ...]
    windows: tuple[Window, ...] = ()
    """In order; none if `soundseam long` has not run."""
    long_caption: RecordingCaption | None = None

    def without(self, segment_ids: Collection[str]) -> RecordingMaterial:
        """The same without some segments, and without windows that contain one of them."""
        remaining = tuple(material for material in self.segments if material.segment_id not in segment_ids)
        if len(remaining) == len(self.segments):
            return self
        windows = tuple(one for one in self.windows if set(one.segment_ids).isdisjoint(segment_ids))
        return replace(self, segments=remaining, windows=windows)

    def others(self, material: Material) -> Iterator[Material]:
        return (other for other in self.segments if other.segment_id != material.segment_id)


def _event_fields(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in Event.model_fields}

"""The facts of a segment that long captions rest on, each with the rows that it was read from; read in a stream."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from soundseam.annotators.grammar.sound_names import broader_labels, sound_names
from soundseam.pipeline.sft.material import Place, doubted_places
from soundseam.pipeline.storage.corpus import ANNOTATIONS, Corpus, Row, Wanted
from soundseam.pipeline.work import CAPTIONS_STAGE, LIST_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.music import Chord, Rhythm, Tonality
from soundseam.schemas.speech import Speakers, Transcript
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan

ItemT = TypeVar("ItemT")
ANIMAL, NAMELESS = "Animal", "sound"
_MIN_ANIMAL_TONALITY = 0.03
"""Noise without any tone may be water or leaves as well as an animal."""
_BY_CONTACT = frozenset({"impact", "friction", "rush", ""})
"""Kinds of sounds that things make by touching: leaves and paper, a saw and wood are too alike for one source."""
MIN_KEY_CONFIDENCE = 0.3
MIN_TEMPO_CONFIDENCE = 0.3


class Origin(NamedTuple):
    """Where a fact stands in the rows of its segment."""

    table: str
    backend: str | None
    field: str


class Sound(NamedTuple):
    """One event."""

    event_class: EventClass
    label: str
    span: TimeSpan
    score: float
    brightness_hz: float | None = None
    """None if it was not measured."""
    tonal_share: float | None = None


class Spoken(NamedTuple):
    """One turn of a speaker who is surely known."""

    speaker: str
    span: TimeSpan


@dataclass(frozen=True)
class SegmentFacts:
    """What is surely known about one segment; every fact is empty if it is not."""

    segment_id: str
    span: TimeSpan
    events: tuple[Sound, ...] = ()
    turns: tuple[Spoken, ...] = ()
    has_turns: bool = False
    """Whether it is surely known who speaks, if anybody does."""
    voices: tuple[Spoken, ...] = ()
    """All turns, sure or not: they help to find chapters, but no text says who they are."""
    key: str = ""
    """As in A minor."""
    tempo_bpm: float = 0.0
    chords: tuple[tuple[str, int], ...] = ()
    """(chord, its total length in ms)."""
    words: str = ""
    """A transcript that is usable for training."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Name of a fact's field → where it stands."""

    def only(self, places: Collection[Origin]) -> SegmentFacts:
        """The same with the facts of some places alone."""
        bare = SegmentFacts(self.segment_id, self.span)
        seen = {name: origin for name, origin in self.origins.items() if origin in places}
        values: dict[str, Any] = {name: getattr(self, name) for name in seen}
        shown = replace(bare, **values)
        return replace(shown, has_turns=self.has_turns and "turns" in seen, origins=seen)


@dataclass(frozen=True)
class RecordingFacts:
    """The facts of a recording's segments, in order of time."""

    recording_id: str
    source_uri: str
    duration_ms: int
    segments: tuple[SegmentFacts, ...]
    rejected: tuple[TimeSpan, ...] = ()
    """Stretches with a row in `rejected`."""
    excluded: frozenset[str] = frozenset()
    """Segments whose caption was filtered."""
    said: Mapping[str, tuple[str | None, str | None, str | None]] = field(default_factory=dict)
    """segment_id → its licence, language and manifest line."""

    @property
    def license(self) -> str | None:
        """The licence of all segments; None if they differ or state none."""
        found = {license_ for license_, _, _ in self.said.values()}
        return found.pop() if len(found) == 1 else None


def read_facts(output: str, stages: Iterable[str], shard: int, recording_ids: Collection[str]) -> list[RecordingFacts]:
    """The facts of some recordings of one shard, in order of id. Rows pass one by one; only the facts stay."""
    corpus = Corpus.load(output, [stage for stage in stages if stage != LIST_STAGE], shard)
    wanted = dict.fromkeys(recording_ids, "")
    reading = _Reading()
    reading.read_captions(corpus, wanted)
    reading.read_segments(corpus, wanted)
    for stage in sorted(stage for stage in corpus.commits if stage.startswith(ANNOTATIONS)):
        reading.read_annotations(corpus, stage, wanted)
    lengths = {one.recording_id: (one.source_uri, one.duration_ms) for one in corpus.recordings(wanted)}
    rejected: dict[str, set[TimeSpan]] = {}
    for row in corpus.rows(Table.REJECTED, ["recording_id", "start_ms", "end_ms"], wanted):
        if isinstance(row["start_ms"], int) and isinstance(row["end_ms"], int):
            rejected.setdefault(str(row["recording_id"]), set()).add(TimeSpan(row["start_ms"], row["end_ms"]))
    return [
        RecordingFacts(
            name,
            *lengths[name],
            tuple(sorted(reading.segments.get(name, {}).values(), key=lambda one: one.segment_id)),
            tuple(sorted(rejected.get(name, ()))),
            frozenset(reading.excluded & reading.segments.get(name, {}).keys()),
            {one: reading.said[one] for one in reading.segments.get(name, {})},
        )
        for name in sorted(lengths)
    ]


class _Reading:
    """Collects facts row by row."""

    def __init__(self) -> None:
        self.segments: dict[str, dict[str, SegmentFacts]] = {}
        self.said: dict[str, tuple[str | None, str | None, str | None]] = {}
        self.excluded: set[str] = set()
        self._doubted: dict[str, frozenset[Place]] = {}

    def read_captions(self, corpus: Corpus, wanted: Wanted) -> None:
        for table in (Table.CAPTIONS, Table.FILTERED):
            for row in corpus.rows(table, None, wanted, CAPTIONS_STAGE) if CAPTIONS_STAGE in corpus.commits else ():
                name = str(row["segment_id"])
                if table is Table.FILTERED:
                    self.excluded.add(name)
                if doubted := doubted_places(Caption.model_validate(row)):
                    self._doubted[name] = doubted

    def read_segments(self, corpus: Corpus, wanted: Wanted) -> None:
        columns = ["segment_id", "start_ms", "end_ms", "events", "license", "language", "manifest_id"]
        for row in corpus.rows(Table.SEGMENTS, columns, wanted, SEGMENTS_STAGE):
            name, origin = str(row["segment_id"]), Origin(Table.SEGMENTS, None, "events")
            span = TimeSpan(int(str(row["start_ms"])), int(str(row["end_ms"])))
            facts = SegmentFacts(name, span)
            doubted = self._doubted.get(name, frozenset())
            if not _is_doubted(origin, doubted):
                sounds = _undoubted(tuple(_sounds(row["events"])), origin, doubted)
                facts = replace(facts, events=sounds, origins={"events": origin})
            self.segments.setdefault(str(row["recording_id"]), {})[name] = facts
            self.said[name] = (_text(row["license"]), _text(row["language"]), _text(row["manifest_id"]))

    def read_annotations(self, corpus: Corpus, stage: str, wanted: Wanted) -> None:
        table = stage.rpartition("/")[0]
        for row in corpus.rows(table, ["segment_id", "backend", *_FIELDS[table]], wanted, stage):
            mine = self.segments.get(str(row["recording_id"]), {})
            if (known := mine.get(str(row["segment_id"]))) is not None:
                mine[known.segment_id] = self._with_row(known, table, row)

    def _with_row(self, facts: SegmentFacts, table: str, row: Row) -> SegmentFacts:
        """`facts` with those of a row that no source contradicts and that no earlier row gave."""
        doubted = self._doubted.get(facts.segment_id, frozenset())
        for name, read in _FIELDS[table].items():
            origin = Origin(table, str(row["backend"]), name)
            if row[name] is None or _is_doubted(origin, doubted):
                continue
            for fact, found in read(row[name]).items():
                value = _undoubted(found, origin, doubted) if isinstance(found, tuple) else found
                is_new = fact not in facts.origins or facts.origins[fact].table == Table.SEGMENTS
                if is_new:
                    changes: dict[str, Any] = {fact: value, "origins": {**facts.origins, fact: origin}}
                    facts = replace(facts, **changes, has_turns=facts.has_turns or fact == "turns")
        return facts


def _is_doubted(origin: Origin, doubted: Collection[Place]) -> bool:
    """Whether the field is doubted as a whole, or a part of it that is not an item of a list."""
    return any(
        (place.table, place.backend) == (origin.table, origin.backend)
        and place.field.partition(".")[0] == origin.field
        and not place.field.rpartition(".")[2].isdigit()
        for place in doubted
    )


def _undoubted(items: tuple[ItemT, ...], origin: Origin, doubted: Collection[Place]) -> tuple[ItemT, ...]:
    """`items` without those that are doubted one by one."""
    return tuple(
        item
        for index, item in enumerate(items)
        if Place(origin.table, origin.backend, f"{origin.field}.{index}") not in doubted
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sounds(value: object) -> Iterator[Sound]:
    for one in value if isinstance(value, list) else ():
        event = Event.model_validate({name: one[name] for name in ("class", "label", "onset_ms", "offset_ms", "score")})
        named_by = {source["source"] for source in one.get("sources") or () if _is_akin(source["label"], event.label)}
        measured = one.get("brightness_hz"), one.get("tonal_share")
        label = event.label if len(named_by) > 1 else _surer(event.label, measured[1])
        sound_class = EventClass.SOURCE_AMBIGUOUS if label == NAMELESS else event.event_class
        yield Sound(sound_class, label, event.span, round(event.score, 4), *measured)


def _is_akin(one: str, other: str) -> bool:
    return one == other or one in broader_labels(other) or other in broader_labels(one)


def _surer(label: str, tonal_share: float | None) -> str:
    """What may be said if no two sources agree: an animal that is no mere noise by that word, and no name for what
    sounds by contact. Of narrower names too many are wrong."""
    if label == ANIMAL or ANIMAL in broader_labels(label):
        return NAMELESS if tonal_share is not None and tonal_share < _MIN_ANIMAL_TONALITY else ANIMAL
    return NAMELESS if label in sound_names() and sound_names()[label].kind in _BY_CONTACT else label


def _events(value: object) -> dict[str, Any]:
    return {"events": tuple(_sounds(value))}


def _speakers(value: object) -> dict[str, Any]:
    speakers = Speakers.model_validate(value)
    if speakers.scope != "recording":
        return {}
    turns = tuple(Spoken(turn.speaker, TimeSpan(turn.start_ms, turn.end_ms)) for turn in speakers.turns)
    return {"voices": turns, "turns": turns} if speakers.sure else {"voices": turns}


def _transcript(value: object) -> dict[str, Any]:
    transcript = Transcript.model_validate(value)
    return {"words": transcript.text} if transcript.usable_for_training and transcript.text.strip() else {}


def _key(value: object) -> dict[str, Any]:
    tonality = Tonality.model_validate(value)
    is_sure = tonality.tonic is not None and tonality.mode is not None and tonality.confidence >= MIN_KEY_CONFIDENCE
    return {"key": f"{tonality.tonic} {tonality.mode}"} if is_sure else {}


def _tempo(value: object) -> dict[str, Any]:
    rhythm = Rhythm.model_validate(value)
    is_sure = rhythm.tempo_bpm is not None and rhythm.tempo_confidence >= MIN_TEMPO_CONFIDENCE
    return {"tempo_bpm": rhythm.tempo_bpm} if is_sure else {}


def _chords(value: object) -> dict[str, Any]:
    lengths: dict[str, int] = {}
    for one in value if isinstance(value, list) else ():
        chord = Chord.model_validate(one)
        lengths[chord.label] = lengths.get(chord.label, 0) + chord.end_ms - chord.start_ms
    return {"chords": tuple(sorted(lengths.items()))} if lengths else {}


_FIELDS = {
    str(Table.SPEECH): {"speakers": _speakers, "transcript": _transcript},
    str(Table.MUSIC): {"tonality": _key, "rhythm": _tempo, "chords": _chords},
    str(Table.GENERAL): {"events": _events},
}
"""Annotation table → its fields that are read, each with what it says: facts by name."""

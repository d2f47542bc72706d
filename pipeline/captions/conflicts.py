"""Finds and resolves conflicts between the sources of a segment on one topic.

Equal readings form a side. A side wins by a rule of its topic (an octave between tempi is the same pulse, relative keys
have the same notes), by the majority of the sources, or by weight; otherwise the topic stays open and captions leave it
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from soundseam.annotators.wording.normalise import plain
from soundseam.pipeline.captions.music_results import key_words
from soundseam.pipeline.captions.priors import UNKNOWN_CONFIDENCE
from soundseam.pipeline.captions.segment_results import primary_tag
from soundseam.schemas.annotation import Annotation, MusicAnnotation, SpeechAnnotation
from soundseam.schemas.caption import Conflict, Resolution
from soundseam.schemas.music import PITCH_CLASSES, Tonality
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table

CLEARLY_STRONGER = 1.5
"""A side with this many times the weight of the next one wins."""
_SAME_TEMPO = 0.04
"""Relative tolerance of equal tempi, as in MIREX's tempo task."""
_LONGEST_SAYING = 120
_MULTIPLES = (2.0, 3.0)
_SEMITONES = {name: index for index, name in enumerate(PITCH_CLASSES)}


@dataclass(frozen=True)
class Reading:
    """One source's value for a topic."""

    source: str
    """TABLE/BACKEND/FIELD."""
    value: object
    says: str
    weight: float


@dataclass(frozen=True)
class Topic:
    """A topic on which several sources may have a value.

    `kin` says whether two readings differ only in notation; `resolution` is the name of that case.
    """

    name: str
    same: Callable[[object, object], bool]
    kin: Callable[[object, object], bool] | None = None
    resolution: Resolution = Resolution.OPEN


def settle(topic: Topic, readings: Sequence[Reading]) -> Conflict | None:
    """The conflict and its resolution; None if all readings are equal."""
    sides = _sides(topic, readings)
    if len(sides) < 2:
        return None
    best = next((side for side in sides if 2 * len(side) > len(readings)), sides[0])
    second = max((_weight(side) for side in sides if side is not best), default=0.0)
    strongest = max(best, key=lambda reading: reading.weight)
    others = [side[0] for side in sides if side is not best]
    if topic.kin is not None and all(topic.kin(strongest.value, other.value) for other in others):
        resolution = topic.resolution
    elif 2 * len(best) > len(readings):
        resolution = Resolution.MAJORITY
    elif _weight(best) >= CLEARLY_STRONGER * second:
        resolution = Resolution.STRONGER
    else:
        resolution = Resolution.OPEN
    return conflict_of(topic.name, resolution, strongest, readings, best)


def conflict_of(
    topic: str, resolution: Resolution, chosen: Reading, readings: Sequence[Reading], side: Sequence[Reading]
) -> Conflict:
    """The conflict in which `chosen` represents its `side`; in an open conflict no source counts."""
    is_open = resolution is Resolution.OPEN
    against = readings if is_open else [reading for reading in readings if reading not in side]
    return Conflict(
        topic=topic,
        resolution=resolution,
        kept=None if is_open else chosen.source,
        against=tuple(reading.source for reading in against),
        detail="; ".join(f"{reading.source}: {reading.says[:_LONGEST_SAYING]}" for reading in readings),
    )


def _sides(topic: Topic, readings: Sequence[Reading]) -> list[list[Reading]]:
    """The readings grouped by equality, the side with the most weight first."""
    sides: list[list[Reading]] = []
    for reading in readings:
        side = next((side for side in sides if topic.same(side[0].value, reading.value)), None)
        if side is None:
            sides.append([reading])
        else:
            side.append(reading)
    return sorted(sides, key=lambda side: -_weight(side))


def _weight(side: Sequence[Reading]) -> float:
    return sum(reading.weight for reading in side)


def same_tempo(one: object, other: object) -> bool:
    return _apart(one, other) <= _SAME_TEMPO


def same_pulse(one: object, other: object) -> bool:
    """Whether one tempo is two or three times the other: the same beats, counted differently."""
    return any(min(_apart(one, _times(other, n)), _apart(_times(one, n), other)) <= _SAME_TEMPO for n in _MULTIPLES)


def same_notes(one: object, other: object) -> bool:
    """Whether two keys are relative: C major and A minor."""
    if not (isinstance(one, tuple) and isinstance(other, tuple)) or one[1] == other[1]:
        return False
    minor, major = sorted((one, other), key=lambda key: key[1] != "minor")
    return (_SEMITONES[minor[0]] + 3) % 12 == _SEMITONES[major[0]]


def _apart(one: object, other: object) -> float:
    if isinstance(one, float) and isinstance(other, float) and one > 0 and other > 0:
        return max(one, other) / min(one, other) - 1
    return float("inf")


def _times(value: object, factor: float) -> object:
    return value * factor if isinstance(value, float) else value


def _equal(one: object, other: object) -> bool:
    return one == other


TEMPO = Topic("tempo", same_tempo, same_pulse, Resolution.SAME_PULSE)
KEY = Topic("key", _equal, same_notes, Resolution.SAME_NOTES)
METER = Topic("meter", _equal)
SPEAKERS = Topic("speakers", _equal)
LANGUAGE = Topic("language", _equal)


def music_conflicts(annotations: Sequence[Annotation]) -> Iterator[Conflict]:
    rows = [row for row in annotations if isinstance(row, MusicAnnotation)]
    found = (
        settle(TEMPO, list(_tempi(rows))),
        settle(KEY, list(_keys(rows))),
        settle(METER, list(_meters(rows))),
    )
    return (conflict for conflict in found if conflict is not None)


def _tempi(rows: Sequence[MusicAnnotation]) -> Iterator[Reading]:
    for row in rows:
        if row.rhythm is not None and row.rhythm.tempo_bpm is not None:
            bpm, sure = row.rhythm.tempo_bpm, row.rhythm.tempo_confidence
            yield Reading(source_of(row, "rhythm.tempo_bpm"), float(bpm), f"{bpm:g} beats a minute", sure)


def _keys(rows: Sequence[MusicAnnotation]) -> Iterator[Reading]:
    for row in rows:
        tonality = row.tonality
        if tonality is not None and tonality.tonic in _SEMITONES and tonality.mode is not None:
            yield Reading(source_of(row, "tonality.tonic"), _key(tonality), key_words(tonality), tonality.confidence)


def _key(tonality: Tonality) -> tuple[str, str]:
    return (tonality.tonic or "", str(tonality.mode))


def _meters(rows: Sequence[MusicAnnotation]) -> Iterator[Reading]:
    for row in rows:
        if row.rhythm is not None and row.rhythm.beats_per_bar is not None:
            beats, sure = row.rhythm.beats_per_bar, row.rhythm.meter_confidence
            yield Reading(source_of(row, "rhythm.beats_per_bar"), beats, f"{beats} beats to the bar", sure)


def speech_conflicts(segment: Segment, annotations: Sequence[Annotation]) -> Iterator[Conflict]:
    rows = [row for row in annotations if isinstance(row, SpeechAnnotation)]
    language, readings = _language(segment, rows), list(_counts(rows))
    found = (settle(SPEAKERS, readings), language, _transcript(rows))
    return (conflict for conflict in found if conflict is not None)


def _counts(rows: Sequence[SpeechAnnotation]) -> Iterator[Reading]:
    for row in rows:
        if row.speakers is not None:
            count = row.speakers.count
            yield Reading(source_of(row, "speakers.count"), count, f"{count} speakers", UNKNOWN_CONFIDENCE)


def _language(segment: Segment, rows: Sequence[SpeechAnnotation]) -> Conflict | None:
    """The manifest counts; if tools disagree, the majority or the more confident one."""
    readings = list(_languages(rows))
    if segment.language is None:
        return settle(LANGUAGE, readings)
    manifest = Reading(f"{Table.SEGMENTS}//language", primary_tag(segment.language), primary_tag(segment.language), 1.0)
    others = [reading for reading in readings if reading.value != manifest.value]
    if not others:
        return None
    side = [reading for reading in readings if reading.value == manifest.value]
    return conflict_of("language", Resolution.MANIFEST, manifest, [manifest, *readings], [manifest, *side])


def _languages(rows: Sequence[SpeechAnnotation]) -> Iterator[Reading]:
    for row in rows:
        said = row.transcript
        if said is not None and said.text and said.language is not None:
            tag, sure = primary_tag(said.language), said.language_probability
            yield Reading(source_of(row, "transcript.language"), tag, tag, UNKNOWN_CONFIDENCE if sure is None else sure)
        if row.language is not None:
            sure = row.language.text_confidence
            weight = UNKNOWN_CONFIDENCE if sure is None else sure
            for name in ("from_audio", "from_text"):
                if language := getattr(row.language, name):
                    yield Reading(
                        source_of(row, f"language.{name}"), primary_tag(language), primary_tag(language), weight
                    )


def agreed_transcript(annotations: Sequence[Annotation]) -> SpeechAnnotation | None:
    """The row whose transcript may be quoted: one that systems agreed on if any were compared, else one that is usable
    for training and contradicted by no other."""
    rows = [row for row in annotations if isinstance(row, SpeechAnnotation)]
    compared = [row for row in rows if row.agreement is not None]
    usable = [row for row in compared or rows if _is_usable(row)]
    if not usable or (not compared and len({_said(row) for row in usable}) > 1):
        return None
    return usable[0]


def _transcript(rows: Sequence[SpeechAnnotation]) -> Conflict | None:
    usable = [row for row in rows if _is_usable(row)]
    readings = [Reading(source_of(row, "transcript.text"), _said(row), repr(_said(row)), 1.0) for row in usable]
    if len({reading.value for reading in readings}) < 2:
        return None
    agreed = agreed_transcript(rows)
    if agreed is None:
        return conflict_of("transcript", Resolution.OPEN, readings[0], readings, [])
    chosen = next(reading for reading in readings if reading.source == source_of(agreed, "transcript.text"))
    side = [reading for reading in readings if reading.value == chosen.value]
    return conflict_of("transcript", Resolution.AGREED, chosen, readings, side)


def _is_usable(row: SpeechAnnotation) -> bool:
    return row.transcript is not None and row.transcript.usable_for_training and bool(row.transcript.text.strip())


def _said(row: SpeechAnnotation) -> str:
    return " ".join(plain(row.transcript.text).split()) if row.transcript is not None else ""


def source_of(row: Annotation, field: str) -> str:
    return f"{annotation_table(row.branch)}/{row.backend}/{field}"

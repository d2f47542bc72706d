"""What was measured of the music, and which sentences of a description gainsay it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annotators.music.key import PITCH_CLASSES
from annotators.wording.names import keys_in
from schemas.annotation import Annotation, MusicAnnotation
from schemas.event import EventClass
from schemas.music import Contradiction, Topic
from schemas.segment import Segment
from schemas.tag import TagKind

SURE_TEMPO, SURE_KEY, SURE_TAG = 0.3, 0.5, 0.6
"""Confidences from which a measure counts against a model's word."""
SURE_SINGING_SHARE = 0.2
TOLERANCE = 0.08
"""As MIREX's tempo P-score allows."""
_OCTAVES = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)

_BPM = re.compile(r"\b(\d{2,3}(?:\.\d+)?)\s*(?:bpm|beats (?:a|per) minute)\b", re.IGNORECASE)
_SINGS = re.compile(
    r"\b(?:vocals?|vocalists?|singers?|sings?|singing(?! (?:tone|quality|line|melody))|sung|lyrics?|choir|"
    r"rapper|rapping)\b",
    re.IGNORECASE,
)
_SINGS_NOT = re.compile(
    r"\b(?:no|without(?: any)?|lacks?|lacking|absence of|free of|not)\s+(?:\w+\s+){0,2}"
    r"(?:vocals?|vocalists?|singers?|singing|lyrics|voices?)\b|\b(?:purely |entirely |fully )?instrumental\b",
    re.IGNORECASE,
)
_SINGER_TAGS = re.compile(r"\b(?:sing\w*|vocals?|vocalist|choir|rap)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Measured:
    """Values that are sure enough to count, each with the backend that measured it; None for what is not known."""

    tempo_bpm: tuple[float, str] | None = None
    key: tuple[int, str, str] | None = None
    """Semitones over C, mode, backend."""
    vocals: tuple[bool, str] | None = None


def measured_of(segment: Segment, annotations: Sequence[Annotation], hears_singing: bool) -> Measured:
    """`hears_singing` says whether the detectors tell singing from music, so that none heard is none."""
    rows = [row for row in annotations if isinstance(row, MusicAnnotation)]
    rhythms = [(row.rhythm, row.backend) for row in rows if row.rhythm is not None]
    tempi = [
        (rhythm.tempo_bpm, backend)
        for rhythm, backend in rhythms
        if rhythm.tempo_bpm is not None and rhythm.tempo_confidence >= SURE_TEMPO
    ]
    keys = [
        (PITCH_CLASSES.index(row.tonality.tonic), row.tonality.mode.value, row.backend)
        for row in rows
        if row.tonality and row.tonality.tonic and row.tonality.mode and row.tonality.confidence >= SURE_KEY
    ]
    return Measured(
        tempo_bpm=tempi[0] if tempi else None,
        key=keys[0] if keys else None,
        vocals=_vocals(segment, rows, hears_singing),
    )


def _vocals(segment: Segment, rows: Sequence[MusicAnnotation], hears_singing: bool) -> tuple[bool, str] | None:
    share = sum(entry.share for entry in segment.profile if entry.event_class is EventClass.SINGING)
    if share >= SURE_SINGING_SHARE:
        return True, "profile"
    for row in rows:
        if row.lyrics is not None:
            return True, row.backend
        for tag in row.tags or ():
            is_singer = tag.kind is TagKind.INSTRUMENT and _SINGER_TAGS.search(tag.label)
            if is_singer and tag.score >= SURE_TAG:
                return True, row.backend
    return (False, "profile") if hears_singing and share == 0 else None


def contradiction(text: str, measured: Measured) -> Contradiction | None:
    """The first thing that `text`, a sentence, says against the measures; None where it says nothing of the kind."""
    return next(_contradictions(text, measured), None)


def _contradictions(text: str, measured: Measured) -> Iterator[Contradiction]:
    if measured.tempo_bpm is not None:
        true, backend = measured.tempo_bpm
        if any(not same_pulse(float(match[1]), true) for match in _BPM.finditer(text)):
            yield Contradiction(topic=Topic.TEMPO, said=text, measured=f"{round(true)} beats a minute", backend=backend)
    if measured.key is not None:
        tonic, mode, backend = measured.key
        if any((found_tonic, found_mode) != (tonic, mode) for found_tonic, found_mode in keys_in(text)):
            yield Contradiction(topic=Topic.KEY, said=text, measured=f"{PITCH_CLASSES[tonic]} {mode}", backend=backend)
    if measured.vocals is not None:
        sings, backend = measured.vocals
        said = says_vocals(text)
        if said is not None and said != sings:
            yield Contradiction(
                topic=Topic.VOCALS, said=text, measured="singing" if sings else "no singing", backend=backend
            )


def same_pulse(one_bpm: float, other_bpm: float) -> bool:
    """Whether the tempi are one, or one is twice or three times the other, which a listener may tap as well."""
    return any(abs(one_bpm / (factor * other_bpm) - 1) <= TOLERANCE for factor in _OCTAVES)


def says_vocals(text: str) -> bool | None:
    """Whether a sentence says that somebody sings, or that nobody does; None where it says neither."""
    if _SINGS_NOT.search(text):
        return False
    return True if _SINGS.search(text) else None

"""A description of the music by an audio-language model, checked against measurements: `music_description`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import Clip
from soundseam.annotators.chat.questions import Sampling
from soundseam.annotators.chat.served import (
    CheckedQuestion,
    Parsed,
    RecordAnnotator,
    ServedAnnotator,
    ServedBackend,
    flac_of,
    model_claim,
)
from soundseam.annotators.grammar.engine import caption_text
from soundseam.annotators.grammar.music_character import SURE_KEY, SURE_TEMPO
from soundseam.annotators.prompts import SERVED
from soundseam.annotators.wording.names import keys_in
from soundseam.annotators.wording.prose import word_problems
from soundseam.schemas.annotation import Annotation, MusicAnnotation
from soundseam.schemas.event import Branch, EventClass, TagKind
from soundseam.schemas.music import PITCH_CLASSES, Contradiction, MusicDescription, MusicFacts, Topic
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

SURE_TAG = 0.6
"""Minimum confidences of measurements that overrule a model."""
SURE_SINGING_SHARE = 0.2
TOLERANCE = 0.08
"""The tolerance of MIREX's tempo P-score."""
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
    """Confident measurements, each with its backend; None if unknown."""

    tempo_bpm: tuple[float, str] | None = None
    key: tuple[int, str, str] | None = None
    """Semitones over C, mode, backend."""
    vocals: tuple[bool, str] | None = None


def measured_of(segment: Segment, annotations: Sequence[Annotation], detects_singing: bool) -> Measured:
    """`detects_singing`: the detectors distinguish singing from music, so that no detected singing means that nobody
    sings.
    """
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
        vocals=_vocals(segment, rows, detects_singing),
    )


def _vocals(segment: Segment, rows: Sequence[MusicAnnotation], detects_singing: bool) -> tuple[bool, str] | None:
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
    return (False, "profile") if detects_singing and share == 0 else None


def contradiction(text: str, measured: Measured) -> Contradiction | None:
    """The first contradiction between `text`, a sentence, and the measurements; None if there is none."""
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
    """Whether the tempi are equal, or one is twice or three times the other, which a listener may also tap."""
    return any(abs(one_bpm / (factor * other_bpm) - 1) <= TOLERANCE for factor in _OCTAVES)


def says_vocals(text: str) -> bool | None:
    """True if a sentence says that somebody sings, False if it says that nobody does; None if it says neither."""
    if _SINGS_NOT.search(text):
        return False
    return True if _SINGS.search(text) else None


PARTS = ("style_and_tempo", "tonality_and_harmony", "instruments", "structure", "mood")
MAX_WORDS = 60
"""Maximum number of words per part."""
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")


class DescribedMusic(Record):
    """What a model answers."""

    style_and_tempo: str = Field(min_length=1, max_length=500)
    tonality_and_harmony: str = Field(min_length=1, max_length=500)
    instruments: str = Field(min_length=1, max_length=500)
    structure: str = Field(min_length=1, max_length=500)
    mood: str = Field(min_length=1, max_length=500)
    tempo_bpm: float | None = Field(ge=20.0, le=400.0)
    key: str | None = Field(max_length=20)
    vocals: bool


class DescribeMusic(ServedBackend[MusicFacts]):
    """Style and tempo, tonality and harmony, instruments, structure and mood by a model; statements that contradict
    measurements of earlier backends are marked and left out."""

    kind: Literal["music_description"] = "music_description"
    detectors_hear_singing: bool = False
    """True if a detector of the configuration distinguishes singing from music: then missing singing contradicts
    vocals.
    """
    sampling: Sampling = Sampling(max_tokens=1_024)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.MUSIC
    reads_annotations: ClassVar[bool] = True
    prompts: ClassVar[tuple[str, ...]] = ("music_description", "music_description_system")

    def load(self) -> ServedAnnotator[MusicFacts]:
        self.check_available()
        return MusicDescriber(self)


@dataclass(frozen=True)
class MeasuredSegment:
    """A segment and the measurements of its music."""

    segment: Segment
    measured: Measured


class MusicDescriber(RecordAnnotator[MusicFacts, MeasuredSegment, DescribedMusic]):
    """The annotator of `DescribeMusic`."""

    def __init__(self, backend: DescribeMusic) -> None:
        super().__init__(backend.server, DescribedMusic)
        self._backend = backend

    def prepare(self, clip: Clip) -> MeasuredSegment:
        measured = measured_of(clip.segment, clip.annotations, self._backend.detectors_hear_singing)
        return MeasuredSegment(clip.segment, measured)

    def question(self, clip: Clip, known: MeasuredSegment) -> CheckedQuestion:
        return CheckedQuestion(
            text=SERVED.text("music_description"),
            audio=(flac_of(clip),),
            system=SERVED.text("music_description_system"),
            sampling=self._backend.sampling,
            about=known.segment.recording_id,
            check=answer_problems,
        )

    def facts(self, parsed: Parsed[DescribedMusic], known: MeasuredSegment) -> MusicFacts:
        description = checked_against(parsed.record, known.measured, parsed.answer.text)
        claims = tuple(
            model_claim(text, Table.MUSIC, known.segment, self._backend.backend, f"description.{part}")
            for part in PARTS
            if (text := getattr(description, part)) is not None
        )
        return MusicFacts(description=description, caption=caption_text(claims) or None, caption_claims=claims)


def answer_problems(record: Record) -> Iterator[str]:
    """Problems of an answer, one clause each."""
    assert isinstance(record, DescribedMusic)
    for part in PARTS:
        text = " ".join(str(getattr(record, part)).split())
        for problem in word_problems(_without_tempo(text), MAX_WORDS):
            yield f"{part}: {problem}"
    if record.key is not None and not any(keys_in(_plain_key(record.key))):
        yield f"key: {record.key!r} is not a key such as A minor"


def checked_against(described: DescribedMusic, measured: Measured, answer: str) -> MusicDescription:
    """`described` without the sentences and values that contradict the measurements, which become contradictions."""
    found: list[Contradiction] = []
    parts = {part: _what_stands(str(getattr(described, part)), measured, found) for part in PARTS}
    values: Mapping[str, str] = {
        "tempo_bpm": "" if described.tempo_bpm is None else f"{described.tempo_bpm:g} bpm",
        "key": _plain_key(described.key or ""),
        "vocals": "vocals" if described.vocals else "no vocals",
    }
    wrong = {name: contradiction(value, measured) for name, value in values.items() if value}
    found += [one for one in wrong.values() if one is not None]
    return MusicDescription(
        style_and_tempo=parts["style_and_tempo"],
        tonality_and_harmony=parts["tonality_and_harmony"],
        instruments=parts["instruments"],
        structure=parts["structure"],
        mood=parts["mood"],
        tempo_bpm=None if wrong.get("tempo_bpm") else described.tempo_bpm,
        key=None if wrong.get("key") else described.key,
        vocals=None if wrong.get("vocals") else described.vocals,
        contradictions=tuple(found),
        answer=answer,
    )


def _what_stands(text: str, measured: Measured, found: list[Contradiction]) -> str | None:
    """`text` without the sentences that contradict the measurements, which are added to `found`; None if nothing is
    left.
    """
    remaining = []
    for sentence in _BETWEEN_SENTENCES.split(" ".join(text.split())):
        against = contradiction(sentence, measured)
        if against is None:
            remaining.append(sentence)
        else:
            found.append(against)
    return _whole(" ".join(remaining)) if any(remaining) else None


def _plain_key(key: str) -> str:
    """The key with a capital tonic and a mode in lower case, as in sentences."""
    words = key.split()
    return " ".join([words[0][:1].upper() + words[0][1:], *(word.lower() for word in words[1:])]) if words else ""


def _without_tempo(text: str) -> str:
    """`text` with bpm as "beats a minute", which is allowed here although it is a technical term in captions."""
    return re.sub(r"\b(?:bpm|beats per minute)\b", "beats a minute", text, flags=re.IGNORECASE)


def _whole(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."

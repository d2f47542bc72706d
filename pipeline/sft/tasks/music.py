"""Questions about music: tempo, meter, key, chords, structure, instruments and lyrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.speech.transcripts import sentences_of
from soundseam.pipeline.sft.answers import TimedText, exact, labels, number
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade, text_turn, timed_turn
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.tasks.sounds import MIN_SCORE
from soundseam.pipeline.sft.transcripts import timed_texts
from soundseam.pipeline.sft.words import Words
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import EventClass, Tag, TagKind
from soundseam.schemas.music import PITCH_CLASSES, Mode, Section, key_name, key_spellings
from soundseam.schemas.timespan import covered_ms

_RIVAL_RATIOS = (0.72, 1.38, 0.82, 1.24)
"""Ratios of wrong tempi: not close to half or double, which a listener may rightly tap."""
_FIFTH, _RELATIVE = 7, 9


class TempoTask(SegmentTask):
    """Eligible: a clear, steady pulse."""

    task: Literal["tempo"] = "tempo"
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of the tempo")
    tolerance_share: float = Field(default=0.04, ge=0.0, description="as in the tempo score of MIREX")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:rhythm.tempo_bpm",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "rhythm")
        rhythm = row.rhythm if row is not None else None
        if rhythm is None or rhythm.tempo_bpm is None or rhythm.tempo_confidence < self.min_confidence:
            return
        evidence = material.cite(row, "rhythm.tempo_bpm", "rhythm.tempo_confidence")
        yield QuestionDraft("bpm", evidence, grade(2), partial(_tempo_turn, rhythm.tempo_bpm, self.tolerance_share))


def _tempo_turn(tempo_bpm: float, tolerance_share: float, words: Words) -> Wording:
    return Wording(
        words.say("question"),
        words.say("answer", bpm=f"{tempo_bpm:.0f}"),
        number(tempo_bpm, tolerance_share * tempo_bpm, "bpm"),
        rivals=tuple(f"{tempo_bpm * ratio:.0f}" for ratio in _RIVAL_RATIOS),
    )


class MeterTask(SegmentTask):
    """Eligible: a steady pulse and a clear meter."""

    task: Literal["meter"] = "meter"
    min_tempo_confidence: float = Field(
        alias="least_tempo_confidence", default=0.5, ge=0.0, le=1.0, description="of the tempo"
    )
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of the bar")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:rhythm.beats_per_bar",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "rhythm")
        rhythm = row.rhythm if row is not None else None
        if rhythm is None or rhythm.beats_per_bar is None:
            return
        if rhythm.meter_confidence >= self.min_confidence and rhythm.tempo_confidence >= self.min_tempo_confidence:
            evidence = material.cite(row, "rhythm.beats_per_bar", "rhythm.meter_confidence")
            yield QuestionDraft("beats", evidence, grade(2), partial(_meter_turn, rhythm.beats_per_bar))


def _meter_turn(beats: int, words: Words) -> Wording:
    rivals = tuple(str(other) for other in (2, 3, 4, 5) if other != beats)
    return Wording(words.say("question"), words.say("answer", beats=str(beats)), number(beats, 0, None), rivals=rivals)


class KeyTask(SegmentTask):
    """Eligible: a key that is clearly better than the next."""

    task: Literal["key"] = "key"
    min_confidence: float = Field(
        alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="minimum confidence of the key"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tonality",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "tonality")
        tonality = row.tonality if row is not None else None
        if tonality is None or tonality.tonic not in PITCH_CLASSES or tonality.mode is None:
            return
        if tonality.confidence >= self.min_confidence:
            evidence = material.cite(row, "tonality.tonic", "tonality.mode", "tonality.confidence")
            yield QuestionDraft("key", evidence, grade(2), partial(_key_turn, tonality.tonic, tonality.mode))


def _key_turn(tonic: str, mode: Mode, words: Words) -> Wording:
    name, *also = key_spellings(tonic, mode, words.language)
    return Wording(
        words.say("question"),
        words.say("answer", key=name),
        exact(name, *also),
        rivals=tuple(key_name(other, its_mode, words.language) for other, its_mode in _neighbours(tonic, mode)),
    )


def _neighbours(tonic: str, mode: Mode) -> tuple[tuple[str, Mode], ...]:
    """Keys with which a key is easily confused: the fifths above and below, the parallel, the relative key."""
    degree = PITCH_CLASSES.index(tonic)
    other = Mode.MINOR if mode is Mode.MAJOR else Mode.MAJOR
    relative = (degree + _RELATIVE) if mode is Mode.MAJOR else (degree - _RELATIVE)
    return (
        (PITCH_CLASSES[(degree + _FIFTH) % 12], mode),
        (PITCH_CLASSES[relative % 12], other),
        (PITCH_CLASSES[(degree - _FIFTH) % 12], mode),
        (tonic, other),
    )


class ChordsTask(SegmentTask):
    """Eligible: several chords, all of them confident."""

    task: Literal["chords"] = "chords"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of every chord")
    max_chords: int = Field(
        alias="most_chords", default=32, ge=1, description="a longer list is too much for a listener"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:chords",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "chords")
        chords = row.chords if row is not None else None
        if not chords or not 2 <= len(chords) <= self.max_chords:
            return
        if all(chord.confidence >= self.min_confidence for chord in chords):
            entries = tuple(material.timed(chord.start_ms, chord.end_ms, chord.label) for chord in chords)
            turn = partial(timed_turn, "chord", entries, self.tolerance_ms)
            yield QuestionDraft("timed", material.cite(row, "chords"), grade(2, timed=True), turn)


class StructureTask(SegmentTask):
    """Eligible: at least two parts, none of them short, in a clip long enough to have a structure, with hardly any
    speech over the music, which can look like another part. Parts are lettered again from A, since the piece before the
    clip is unknown to the listener.
    """

    task: Literal["structure"] = "structure"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    tolerance_ms: int = Field(default=500, ge=0, description="allowed difference of an edge from the reference")
    max_speech_share: float = Field(
        alias="most_speech_share",
        default=0.2,
        ge=0.0,
        le=1.0,
        description="maximum share of speech in the segment's time",
    )
    min_part_ms: int = Field(
        default=3000, ge=0, description="minimum length of every part: a listener would not notice a shorter one"
    )
    min_clip_ms: int = Field(
        default=15000, ge=0, description="minimum length of the clip: a shorter one has no structure"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:sections",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "sections")
        sections = row.sections if row is not None else None
        if sections and self._has_form(material, sections):
            turn = partial(timed_turn, "part", _lettered(material, sections), self.tolerance_ms)
            yield QuestionDraft("timed", material.cite(row, "sections"), grade(2, timed=True), turn)

    def _has_form(self, material: Material, sections: Sequence[Section]) -> bool:
        return (
            len({section.label for section in sections}) > 1
            and material.duration_ms >= self.min_clip_ms
            and all(section.end_ms - section.start_ms >= self.min_part_ms for section in sections)
            and _speech_share(material) <= self.max_speech_share
        )


def _speech_share(material: Material) -> float:
    spoken = (sighting.span for sighting in material.sightings if sighting.event.event_class is EventClass.SPEECH)
    return covered_ms(spoken) / max(material.duration_ms, 1)


def _lettered(material: Material, sections: Sequence[Section]) -> tuple[TimedText, ...]:
    """The parts, with letters from A in order of first appearance in the clip."""
    names = list(dict.fromkeys(section.label for section in sections))
    letters = {name: chr(ord("A") + index % 26) * (index // 26 + 1) for index, name in enumerate(names)}
    return tuple(
        material.timed(
            section.start_ms,
            section.end_ms,
            f"{letters[section.label]} ({section.function})" if section.function else letters[section.label],
        )
        for section in sections
    )


class InstrumentsTask(SegmentTask):
    """Eligible: tags of instruments, none of them doubtful, from any source, since a list must be complete."""

    task: Literal["instruments"] = "instruments"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_score: float = Field(
        alias="least_score",
        default=MIN_SCORE,
        ge=0.0,
        le=1.0,
        description="minimum score of every tag of an instrument",
    )
    max_instruments: int = Field(
        alias="most_instruments", default=5, ge=1, description="a longer list is too much for a listener"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tags (instruments)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        found = list(_instruments(material))
        names = list(dict.fromkeys(tag.label for tag, _ in found))
        if 1 <= len(names) <= self.max_instruments and all(tag.score >= self.min_score for tag, _ in found):
            evidence = tuple(one for _, evidence in found for one in evidence)
            yield QuestionDraft("list", evidence, grade(len(names)), partial(_instruments_turn, names))


def _instruments(material: Material) -> Iterator[tuple[Tag, tuple[Evidence, ...]]]:
    """Every tag of an instrument in all rows, by descending score in each."""
    for row in material.all(MusicAnnotation):
        for index, tag in enumerate(row.tags or ()):
            if tag.kind is TagKind.INSTRUMENT:
                yield tag, material.cite(row, f"tags.{index}.label", f"tags.{index}.score")


def _instruments_turn(found: Sequence[str], words: Words) -> Wording:
    names = [words.instrument(label) for label in found]
    return Wording(words.say("question"), words.say("answer", names=words.listing(names)), labels(names))


class LyricsTask(SegmentTask):
    """Eligible: lyrics that are usable for training according to their row; with times, if every line has a time inside
    the segment."""

    task: Literal["lyrics"] = "lyrics"
    tolerance_ms: int = Field(default=500, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:lyrics (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "lyrics")
        lyrics = row.lyrics if row is not None else None
        if lyrics is None or not lyrics.usable_for_training or not lyrics.text.strip():
            return
        evidence = material.cite(row, "lyrics.text", "lyrics.usable_for_training")
        yield QuestionDraft("plain", evidence, grade(2), partial(text_turn, lyrics.text.strip()))
        entries = timed_texts(material, sentences_of(lyrics.words))
        if entries:
            evidence = (*evidence, *material.cite(row, "lyrics.words"))
            turn = partial(timed_turn, "line", entries, self.tolerance_ms)
            yield QuestionDraft("timed", evidence, grade(2, timed=True), turn)

"""How many beats a bar has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import TimedText, exact, number, spans
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.words import Words
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.music import PITCH_CLASSES, Chord, Mode, key_name, key_spellings


class ChordsTask(SegmentTask):
    """Eligible: several chords, each of them sure."""

    task: Literal["chords"] = "chords"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of every chord")
    max_chords: int = Field(
        alias="most_chords", default=32, ge=1, description="a longer list is no question for a listener"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:chords",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "chords")
        chords = row.chords if row is not None else None
        if row is None or not chords or not 2 <= len(chords) <= self.max_chords:
            return
        if all(chord.confidence >= self.min_confidence for chord in chords):
            yield QuestionDraft(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "chords"),
                difficulty=grade(2, timed=True),
                turn=partial(_chords_turn, _entries(material, chords), self.tolerance_ms),
            )


def _entries(material: Material, chords: Sequence[Chord]) -> tuple[TimedText, ...]:
    return tuple(
        TimedText(
            segment_start_ms=material.in_clip(chord.start_ms),
            segment_end_ms=material.in_clip(chord.end_ms),
            text=chord.label,
        )
        for chord in chords
    )


def _chords_turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Wording:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="chord"))
    return Wording(question, text, spans(entries, text, tolerance_ms))


_FIFTH, _RELATIVE = 7, 9


class KeyTask(SegmentTask):
    """Eligible: a key that stands clearly over the next."""

    task: Literal["key"] = "key"
    min_confidence: float = Field(
        alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="how far the key stands over the next"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tonality",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "tonality")
        tonality = row.tonality if row is not None else None
        if tonality is None or tonality.tonic not in PITCH_CLASSES or tonality.mode is None:
            return
        if tonality.confidence >= self.min_confidence:
            yield QuestionDraft(
                kind="key",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "tonality.tonic", "tonality.mode", "tonality.confidence"),
                difficulty=grade(2),
                turn=partial(_key_turn, tonality.tonic, tonality.mode),
            )


def _key_turn(tonic: str, mode: Mode, words: Words) -> Wording:
    name, *also = key_spellings(tonic, mode, words.language)
    return Wording(
        words.say("question"),
        words.say("answer", key=name),
        exact(name, *also),
        rivals=tuple(key_name(other, its_mode, words.language) for other, its_mode in _neighbours(tonic, mode)),
    )


def _neighbours(tonic: str, mode: Mode) -> tuple[tuple[str, Mode], ...]:
    """What a key is easily taken for: the fifths above and below, the parallel, the relative key."""
    degree = PITCH_CLASSES.index(tonic)
    other = Mode.MINOR if mode is Mode.MAJOR else Mode.MAJOR
    relative = (degree + _RELATIVE) if mode is Mode.MAJOR else (degree - _RELATIVE)
    return (
        (PITCH_CLASSES[(degree + _FIFTH) % 12], mode),
        (PITCH_CLASSES[relative % 12], other),
        (PITCH_CLASSES[(degree - _FIFTH) % 12], mode),
        (tonic, other),
    )


_RIVAL_RATIOS = (0.72, 1.38, 0.82, 1.24)
"""Not near a half or a double, which a listener may rightly tap."""


class TempoTask(SegmentTask):
    """Eligible: a steady pulse that stands out."""

    task: Literal["tempo"] = "tempo"
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of the tempo")
    tolerance_share: float = Field(default=0.04, ge=0.0, description="as in the tempo score of MIREX")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:rhythm.tempo_bpm",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "rhythm")
        if row is None or row.rhythm is None or row.rhythm.tempo_bpm is None:
            return
        if row.rhythm.tempo_confidence >= self.min_confidence:
            yield QuestionDraft(
                kind="bpm",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "rhythm.tempo_bpm", "rhythm.tempo_confidence"),
                difficulty=grade(2),
                turn=partial(_tempo_turn, row.rhythm.tempo_bpm, self.tolerance_share),
            )


def _tempo_turn(tempo_bpm: float, tolerance_share: float, words: Words) -> Wording:
    bpm = f"{tempo_bpm:.0f}"
    rivals = tuple(f"{tempo_bpm * ratio:.0f}" for ratio in _RIVAL_RATIOS)
    return Wording(
        words.say("question"),
        words.say("answer", bpm=bpm),
        number(tempo_bpm, tolerance_share * tempo_bpm, "bpm"),
        rivals=rivals,
    )


class MeterTask(SegmentTask):
    """Eligible: a steady pulse and a bar that stands out."""

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
            yield QuestionDraft(
                kind="beats",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "rhythm.beats_per_bar", "rhythm.meter_confidence"),
                difficulty=grade(2),
                turn=partial(_meter_turn, rhythm.beats_per_bar),
            )


def _meter_turn(beats: int, words: Words) -> Wording:
    return Wording(
        words.say("question"),
        words.say("answer", beats=str(beats)),
        number(beats, 0, None),
        rivals=tuple(str(other) for other in (2, 3, 4, 5) if other != beats),
    )

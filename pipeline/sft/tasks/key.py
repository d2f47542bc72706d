"""The key of the music."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import exact
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.words import Words
from schemas.annotation import MusicAnnotation
from schemas.music import Mode

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
_FIFTH, _RELATIVE = 7, 9


class KeyTask(SegmentTask):
    """Eligible: a key that stands clearly over the next."""

    task: Literal["key"] = "key"
    least_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="how far the key stands over the next")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tonality",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "tonality")
        tonality = row.tonality if row is not None else None
        if tonality is None or tonality.tonic not in TONICS or tonality.mode is None:
            return
        if tonality.confidence >= self.least_confidence:
            yield Ask(
                kind="key",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "tonality.tonic", "tonality.mode", "tonality.confidence"),
                difficulty=grade(2),
                turn=partial(_turn, tonality.tonic, tonality.mode),
            )


def key_name(tonic: str, mode: Mode, words: Words) -> str:
    return words.of("key", "key").say(mode.value, tonic=tonic)


def _turn(tonic: str, mode: Mode, words: Words) -> Turn:
    name = key_name(tonic, mode, words)
    also = (key_name(_FLATS[tonic], mode, words),) if tonic in _FLATS else ()
    return Turn(
        words.say("question"),
        words.say("answer", key=name),
        exact(name, *also),
        rivals=tuple(key_name(other, its_mode, words) for other, its_mode in _neighbours(tonic, mode)),
    )


def _neighbours(tonic: str, mode: Mode) -> tuple[tuple[str, Mode], ...]:
    """What a key is easily taken for: the fifths above and below, the parallel, the relative key."""
    degree = TONICS.index(tonic)
    other = Mode.MINOR if mode is Mode.MAJOR else Mode.MAJOR
    relative = (degree + _RELATIVE) if mode is Mode.MAJOR else (degree - _RELATIVE)
    return (
        (TONICS[(degree + _FIFTH) % 12], mode),
        (TONICS[relative % 12], other),
        (TONICS[(degree - _FIFTH) % 12], mode),
        (tonic, other),
    )

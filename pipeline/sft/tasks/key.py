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
from schemas.music import PITCH_CLASSES, Mode, key_name, key_spellings

_FIFTH, _RELATIVE = 7, 9


class KeyTask(SegmentTask):
    """Eligible: a key that stands clearly over the next."""

    task: Literal["key"] = "key"
    least_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="how far the key stands over the next")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tonality",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "tonality")
        tonality = row.tonality if row is not None else None
        if tonality is None or tonality.tonic not in PITCH_CLASSES or tonality.mode is None:
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


def _turn(tonic: str, mode: Mode, words: Words) -> Turn:
    name, *also = key_spellings(tonic, mode, words.language)
    return Turn(
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

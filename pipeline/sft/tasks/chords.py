"""The chords of the music with their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import spans
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.timestamps import TimedText
from pipeline.sft.words import Words
from schemas.annotation import MusicAnnotation
from schemas.music import Chord


class ChordsTask(SegmentTask):
    """Eligible: several chords, each of them sure."""

    task: Literal["chords"] = "chords"
    most_per_segment: int = 1
    least_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="of every chord")
    most_chords: int = Field(default=32, ge=1, description="a longer list is no question for a listener")
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:chords",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "chords")
        chords = row.chords if row is not None else None
        if row is None or not chords or not 2 <= len(chords) <= self.most_chords:
            return
        if all(chord.confidence >= self.least_confidence for chord in chords):
            yield Ask(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "chords"),
                difficulty=grade(2, timed=True),
                turn=partial(_turn, _entries(material, chords), self.tolerance_ms),
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


def _turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Turn:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="chord"))
    return Turn(question, text, spans(entries, text, tolerance_ms))

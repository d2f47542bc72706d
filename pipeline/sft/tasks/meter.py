"""How many beats a bar has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import number
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.words import Words
from schemas.annotation import MusicAnnotation


class MeterTask(SegmentTask):
    """Eligible: a steady pulse and a bar that stands out."""

    task: Literal["meter"] = "meter"
    least_tempo_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="of the tempo")
    least_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="of the bar")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:rhythm.beats_per_bar",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "rhythm")
        rhythm = row.rhythm if row is not None else None
        if rhythm is None or rhythm.beats_per_bar is None:
            return
        if rhythm.meter_confidence >= self.least_confidence and rhythm.tempo_confidence >= self.least_tempo_confidence:
            yield Ask(
                kind="beats",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "rhythm.beats_per_bar", "rhythm.meter_confidence"),
                difficulty=grade(2),
                turn=partial(_turn, rhythm.beats_per_bar),
            )


def _turn(beats: int, words: Words) -> Turn:
    return Turn(
        words.say("question"),
        words.say("answer", beats=str(beats)),
        number(beats, 0, None),
        rivals=tuple(str(other) for other in (2, 3, 4, 5) if other != beats),
    )

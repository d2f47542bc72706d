"""How fast the music is."""

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

_RIVAL_RATIOS = (0.72, 1.38, 0.82, 1.24)
"""Not near a half or a double, which a listener may rightly tap."""


class TempoTask(SegmentTask):
    """Eligible: a steady pulse that stands out."""

    task: Literal["tempo"] = "tempo"
    least_confidence: float = Field(default=0.5, ge=0.0, le=1.0, description="of the tempo")
    tolerance_share: float = Field(default=0.04, ge=0.0, description="as in the tempo score of MIREX")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:rhythm.tempo_bpm",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "rhythm")
        if row is None or row.rhythm is None or row.rhythm.tempo_bpm is None:
            return
        if row.rhythm.tempo_confidence >= self.least_confidence:
            yield Ask(
                kind="bpm",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "rhythm.tempo_bpm", "rhythm.tempo_confidence"),
                difficulty=grade(2),
                turn=partial(_turn, row.rhythm.tempo_bpm, self.tolerance_share),
            )


def _turn(tempo_bpm: float, tolerance_share: float, words: Words) -> Turn:
    bpm = f"{tempo_bpm:.0f}"
    rivals = tuple(f"{tempo_bpm * ratio:.0f}" for ratio in _RIVAL_RATIOS)
    return Turn(
        words.say("question"),
        words.say("answer", bpm=bpm),
        number(tempo_bpm, tolerance_share * tempo_bpm, "bpm"),
        rivals=rivals,
    )

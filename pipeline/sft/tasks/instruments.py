"""Which instruments and voices make the music."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import labels
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.sounds import LEAST_SCORE
from pipeline.sft.words import Words
from schemas.annotation import MusicAnnotation
from schemas.claim import Evidence
from schemas.tag import Tag, TagKind


class InstrumentsTask(SegmentTask):
    """Eligible: tags of instruments none of which is in doubt, whoever gave them, since a list must be complete."""

    task: Literal["instruments"] = "instruments"
    most_per_segment: int = 1
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every tag of an instrument")
    most_instruments: int = Field(default=5, ge=1, description="a longer list is no question for a listener")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tags (instruments)",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        found = list(_instruments(material))
        names = list(dict.fromkeys(tag.label for tag, _ in found))
        if 1 <= len(names) <= self.most_instruments and all(tag.score >= self.least_score for tag, _ in found):
            yield Ask(
                kind="list",
                topic="",
                fact="",
                materials=(material,),
                evidence=tuple(one for _, evidence in found for one in evidence),
                difficulty=grade(len(names)),
                turn=partial(_turn, names),
            )


def _instruments(material: Material) -> Iterator[tuple[Tag, tuple[Evidence, ...]]]:
    """Every tag of an instrument, of all rows, surest first in each."""
    for row in material.all(MusicAnnotation):
        for index, tag in enumerate(row.tags or ()):
            if tag.kind is TagKind.INSTRUMENT:
                yield tag, material.cite(row, f"tags.{index}.label", f"tags.{index}.score")


def _turn(found: Sequence[str], words: Words) -> Turn:
    names = [words.instrument(label) for label in found]
    return Turn(words.say("question"), words.say("answer", names=words.listing(names)), labels(names))

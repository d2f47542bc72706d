"""The parts of the music's form with their times."""

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
from schemas.event import EventClass
from schemas.music import Section
from schemas.timespan import covered_ms


class StructureTask(SegmentTask):
    """Eligible: two parts or more, none of them short, in a clip long enough to have a form, with hardly any speech
    over the music, which can look like another part. Parts are lettered anew from A: what came before the clip cannot
    be heard."""

    task: Literal["structure"] = "structure"
    most_per_segment: int = 1
    tolerance_ms: int = Field(default=500, ge=0, description="by which an edge may differ from the reference")
    most_speech_share: float = Field(default=0.2, ge=0.0, le=1.0, description="of the segment's time")
    min_part_ms: int = Field(default=3000, ge=0, description="of every part: a shorter one is no part to a listener")
    min_clip_ms: int = Field(default=15000, ge=0, description="of the clip: a shorter one has no form to speak of")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:sections",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "sections")
        sections = row.sections if row is not None else None
        if row is not None and sections and self._has_form(material, sections):
            yield Ask(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "sections"),
                difficulty=grade(2, timed=True),
                turn=partial(_turn, _entries(material, sections), self.tolerance_ms),
            )

    def _has_form(self, material: Material, sections: Sequence[Section]) -> bool:
        return (
            len({section.label for section in sections}) > 1
            and material.duration_ms >= self.min_clip_ms
            and all(section.end_ms - section.start_ms >= self.min_part_ms for section in sections)
            and _speech_share(material) <= self.most_speech_share
        )


def _speech_share(material: Material) -> float:
    spoken = (one.span for one in material.sightings if one.event.event_class is EventClass.SPEECH)
    return covered_ms(spoken) / max(material.duration_ms, 1)


def _entries(material: Material, sections: Sequence[Section]) -> tuple[TimedText, ...]:
    """The parts, with letters from A in the order in which they are first heard in the clip."""
    labels = list(dict.fromkeys(section.label for section in sections))
    letters = {label: _letter(index) for index, label in enumerate(labels)}
    return tuple(
        TimedText(
            segment_start_ms=material.in_clip(section.start_ms),
            segment_end_ms=material.in_clip(section.end_ms),
            text=f"{letters[section.label]} ({section.function})" if section.function else letters[section.label],
        )
        for section in sections
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index % 26) * (index // 26 + 1)


def _turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Turn:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="part"))
    return Turn(question, text, spans(entries, text, tolerance_ms))

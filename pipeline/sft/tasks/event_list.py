"""All events of the audio with their times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import spans
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material, Sighting
from pipeline.sft.sounds import LEAST_SCORE, all_sure, is_crowded, is_faint, is_nameable
from pipeline.sft.timestamps import TimedText
from pipeline.sft.words import Words


class EventListTask(SegmentTask):
    """Eligible: a segment none of whose events is in doubt or without a name, since a list must be complete."""

    task: Literal["event_list"] = "event_list"
    most_per_segment: int = 1
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every event")
    most_events: int = Field(default=20, ge=1, description="a longer list is no question for a listener")
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        found = material.sightings
        named = all(is_nameable(one.event.event_class, one.event.label) for one in found)
        if named and all_sure(material, self.least_score) and len(found) <= self.most_events:
            yield Ask(
                kind="list",
                topic="",
                fact="",
                materials=(material,),
                evidence=tuple(one for sighting in found for one in sighting.evidence),
                difficulty=grade(crowded=is_crowded(found), faint=is_faint(found), timed=len(found) > 2),
                turn=partial(_turn, material, found, self.tolerance_ms),
            )


def _turn(material: Material, found: tuple[Sighting, ...], tolerance_ms: int, words: Words) -> Turn:
    entries = tuple(timed(material, sighting, words) for sighting in found)
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="sound"))
    return Turn(question, text, spans(entries, text, tolerance_ms))


def timed(material: Material, sighting: Sighting, words: Words) -> TimedText:
    """An event as an entry of timed text."""
    return TimedText(
        segment_start_ms=material.in_clip(sighting.span.start_ms),
        segment_end_ms=material.in_clip(sighting.span.end_ms),
        text=words.sound(sighting.event.event_class, sighting.event.label),
    )

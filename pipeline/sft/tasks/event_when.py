"""When a named sound is heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import spans
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material, Sighting
from pipeline.sft.sounds import LEAST_SCORE, is_crowded, is_faint, is_nameable, sure_sounds
from pipeline.sft.tasks.event_list import timed
from pipeline.sft.words import Words, seconds
from schemas.timespan import covered_ms


class EventWhenTask(SegmentTask):
    """Eligible: a nameable sound, heard a few times, none in doubt, that does not fill the audio."""

    task: Literal["event_when"] = "event_when"
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every event of the sound")
    most_times: int = Field(default=4, ge=1, description="how often the sound may be heard")
    most_share: float = Field(default=0.9, ge=0.0, le=1.0, description="of the audio that the sound may fill")
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        for (event_class, label), group in sure_sounds(material, self.least_score).items():
            filled = covered_ms(one.span for one in group) / max(material.duration_ms, 1)
            if is_nameable(event_class, label) and len(group) <= self.most_times and filled <= self.most_share:
                yield Ask(
                    kind="once" if len(group) == 1 else "several",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(len(group), crowded=is_crowded(material.sightings), faint=is_faint(group)),
                    turn=partial(_turn, material, group, self.tolerance_ms),
                )


def _turn(material: Material, group: Sequence[Sighting], tolerance_ms: int, words: Words) -> Turn:
    entries = [timed(material, sighting, words) for sighting in group]
    first, name = entries[0], entries[0].text
    text = words.timed(entries)
    if len(entries) == 1:
        start, end = seconds(first.segment_start_ms), seconds(first.segment_end_ms)
        answer = words.say("answer", sound=name, start=start, end=end)
    else:
        answer = text
    return Turn(words.say("question", sound=name), answer, spans(entries, text, tolerance_ms))

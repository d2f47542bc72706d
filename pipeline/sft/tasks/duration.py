"""How long a named sound is heard in all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import number
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.sounds import LEAST_SCORE, is_crowded, is_faint, is_nameable, sure_sounds
from pipeline.sft.words import Words, seconds
from schemas.event import EventClass
from schemas.timespan import covered_ms


class DurationTask(SegmentTask):
    """Eligible: a nameable sound, none of its events in doubt, long enough to be estimated."""

    task: Literal["duration"] = "duration"
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every event of the sound")
    least_ms: int = Field(default=500, ge=1, description="shorter is not worth asking")
    tolerance_share: float = Field(default=0.1, ge=0.0, description="of the duration, but 0.3 s at least")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        for (event_class, label), group in sure_sounds(material, self.least_score).items():
            total_ms = covered_ms(one.span for one in group)
            if is_nameable(event_class, label) and total_ms >= self.least_ms:
                yield Ask(
                    kind="total",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(min(len(group), 2), crowded=is_crowded(material.sightings), faint=is_faint(group)),
                    turn=partial(_turn, event_class, label, total_ms, self.tolerance_share),
                )


def _turn(event_class: EventClass, label: str, total_ms: int, tolerance_share: float, words: Words) -> Turn:
    sound = words.sound(event_class, label)
    value = round(total_ms / 1000, 1)
    return Turn(
        words.say("question", sound=sound),
        words.say("answer", sound=sound, seconds=seconds(total_ms)),
        number(value, max(0.3, tolerance_share * value), "s", decimals=1),
    )

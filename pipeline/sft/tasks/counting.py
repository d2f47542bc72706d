"""How often a named sound is heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import number
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material, Sighting
from pipeline.sft.sounds import LASTING, LEAST_SCORE, is_crowded, is_faint, is_nameable, sure_sounds
from pipeline.sft.words import Words
from schemas.event import EventClass


class CountingTask(SegmentTask):
    """Eligible: a nameable sound that happens rather than goes on, none in doubt, with clear gaps between."""

    task: Literal["counting"] = "counting"
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every event of the sound")
    least_gap_ms: int = Field(default=500, ge=0, description="between two that count as two")
    most_times: int = Field(default=8, ge=1, description="nobody counts further by ear")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        for (event_class, label), group in sure_sounds(material, self.least_score).items():
            if is_nameable(event_class, label) and event_class not in LASTING and self._can_count(group):
                yield Ask(
                    kind="count",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(
                        1 + (len(group) > 3), crowded=is_crowded(material.sightings), faint=is_faint(group)
                    ),
                    turn=partial(_turn, event_class, label, len(group)),
                )

    def _can_count(self, group: Sequence[Sighting]) -> bool:
        gaps = (later.span.start_ms - earlier.span.end_ms for earlier, later in pairwise(group))
        return len(group) <= self.most_times and all(gap >= self.least_gap_ms for gap in gaps)


def _turn(event_class: EventClass, label: str, count: int, words: Words) -> Turn:
    sound = words.sound(event_class, label)
    rivals = tuple(str(other) for other in (count + 1, count - 1, count + 2, count + 3) if other > 0)
    return Turn(
        words.say("question", sound=sound),
        words.say("answer", sound=sound, count=str(count)),
        number(count, 0, None),
        rivals=rivals,
    )

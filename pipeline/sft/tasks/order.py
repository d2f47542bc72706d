"""Which of two sounds comes first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import exact
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material, Sighting
from pipeline.sft.sounds import LEAST_SCORE, is_crowded, is_faint, is_nameable, sure_sounds
from pipeline.sft.words import Words


class OrderTask(SegmentTask):
    """Eligible: two nameable sounds whose first onsets lie clearly apart."""

    task: Literal["order"] = "order"
    least_score: float = Field(default=LEAST_SCORE, ge=0.0, le=1.0, description="of every event of both sounds")
    least_apart_ms: int = Field(default=500, ge=0, description="between the two onsets")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        sounds = sure_sounds(material, self.least_score)
        firsts = [group[0] for name, group in sounds.items() if is_nameable(*name)]
        for first, second in combinations(firsts, 2):
            if second.span.start_ms - first.span.start_ms >= self.least_apart_ms:
                pair = (first, second)
                names = sorted(one.event.label for one in pair)
                yield Ask(
                    kind="first",
                    topic="/".join(names),
                    fact="/".join(names),
                    materials=(material,),
                    evidence=(*first.evidence, *second.evidence),
                    difficulty=grade(crowded=is_crowded(pair), faint=is_faint(pair)),
                    turn=partial(_turn, first, second),
                )


def _turn(first: Sighting, second: Sighting, words: Words) -> Turn:
    names = [words.sound(one.event.event_class, one.event.label) for one in (first, second)]
    # In order of name, so that the question does not give the answer away.
    one, other = sorted(names)
    return Turn(
        words.say("question", one=one, other=other),
        words.say("answer", first=names[0], second=names[1]),
        exact(names[0]),
        rivals=(names[1],),
    )

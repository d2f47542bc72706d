"""How many people speak."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import number
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.speakers import turns_of
from pipeline.sft.words import Words
from schemas.speech import Speakers
from schemas.timespan import TimeSpan, covered_ms


class SpeakerCountTask(SegmentTask):
    """Eligible: speakers were told apart, and each of them speaks long enough to be noticed."""

    task: Literal["speaker_count"] = "speaker_count"
    most_per_segment: int = 1
    least_ms: int = Field(default=1000, ge=0, description="of speech of every speaker")
    most_speakers: int = Field(default=6, ge=1, description="nobody counts further by ear")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:speakers.turns",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        told = turns_of(material)
        if told is None:
            return
        row, speakers = told
        times = speaking_times(speakers)
        if 1 <= len(times) <= self.most_speakers and min(times.values()) >= self.least_ms:
            yield Ask(
                kind="count",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "speakers.count", "speakers.turns"),
                difficulty=grade(len(times), crowded=speakers.overlap_ms > 0),
                turn=partial(_turn, len(times)),
            )


def speaking_times(speakers: Speakers) -> dict[str, int]:
    """speaker → for how many milliseconds."""
    names = sorted({turn.speaker for turn in speakers.turns})
    return {
        name: covered_ms(TimeSpan(turn.start_ms, turn.end_ms) for turn in speakers.turns if turn.speaker == name)
        for name in names
    }


def _turn(count: int, words: Words) -> Turn:
    rivals = tuple(str(other) for other in (count + 1, count - 1, count + 2, count + 3) if other > 0)
    part = "one" if count == 1 else "answer"
    return Turn(words.say("question"), words.say(part, count=str(count)), number(count, 0, None), rivals=rivals)

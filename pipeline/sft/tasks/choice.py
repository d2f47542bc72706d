"""Multiple choice over what other tasks ask, with plausible wrong answers and the right one everywhere alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import choice
from pipeline.sft.ask import Ask, Task, Turn
from pipeline.sft.material import RecordingMaterial
from pipeline.sft.scoring import LETTERS
from pipeline.sft.tasks.comparison import ComparisonTask
from pipeline.sft.tasks.counting import CountingTask
from pipeline.sft.tasks.key import KeyTask
from pipeline.sft.tasks.meter import MeterTask
from pipeline.sft.tasks.order import OrderTask
from pipeline.sft.tasks.speaker_count import SpeakerCountTask
from pipeline.sft.tasks.tempo import TempoTask
from pipeline.sft.tasks.voice import VoiceTask
from pipeline.sft.words import UnsayableError, Words
from schemas.record import content_key


class ChoiceTask(Task):
    """Eligible: a question of another task that comes with plausible wrong answers. Which letter is right goes round
    within a recording, from a start drawn from its id."""

    task: Literal["choice"] = "choice"
    most_choices: int = Field(default=4, ge=2, le=len(LETTERS), description="how many answers to offer at most")
    counting: CountingTask = CountingTask()
    order: OrderTask = OrderTask()
    tempo: TempoTask = TempoTask()
    key: KeyTask = KeyTask()
    meter: MeterTask = MeterTask()
    voice: VoiceTask = VoiceTask()
    speaker_count: SpeakerCountTask = SpeakerCountTask()
    comparison: ComparisonTask = ComparisonTask()

    needs: ClassVar[tuple[str, ...]] = (
        "what counting, order, tempo, key, meter, voice, speaker_count or comparison need",
    )

    def asks(self, recording: RecordingMaterial) -> Iterator[Ask]:
        place = int(content_key(["choice", recording.recording_id]), 16)
        for source in self._sources():
            for ask in source.asks(recording):
                if ask.kind != "longest_pause":
                    yield replace(
                        ask,
                        kind="choice",
                        topic="/".join(part for part in (source.task, ask.kind, ask.topic) if part),
                        fact=f"{source.task}/{ask.kind}/{ask.fact}",
                        turn=partial(_turn, ask, source.task, place, self.most_choices),
                    )
                    place += 1

    def _sources(self) -> Sequence[Task]:
        return (
            self.counting,
            self.order,
            self.tempo,
            self.key,
            self.meter,
            self.voice,
            self.speaker_count,
            self.comparison,
        )


def _turn(ask: Ask, task: str, place: int, most_choices: int, words: Words) -> Turn:
    base = ask.turn(words.of(task, ask.kind))
    wrong = [rival for rival in dict.fromkeys(base.rivals) if rival not in base.spec.accepted][: most_choices - 1]
    if not wrong or base.spec.reference in wrong:
        raise UnsayableError("no plausible wrong answer")
    correct = place % (len(wrong) + 1)
    choices = [*wrong[:correct], base.spec.reference, *wrong[correct:]]
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, choices, strict=False))
    return Turn(
        words.say("question", question=base.question, choices=lines),
        words.say("answer", letter=LETTERS[correct], choice=choices[correct]),
        choice(choices, correct),
    )

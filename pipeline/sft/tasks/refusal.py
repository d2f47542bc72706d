"""What cannot be known from the audio: the right answer is to say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import refusal
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.tasks.presence import heard_classes
from pipeline.sft.words import Words
from schemas.annotation import SpeechAnnotation
from schemas.event import EventClass

_ABOUT: dict[str, EventClass | None] = {
    "appearance": EventClass.SPEECH,
    "clothes": EventClass.SPEECH,
    "composer_age": EventClass.MUSIC,
    "instrument_colour": EventClass.MUSIC,
    "listener": None,
    "colour": None,
    "weather_tomorrow": None,
    "owner": None,
}
"""Question → what has to be heard for it to make sense; None for anything, as long as nobody speaks."""

_HINTS: dict[str, tuple[str, ...]] = {
    "appearance": ("look", "tall", "hair", "eyes", "beard", "长", "头发", "眼睛"),
    "clothes": ("wear", "dress", "shirt", "coat", "cloth", "suit", "穿", "衣"),
}
"""Words that might give the answer away, were they said: then the question is not asked."""


class RefusalTask(SegmentTask):
    """Eligible: questions about what has no sound. Of speech, only what speakers hardly ever say of themselves, and
    not where a transcript, trusted or not, holds a word of it."""

    task: Literal["refusal"] = "refusal"
    most_per_segment: int = Field(default=1, ge=1, description="refusals teach reluctance: few are enough")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        heard = heard_classes(material)
        said = " ".join(_said(material)).lower()
        for kind, about in _ABOUT.items():
            fits = about in heard if about is not None else EventClass.SPEECH not in heard
            if not fits or any(hint in said for hint in _HINTS.get(kind, ())):
                continue
            yield Ask(
                kind=kind,
                topic=kind,
                fact=kind,
                materials=(material,),
                evidence=material.cite(None, "profile"),
                difficulty=grade(2),
                turn=_turn,
            )


def _said(material: Material) -> Iterator[str]:
    for row in material.all(SpeechAnnotation):
        if row.transcript is not None:
            yield row.transcript.text


def _turn(words: Words) -> Turn:
    answer = words.say("answer")
    return Turn(words.say("question"), answer, refusal(answer))

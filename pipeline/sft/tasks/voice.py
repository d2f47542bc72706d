"""How someone speaks, as far as it is measured: pace and pauses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import exact, number
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.words import Words, seconds
from schemas.annotation import SpeechAnnotation
from schemas.event import EventClass

PACES = ("slow", "moderate", "fast")


_MOST_BESIDE = 0.3
"""Share of the speech over which music, an animal or another class may sound, for its rate to be the speech's own."""


def clear_voice(material: Material, min_speech_ms: int) -> SpeechAnnotation | None:
    """The row whose measured voice may be asked about: enough speech, and little else over it."""
    row = material.first(SpeechAnnotation, "voice")
    if row is None or row.voice is None or row.voice.speech_ms < min_speech_ms:
        return None
    events = material.segment.events
    spoken = [event.span for event in events if event.event_class is EventClass.SPEECH]
    others = [event.span for event in events if event.event_class is not EventClass.SPEECH]
    beside_ms = sum(span.overlap_ms(other) for span in spoken for other in others)
    return row if beside_ms <= _MOST_BESIDE * sum(span.duration_ms for span in spoken) else None


def _may_be_one_voice(material: Material) -> bool:
    """Whether nobody found several speakers, of whom a quieter one may speak in what looks like a pause."""
    row = material.first(SpeechAnnotation, "speakers")
    return row is None or row.speakers is None or row.speakers.count <= 1


class VoiceTask(SegmentTask):
    """Eligible: enough speech, and a rate that is clearly on one side; pauses long enough to be heard."""

    task: Literal["voice"] = "voice"
    least_speech_ms: int = Field(default=3000, ge=0, description="less is too little to tell a pace by")
    slow_below_hz: float = Field(default=2.7, gt=0.0, description="syllable nuclei a second of speech")
    moderate_from_hz: float = Field(default=3.7, gt=0.0, description="what lies between slow and moderate is not asked")
    moderate_to_hz: float = Field(default=4.8, gt=0.0, description="what lies between moderate and fast is not asked")
    fast_above_hz: float = Field(default=5.8, gt=0.0, description="syllable nuclei a second of speech")
    least_pause_ms: int = Field(default=700, ge=0, description="of the longest pause, to be worth asking for")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:voice",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = clear_voice(material, self.least_speech_ms)
        if row is None or row.voice is None:
            return
        pace = self._pace(row.voice.syllable_rate_hz)
        if pace:
            yield Ask(
                kind="pace",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "voice.syllable_rate_hz", "voice.speech_ms"),
                difficulty=grade(),
                turn=partial(_pace_turn, pace),
            )
        if row.voice.longest_pause_ms >= self.least_pause_ms and _may_be_one_voice(material):
            yield Ask(
                kind="longest_pause",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "voice.longest_pause_ms", "voice.pause_count"),
                difficulty=grade(1 + (row.voice.pause_count > 1), timed=True),
                turn=partial(_pause_turn, row.voice.longest_pause_ms),
            )

    def _pace(self, rate_hz: float | None) -> str | None:
        if rate_hz is None:
            return None
        # Between them captions speak of an unhurried or a brisk pace.
        edges = (
            ("slow", 0.0, self.slow_below_hz),
            ("moderate", self.moderate_from_hz, self.moderate_to_hz),
            ("fast", self.fast_above_hz, inf),
        )
        return next((name for name, low, high in edges if low <= rate_hz <= high), None)


def _pace_turn(pace: str, words: Words) -> Turn:
    name = words.say(pace)
    rivals = tuple(words.say(other) for other in PACES if other != pace)
    return Turn(words.say("question"), words.say("answer", pace=name), exact(name), rivals=rivals)


def _pause_turn(pause_ms: int, words: Words) -> Turn:
    value = round(pause_ms / 1000, 1)
    return Turn(
        words.say("question"),
        words.say("answer", seconds=seconds(pause_ms)),
        number(value, max(0.3, 0.15 * value), "s", decimals=1),
    )

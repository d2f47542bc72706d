"""Questions about the manner of speaking: measured pace and pauses, and a model's description of a voice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from math import inf
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.grammar.speech_manner import BRISK_HZ, MAX_DOUBT, MIN_VOICED_SHARE, MODERATE_HZ, SLOW_HZ
from soundseam.pipeline.sft.answers import exact, number
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade, open_turn, verdict_on
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.words import Words, language_of, seconds
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.claim import Claim, Verdict
from soundseam.schemas.event import EventClass
from soundseam.schemas.speech import Paralinguistics

PACES = ("slow", "moderate", "fast")
_CLEARLY_HZ = 0.2
"""How far a pace that is asked about lies beyond the bounds of the words for it."""
_MAX_BESIDE = 0.3
"""Maximum share of the speech with other sounds, so that the measured rate is that of the speech."""


def clear_voice(material: Material, min_speech_ms: int) -> SpeechAnnotation | None:
    """The row whose measured voice can be used: enough speech, voiced as people's is, and little else over it."""
    row = material.first(SpeechAnnotation, "voice")
    if row is None or row.voice is None or row.voice.speech_ms < min_speech_ms:
        return None
    if row.voice.voiced_share < MIN_VOICED_SHARE:
        return None
    events = material.segment.events
    spoken = [event.span for event in events if event.event_class is EventClass.SPEECH]
    others = [event.span for event in events if event.event_class is not EventClass.SPEECH]
    beside_ms = sum(span.overlap_ms(other) for span in spoken for other in others)
    return row if beside_ms <= _MAX_BESIDE * sum(span.duration_ms for span in spoken) else None


def _may_be_one_voice(material: Material) -> bool:
    """Whether no source found several speakers, or doubts that: a quieter one may speak in an apparent pause."""
    row = material.first(SpeechAnnotation, "speakers")
    if row is None or row.speakers is None:
        return True
    return row.speakers.count <= 1 and (row.speakers.doubt or 0.0) <= MAX_DOUBT


class VoiceTask(SegmentTask):
    """Eligible: enough speech, and a rate clearly in one range; pauses long enough to be noticed."""

    task: Literal["voice"] = "voice"
    min_speech_ms: int = Field(
        alias="least_speech_ms", default=3000, ge=0, description="minimum speech to judge the pace"
    )
    slow_below_hz: float = Field(
        default=round(SLOW_HZ - _CLEARLY_HZ, 1), gt=0.0, description="syllable nuclei a second of speech"
    )
    moderate_from_hz: float = Field(
        default=MODERATE_HZ[0], gt=0.0, description="what lies between slow and moderate is not asked"
    )
    moderate_to_hz: float = Field(
        default=MODERATE_HZ[1], gt=0.0, description="what lies between moderate and fast is not asked"
    )
    fast_above_hz: float = Field(
        default=round(BRISK_HZ + _CLEARLY_HZ, 1), gt=0.0, description="syllable nuclei a second of speech"
    )
    min_pause_ms: int = Field(
        alias="least_pause_ms", default=700, ge=0, description="minimum length of the longest pause to ask for it"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:voice",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = clear_voice(material, self.min_speech_ms)
        if row is None or row.voice is None:
            return
        pace = self._pace(row.voice.syllable_rate_hz)
        if pace:
            evidence = material.cite(row, "voice.syllable_rate_hz", "voice.speech_ms")
            yield QuestionDraft("pace", evidence, grade(), partial(_pace_turn, pace))
        if row.voice.longest_pause_ms >= self.min_pause_ms and _may_be_one_voice(material):
            evidence = material.cite(row, "voice.longest_pause_ms", "voice.pause_count")
            difficulty = grade(1 + (row.voice.pause_count > 1), timed=True)
            yield QuestionDraft("longest_pause", evidence, difficulty, partial(_pause_turn, row.voice.longest_pause_ms))

    def _pace(self, rate_hz: float | None) -> str | None:
        if rate_hz is None:
            return None
        # Between them captions use unhurried or brisk.
        edges = (
            ("slow", 0.0, self.slow_below_hz),
            ("moderate", self.moderate_from_hz, self.moderate_to_hz),
            ("fast", self.fast_above_hz, inf),
        )
        return next((name for name, low, high in edges if low <= rate_hz <= high), None)


def _pace_turn(pace: str, words: Words) -> Wording:
    name = words.say(pace)
    rivals = tuple(words.say(other) for other in PACES if other != pace)
    return Wording(words.say("question"), words.say("answer", pace=name), exact(name), rivals=rivals)


def _pause_turn(pause_ms: int, words: Words) -> Wording:
    value = round(pause_ms / 1000, 1)
    return Wording(
        words.say("question"),
        words.say("answer", seconds=seconds(pause_ms)),
        number(value, max(0.3, 0.15 * value), "s", decimals=1),
    )


_SUMMARY = "paralinguistics.0.summary"


class VoiceDescriptionTask(SegmentTask):
    """Eligible: a model described one voice, no measurement contradicts it, and a verifier confirmed its summary. The
    answer is a JSON object of all thirteen dimensions, as in MOSS-Audio, or only the summary."""

    task: Literal["voice_description"] = "voice_description"

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:paralinguistics", "captions:claims (confirmed)")

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        for row in material.all(SpeechAnnotation):
            voices = row.paralinguistics or ()
            confirmed = _confirmed(material, row.backend)
            if len(voices) != 1 or voices[0].contradictions or confirmed is None:
                continue
            for kind, answer, fields in _answers(voices[0]):
                yield QuestionDraft(
                    kind,
                    material.cite(row, *(f"paralinguistics.0.{name}" for name in fields)),
                    grade(2),
                    partial(open_turn, answer),
                    languages=(language_of(voices[0].summary),),
                    verdicts=(verdict_on(confirmed),),
                )


def _answers(voice: Paralinguistics) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(kind, answer, the dimensions that it repeats)"""
    dimensions = voice.in_words()
    yield "dimensions", json.dumps(dimensions, ensure_ascii=False), tuple(dimensions)
    yield "summary", voice.summary, ("summary",)


def _confirmed(material: Material, backend: str) -> Claim | None:
    """The confirmed claim that rests on the summary of `backend`."""
    for claim in material.caption.claims if material.caption is not None else ():
        cited = any((one.backend, one.field) == (backend, _SUMMARY) for one in claim.evidence)
        if cited and claim.verdict is Verdict.CONFIRMED:
            return claim
    return None

"""How the speaker sounds, along thirteen dimensions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pipeline.sft.answers import open_ended
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.words import Words, language_of
from schemas.annotation import SpeechAnnotation
from schemas.claim import Claim, Verdict
from schemas.paralinguistics import Dimensions, Paralinguistics
from schemas.sample import SourceVerdict

_SUMMARY = "paralinguistics.0.summary"


class VoiceDescriptionTask(SegmentTask):
    """Eligible: a model described one voice, no measure gainsays it, and a verifier confirmed its summary. The answer
    is a JSON object of all thirteen dimensions, as MOSS-Audio gives it, or the summary alone."""

    task: Literal["voice_description"] = "voice_description"

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:paralinguistics", "captions:claims (confirmed)")

    def asks_of(self, material: Material) -> Iterator[Ask]:
        for row in material.all(SpeechAnnotation):
            voices = row.paralinguistics or ()
            confirmed = _confirmed(material, row.backend)
            if len(voices) != 1 or voices[0].contradictions or confirmed is None:
                continue
            for kind, answer, fields in _answers(voices[0]):
                yield Ask(
                    kind=kind,
                    topic="",
                    fact="",
                    materials=(material,),
                    evidence=material.cite(row, *(f"paralinguistics.0.{name}" for name in fields)),
                    difficulty=grade(2),
                    turn=partial(_turn, answer),
                    languages=(language_of(voices[0].summary),),
                    verdicts=(
                        SourceVerdict(
                            claim=confirmed.text, verdict=confirmed.verdict, probability=confirmed.probability
                        ),
                    ),
                )


def _answers(voice: Paralinguistics) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(kind, answer, the dimensions that it repeats)"""
    told = voice.model_dump(mode="json", include=set(Dimensions.model_fields))
    dimensions = {name: str(told[name]).replace("_", " ") for name in Dimensions.model_fields}
    yield "dimensions", json.dumps(dimensions, ensure_ascii=False), tuple(dimensions)
    yield "summary", voice.summary, ("summary",)


def _confirmed(material: Material, backend: str) -> Claim | None:
    """The confirmed claim that rests on the summary of `backend`."""
    for claim in material.caption.claims if material.caption is not None else ():
        cited = any((one.backend, one.field) == (backend, _SUMMARY) for one in claim.evidence)
        if cited and claim.verdict is Verdict.CONFIRMED:
            return claim
    return None


def _turn(answer: str, words: Words) -> Turn:
    return Turn(words.say("question"), answer, open_ended(answer))

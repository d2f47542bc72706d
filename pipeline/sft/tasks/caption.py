"""Captions: short, detailed, as a list, and of a single branch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.grammar.composer import derive_in
from soundseam.annotators.grammar.engine import Language, join_sentences
from soundseam.annotators.wording.normalise import sentences_in
from soundseam.annotators.wording.prose import length_of
from soundseam.pipeline.sft.answers import open_ended, refusal
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade, open_turn, verdict_on
from soundseam.pipeline.sft.material import Material, Sighting
from soundseam.pipeline.sft.tasks.presence import detected_classes
from soundseam.pipeline.sft.tasks.sounds import MIN_SCORE, are_sure, evidence_of
from soundseam.pipeline.sft.words import LANGUAGES, Words, language_of
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.claim import Claim, Verdict
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan, covered_ms

UNIFIED = frozenset({"plain", "detailed"})
"""The kinds with the whole merged caption, which are used for pretraining."""
_SHORT_LENGTH = {"en": 20, "zh": 35}
"""A caption with up to this many words or characters is short: the longest of Clotho's (arXiv 1910.09387)."""
_STRAYS = {
    "music": re.compile(
        r"\b(speech|speak\w*|spoken|voices?|talk\w*|says?|said|words?)\b|说话|语音|人声|讲话", re.IGNORECASE
    ),
    "speech": re.compile(r"\b(music\w*|song|melod(y|ies) of the music)\b|音乐|歌曲", re.IGNORECASE),
    "general": re.compile(
        r"\b(speech|speak\w*|spoken|voices?|talk\w*|says?|said|words?|music\w*|song|sing\w*|unidentified)\b"
        r"|说话|语音|人声|讲话|音乐|歌",
        re.IGNORECASE,
    ),
}
"""Words outside the topic of a branch's caption, which is only asked about its own part of the audio."""
_MUSIC_IS_THERE = re.compile(
    r"\b(an?|and|is|are|be|can|there|here|what|it|only|just|nothing|but|else|one|thing|the|some|something|like|to|of|in|on"
    r"|music|passage|piece|play(s|ed|ing)?|heard?|hearing|we|i|audible|throughout|whole|time|recording|clip|audio|going"
    r"|all|way|through|from|beginning|end)\b",
    re.IGNORECASE,
)
"""Words that only say that music plays."""


class CaptionTask(SegmentTask):
    """Eligible: every claim was confirmed, or none was verified and each is derived from measured values by a rule."""

    task: Literal["caption"] = "caption"
    max_per_segment: int = Field(default=3, alias="most_per_segment")
    min_detailed_claims: int = Field(default=3, ge=1, description="minimum number of claims of a detailed caption")

    needs: ClassVar[tuple[str, ...]] = ("captions:caption", "captions:claims")

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        caption = material.caption
        if caption is None or caption.verified is False or caption.language not in LANGUAGES:
            return
        claims = caption.remaining
        if is_trusted(claims, caption.composer):
            sentences = _in_languages(claims, caption.language)
            detailed = len(claims) >= self.min_detailed_claims
            texts = {**_joined(sentences), caption.language: caption.caption}
            yield _ask("detailed" if detailed else "plain", texts, claims)
            if "zh" not in sentences:
                yield from _sounds_in_chinese(material)
            if len(claims) > 1:
                yield from _short(material, texts, sentences, claims)
                lists = {name: "\n".join(f"- {line}" for line in lines) for name, lines in sentences.items()}
                yield _ask("list", lists, claims)
        for row in material.annotations:
            text, branch = row.caption, row.branch.value
            if text and text != caption.caption and is_trusted(row.caption_claims, row.backend):
                texts = _joined(_in_languages(row.caption_claims, language_of(text))) | {language_of(text): text}
                if all(answers_for(branch, one) for one in texts.values()):
                    yield _ask(branch, texts, row.caption_claims)


def _in_languages(claims: Sequence[Claim], own: str) -> dict[str, list[str]]:
    """The sentences in their `own` language, and in others if every one was derived by a rule."""
    found = {own: [claim.text for claim in claims]}
    others: tuple[Language, ...] = ("en", "zh")
    for other in others:
        derived = [derive_in(other, claim) for claim in claims] if other != own else []
        texts = [text for text in derived if text is not None]
        if texts and len(texts) == len(claims):
            found[other] = texts
    return found


def _joined(sentences: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: join_sentences(lines) for name, lines in sentences.items()}


def _short(
    material: Material, whole: Mapping[str, str], sentences: Mapping[str, Sequence[str]], claims: Sequence[Claim]
) -> Iterator[QuestionDraft]:
    """The caption itself if it is short; its first sentence only if it covers all classes of sound."""
    short = {name: text for name, text in whole.items() if length_of(text, name) <= _SHORT_LENGTH[name]}
    if short:
        yield _ask("short", short, claims)
    elif len(material.segment.profile) == 1:
        yield _ask("short", {name: lines[0] for name, lines in sentences.items()}, claims[:1])


_MAX_SOUNDS = 4
"""A summary names no more."""
_BED_SHARE = 0.9


def _sounds_in_chinese(material: Material) -> Iterator[QuestionDraft]:
    """A summary of the sounds by templates: names and order alone."""
    found = material.sightings
    if found and are_sure(found, MIN_SCORE) and len({_name(one) for one in found}) <= _MAX_SOUNDS:
        difficulty = grade(facts=min(len(found), 3))
        turn = partial(_summary_turn, material)
        yield QuestionDraft("short", evidence_of(found), difficulty, turn, fact="zh", languages=("zh",))


def _name(sighting: Sighting) -> tuple[EventClass, str]:
    return sighting.event.event_class, sighting.event.label


def _summary_turn(material: Material, words: Words) -> Wording:
    spans: dict[str, list[TimeSpan]] = {}
    for one in material.sightings:
        spans.setdefault(words.sound(*_name(one)), []).append(one.span)
    lasting = [name for name, its in spans.items() if covered_ms(its) >= _BED_SHARE * material.duration_ms]
    names = list(spans)
    others = [name for name in names if name not in lasting]
    if len(names) == 1:
        text = words.say("only" if lasting else "some", sound=names[0])
    elif len(lasting) == 1:
        text = words.say("bed", bed=lasting[0], others=words.listing(others))
    elif all(max(span.end_ms for span in spans[one]) <= spans[other][0].start_ms for one, other in pairwise(names)):
        text = words.say("sequence", first=names[0], then=words.say("and_then").join(names[1:]))
    else:
        text = words.say("some", sound=words.listing(names))
    return _summary(text, words)


def answers_for(branch: str, text: str) -> bool:
    """Whether a branch's caption is about its own part of the audio, and says more about music than that it plays."""
    strays = _STRAYS.get(branch)
    if strays is not None and strays.search(text):
        return False
    return branch != "music" or any(letter.isalpha() for letter in _MUSIC_IS_THERE.sub("", text))


def is_trusted(claims: Sequence[Claim], composer: str) -> bool:
    """Whether a text of `claims` is fit for training: there are some, and each is confirmed or derived."""
    return bool(claims) and all(_is_confirmed(claim) or _is_derived(claim, composer) for claim in claims)


def _is_confirmed(claim: Claim) -> bool:
    return claim.verdict is Verdict.CONFIRMED


def _is_derived(claim: Claim, composer: str) -> bool:
    return claim.verdict is None and bool(claim.evidence) and claim.rule != composer


def _ask(kind: str, texts: Mapping[str, str], claims: Sequence[Claim]) -> QuestionDraft:
    """`texts` are one caption in one or two languages."""
    return QuestionDraft(
        kind,
        tuple(dict.fromkeys(one for claim in claims for one in claim.evidence)),
        grade(facts=min(len(claims), 3)),
        partial(_caption_turn, texts),
        languages=tuple(texts),
        verdicts=tuple(map(verdict_on, claims)),
    )


def _caption_turn(texts: Mapping[str, str], words: Words) -> Wording:
    return _summary(texts[words.language], words) if words.kind == "short" else open_turn(texts[words.language], words)


def _summary(text: str, words: Words) -> Wording:
    """Asks for a short description; for one of a single sentence only if it is one."""
    is_one = len(sentences_in(text)) == 1
    return Wording(words.say("question_of_one" if is_one else "question"), text, open_ended(text))


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
"""Question → the class of sound that it presupposes; None for any sound, but without speech."""

_HINTS: dict[str, tuple[str, ...]] = {
    "appearance": ("look", "tall", "hair", "eyes", "beard", "长", "头发", "眼睛"),
    "clothes": ("wear", "dress", "shirt", "coat", "cloth", "suit", "穿", "衣"),
}
"""Spoken words that might reveal the answer: with them the question is not asked."""


class RefusalTask(SegmentTask):
    """Eligible: questions about inaudible things. For speech, only things that speakers hardly ever say about
    themselves, and only if no transcript, trusted or not, contains a word about them.
    """

    task: Literal["refusal"] = "refusal"
    max_per_segment: int = Field(
        alias="most_per_segment", default=1, ge=1, description="refusals teach reluctance: few are enough"
    )

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        detected = detected_classes(material)
        said = " ".join(_said(material)).lower()
        for kind, about in _ABOUT.items():
            fits = about in detected if about is not None else EventClass.SPEECH not in detected
            if not fits or any(hint in said for hint in _HINTS.get(kind, ())):
                continue
            yield QuestionDraft(kind, material.cite(None, "profile"), grade(2), _refusal_turn, topic=kind)


def _said(material: Material) -> Iterator[str]:
    for row in material.all(SpeechAnnotation):
        if row.transcript is not None:
            yield row.transcript.text


def _refusal_turn(words: Words) -> Wording:
    answer = words.say("answer")
    return Wording(words.say("question"), answer, refusal(answer))

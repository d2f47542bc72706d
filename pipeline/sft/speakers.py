"""Who said what: usable words and the turns of a diarization together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from annotators.speech.sentences import joined_words
from annotators.speech.turns import with_speakers
from pipeline.sft.material import Material
from pipeline.sft.transcripts import cite_transcript, usable_transcript
from schemas.annotation import SpeechAnnotation
from schemas.claim import Evidence
from schemas.speech import Speakers, Word


@dataclass(frozen=True)
class Utterance:
    """What one speaker says before another does. Speakers are numbered from 1 as they begin to speak."""

    speaker: int
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Conversation:
    utterances: tuple[Utterance, ...]
    speakers: Speakers
    evidence: tuple[Evidence, ...]


def turns_of(material: Material) -> tuple[SpeechAnnotation, Speakers] | None:
    """The row that tells speakers apart, where one does."""
    row = material.first(SpeechAnnotation, "speakers")
    return None if row is None or row.speakers is None else (row, row.speakers)


def conversation_of(material: Material) -> Conversation | None:
    """The conversation, where every usable word has a time and a speaker."""
    said, told = usable_transcript(material), turns_of(material)
    if said is None or told is None or not said.words:
        return None
    row, speakers = told
    words = with_speakers(said.words, speakers.turns)
    if any(word.speaker is None for word in words):
        return None
    evidence = (*cite_transcript(material, said, timed=True), *material.cite(row, "speakers.count", "speakers.turns"))
    return Conversation(_utterances(words), speakers, evidence)


def _utterances(words: Sequence[Word]) -> tuple[Utterance, ...]:
    numbers: dict[str | None, int] = {}
    found = []
    for speaker, group in groupby(words, key=lambda word: word.speaker):
        members = list(group)
        number = numbers.setdefault(speaker, len(numbers) + 1)
        text = joined_words([word.text.strip() for word in members])
        found.append(Utterance(number, text, members[0].start_ms, members[-1].end_ms))
    return tuple(found)

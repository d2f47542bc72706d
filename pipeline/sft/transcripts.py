"""Trusted transcripts: only those that are usable for training according to their row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from soundseam.annotators.speech.transcripts import joined_words, sentences_of
from soundseam.annotators.speech.turns import with_speakers
from soundseam.annotators.wording.normalise import unit_of
from soundseam.pipeline.sft.answers import TimedText
from soundseam.pipeline.sft.ask import grade
from soundseam.pipeline.sft.material import Material
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.sample import Difficulty
from soundseam.schemas.speech import ErrorUnit, Sentence, Speakers, Transcript, Word

NOISY_DB = 10.0
MANY_WORDS = 40
_GOOD_TIMES = ("pocketsphinx",)
"""Models with a mean error of 66 ms at a first word and 37 ms at a last one; Whisper's is some 200 ms at a last one,
more than a sample's tolerance.
"""


@dataclass(frozen=True)
class Said:
    """A usable transcript, and the times of its words if they are good enough for training: from a forced aligner, or
    from a recogniser with equally good times."""

    transcript: Transcript
    row: SpeechAnnotation
    words: tuple[Word, ...]
    """Empty if no trusted source gives times."""
    timing: SpeechAnnotation
    """The row of `words`."""

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        return self.timing.sentences if self.timing.sentences is not None else sentences_of(self.words)


def usable_transcript(material: Material) -> Said | None:
    """The transcript of the segment that is usable for training.

    If systems were compared, only the agreed transcript counts, whatever the flags of a single one.
    """
    rows = material.all(SpeechAnnotation)
    compared = [row for row in rows if row.agreement is not None]
    for row in compared or rows:
        transcript = row.transcript
        if transcript is not None and transcript.usable_for_training and transcript.text.strip():
            aligned = next((one for one in rows if one.alignment and one.alignment.aligned == row.backend), None)
            if aligned is not None and aligned.alignment is not None:
                return Said(transcript, row, aligned.alignment.words, aligned)
            return Said(transcript, row, transcript.words if _times_well(row, rows) else (), row)
    return None


def _times_well(row: SpeechAnnotation, rows: Sequence[SpeechAnnotation]) -> bool:
    """Whether the recogniser of a transcript is one of those with good measured word times."""
    chosen = row.agreement.chosen if row.agreement is not None else row.backend
    return any(one.backend == chosen and one.model.startswith(_GOOD_TIMES) for one in rows)


def cite_transcript(material: Material, said: Said, timed: bool = False) -> tuple[Evidence, ...]:
    """The evidence of a transcript; with its words' times if they are used."""
    base = material.cite(said.row, *(f"transcript.{path}" for path in ("text", "agreement", "usable_for_training")))
    if not timed:
        return base
    return (*base, *material.cite(said.timing, "transcript.words" if said.timing is said.row else "alignment.words"))


def timed_texts(material: Material, parts: Iterable[Word | Sentence]) -> tuple[TimedText, ...]:
    """Words or sentences with their times in the segment; empty if one of them has no time inside it."""
    entries = tuple(material.timed(part.start_ms, part.end_ms, part.text.strip()) for part in parts)
    fit = all(
        entry.text and 0 <= entry.segment_start_ms < entry.segment_end_ms <= material.duration_ms for entry in entries
    )
    return entries if fit else ()


def grade_transcript(material: Material, said: Said, timed: bool = False) -> Difficulty:
    """Harder with many words, with noise, and with times."""
    voice = material.first(SpeechAnnotation, "voice")
    snr = voice.voice.snr_db if voice is not None and voice.voice is not None else None
    text = said.transcript.text
    # Two Chinese or Japanese characters are about one word.
    length = len(text) // 2 if unit_of([text]) is ErrorUnit.CHARACTERS else len(text.split())
    return grade(crowded=length > MANY_WORDS, faint=snr is not None and snr < NOISY_DB, timed=timed)


@dataclass(frozen=True)
class Utterance:
    """The words of one speaker until another one speaks. Speakers are numbered from 1 in order of appearance."""

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
    """The row with the speakers' turns, if there is one and it is not unsure."""
    row = material.first(SpeechAnnotation, "speakers")
    return None if row is None or row.speakers is None or row.speakers.sure is False else (row, row.speakers)


def conversation_of(material: Material) -> Conversation | None:
    """The conversation, if every usable word has a time and a speaker."""
    said, turns = usable_transcript(material), turns_of(material)
    if said is None or turns is None or not said.words:
        return None
    row, speakers = turns
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

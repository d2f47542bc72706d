"""What was said, where it may be trusted: only transcripts that their row calls usable for training."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.sft.ask import grade
from pipeline.sft.material import Material
from pipeline.sft.timestamps import TimedText
from schemas.annotation import SpeechAnnotation
from schemas.claim import Evidence
from schemas.sample import Difficulty
from schemas.speech import Transcript, Word

PAUSE_MS = 700
"""A longer gap ends a sentence where no punctuation does."""
LONGEST_SENTENCE_MS = 20_000
NOISY_DB = 10.0
MANY_WORDS = 40

_ENDS = (".", "?", "!", "。")
"""Of a sentence, in the compatibility form in which wide marks are narrow and an ellipsis is three dots."""
_QUOTES = "\"')\u2019\u201d\u300d"
_UNSPACED = ("zh", "ja", "th", "yue", "lo", "my", "km")
"""Languages written without spaces between words."""


@dataclass(frozen=True)
class Said:
    """A usable transcript and its place."""

    transcript: Transcript
    row: SpeechAnnotation
    language: str | None

    @property
    def spaced(self) -> bool:
        return self.language is None or self.language.split("-")[0] not in _UNSPACED


def usable_transcript(material: Material) -> Said | None:
    """The first transcript of the segment that may be trained on."""
    for row in material.all(SpeechAnnotation):
        transcript = row.transcript
        if transcript is not None and transcript.usable_for_training and transcript.text.strip():
            return Said(transcript, row, transcript.language or material.segment.language)
    return None


def cite_transcript(material: Material, said: Said, *paths: str) -> tuple[Evidence, ...]:
    base = ("text", "agreement", "usable_for_training", *paths)
    return material.cite(said.row, *(f"transcript.{path}" for path in base))


def timed_words(material: Material, words: Sequence[Word]) -> tuple[TimedText, ...]:
    """Words with their times in the segment; those without letters or of no length are left out."""
    inside = ((word, material.in_clip(word.start_ms), material.in_clip(word.end_ms)) for word in words)
    return tuple(
        TimedText(segment_start_ms=start, segment_end_ms=end, text=word.text.strip())
        for word, start, end in inside
        if word.text.strip() and 0 <= start < end <= material.duration_ms
    )


def sentences(words: Sequence[TimedText], spaced: bool) -> tuple[TimedText, ...]:
    """Words joined up to an end mark, a pause of PAUSE_MS or LONGEST_SENTENCE_MS."""
    groups: list[list[TimedText]] = []
    for word in words:
        if not groups or _ends(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    gap = " " if spaced else ""
    return tuple(
        TimedText(
            segment_start_ms=group[0].segment_start_ms,
            segment_end_ms=group[-1].segment_end_ms,
            text=gap.join(word.text for word in group),
        )
        for group in groups
    )


def grade_transcript(material: Material, said: Said, timed: bool = False) -> Difficulty:
    """Harder with many words, against noise, and with times."""
    voice = material.first(SpeechAnnotation, "voice")
    snr = voice.voice.snr_db if voice is not None and voice.voice is not None else None
    length = len(said.transcript.text.split()) if said.spaced else len(said.transcript.text) // 2
    return grade(crowded=length > MANY_WORDS, faint=snr is not None and snr < NOISY_DB, timed=timed)


def _ends(sentence: Sequence[TimedText], following: TimedText) -> bool:
    last = sentence[-1]
    return (
        unicodedata.normalize("NFKC", last.text).rstrip(_QUOTES).endswith(_ENDS)
        or following.segment_start_ms - last.segment_end_ms >= PAUSE_MS
        or following.segment_end_ms - sentence[0].segment_start_ms > LONGEST_SENTENCE_MS
    )

"""The common part of forced aligners: the text to align, and the processing of the times found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.transcripts import sentences_of, speech_stretches
from soundseam.annotators.speech.turns import with_speakers
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Alignment, SpeechFacts, Transcript, Word
from soundseam.schemas.timespan import TimeSpan

_MIN_SPOKEN_MS = 40
"""Minimum overlap of a word with a stretch of speech to count as spoken there."""
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,\uff0c!\uff01?\uff1f:\uff1a”)]}、"
"""Punctuation that belongs to the following and to the preceding word, as in Whisper."""
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces, in which Whisper's words are characters."""


class TextToAlign(NamedTuple):
    """A transcript and its backend."""

    backend: str
    transcript: Transcript


def text_to_align(clip: Clip) -> TextToAlign | None:
    """The agreed transcript if there is one, else the first that has words; None if there is none."""
    rows = [row for row in clip.annotations if isinstance(row, SpeechAnnotation)]
    rows.sort(key=lambda row: row.agreement is None)
    for row in rows:
        if row.transcript is not None and row.transcript.text.strip():
            return TextToAlign(row.backend, row.transcript)
    return None


def aligned_facts(clip: Clip, text: TextToAlign, words: Sequence[Word]) -> SpeechFacts:
    """The alignment, its distance from the recogniser's own times, and sentences."""
    return SpeechFacts(
        alignment=Alignment(
            aligned=text.backend,
            words=with_known_speakers(words, clip),
            mean_difference_ms=mean_difference_ms(words, text.transcript.words),
        ),
        sentences=sentences_of(words),
    )


def with_known_speakers(words: Sequence[Word], clip: Clip) -> tuple[Word, ...]:
    """`words` with their speakers, if an earlier backend is a diarization."""
    known = [row.speakers for row in clip.annotations if isinstance(row, SpeechAnnotation) and row.speakers]
    return with_speakers(words, known[0].turns) if known else tuple(words)


def mean_difference_ms(words: Sequence[Word], others: Sequence[Word]) -> float | None:
    """Mean of |start - start| and |end - end| over words in order; None if their numbers differ."""
    if not words or len(words) != len(others):
        return None
    distances = [
        abs(a - b)
        for word, other in zip(words, others, strict=True)
        for a, b in ((word.start_ms, other.start_ms), (word.end_ms, other.end_ms))
    ]
    return round(sum(distances) / len(distances), 1)


def in_order(words: Iterable[Word], segment: Segment) -> tuple[Word, ...]:
    """`words` with times moved, if necessary, so that they are inside the segment and do not overlap."""
    ordered: list[Word] = []
    earliest_ms = segment.start_ms
    for word in words:
        start_ms = min(segment.end_ms, max(earliest_ms, word.start_ms))
        end_ms = min(segment.end_ms, max(start_ms, word.end_ms))
        ordered.append(word.model_copy(update={"start_ms": start_ms, "end_ms": end_ms}))
        earliest_ms = end_ms
    return tuple(ordered)


def within_speech(words: Iterable[Word], segment: Segment) -> tuple[Word, ...]:
    """`words` clipped to the segment's speech: a recogniser may let a word begin at the start of the pause before it.

    A word that spans a pause belongs to the speech in which it ends; a word outside speech is unchanged.
    """
    stretches = speech_stretches(segment)
    return in_order((_clipped(word, stretches) for word in words), segment)


def _clipped(word: Word, stretches: Sequence[TimeSpan]) -> Word:
    span = TimeSpan(word.start_ms, word.end_ms)
    needed_ms = min(_MIN_SPOKEN_MS, span.duration_ms)
    inside = next((s for s in reversed(stretches) if needed_ms and span.overlap_ms(s) >= needed_ms), None)
    if inside is None:
        return word
    start_ms, end_ms = span.intersection(inside)
    return word.model_copy(update={"start_ms": start_ms, "end_ms": end_ms})


def timed_words(aligned: list[dict[str, object]], segment: Segment, language: str) -> tuple[Word, ...]:
    """Words in the recording's time, monotone, inside the segment and as far as possible inside its speech.

    In languages with spaces, a piece directly after a word, such as -record after re, is part of that word.
    """
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(aligned, _PREPENDED, _APPENDED)
    words: list[Word] = []
    earliest_ms = segment.start_ms
    for item in aligned:
        written = str(item["word"])
        text = written.strip()
        if not text:
            continue
        to_recording = partial(_recording_ms, segment=segment, earliest_ms=earliest_ms)
        start_ms = to_recording(item["start"])
        end_ms = max(start_ms, to_recording(item["end"]))
        word = Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=round(_number(item["probability"]), 3))
        if words and language not in _WITHOUT_SPACES and written[0] != " ":
            word = _one_word(words.pop(), word)
        words.append(word)
        earliest_ms = end_ms
    return within_speech(words, segment)


def _one_word(first: Word, second: Word) -> Word:
    confidences = [word.confidence for word in (first, second) if word.confidence is not None]
    return Word(
        text=first.text + second.text,
        start_ms=first.start_ms,
        end_ms=second.end_ms,
        confidence=min(confidences, default=None),
    )


def _recording_ms(seconds: object, segment: Segment, earliest_ms: int) -> int:
    return min(segment.end_ms, max(earliest_ms, segment.start_ms + round(1000 * _number(seconds))))


def _number(value: object) -> float:
    if isinstance(value, float | int | np.floating | np.integer):
        return float(value)
    raise TypeError(f"Whisper's alignment returned {value!r} instead of a number")

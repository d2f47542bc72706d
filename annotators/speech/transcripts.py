"""Validation and flags for the transcript of any recogniser."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import AnnotationError, Clip, Samples
from soundseam.annotators.wording.normalise import primary_language, unit_of, units_of
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import ErrorUnit, Sentence, Transcript, Word
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

PAUSE_MS = 800
"""Without punctuation, a longer pause between words ends a sentence: pauses inside one are mostly shorter."""
_ENDS = tuple(".?!…。\uff1f\uff01।؟")
_CLOSING = "\"'”’)]»」』"


def sentences_of(words: Sequence[Word]) -> tuple[Sentence, ...]:
    """The sentences of `words`, in order: each ends at closing punctuation or before a pause of PAUSE_MS."""
    return tuple(
        Sentence(text=joined_words([word.text for word in group]), start_ms=group[0].start_ms, end_ms=group[-1].end_ms)
        for group in _groups(words)
    )


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and (word.start_ms - group[-1].end_ms >= PAUSE_MS or _ends_sentence(group[-1].text, word.text)):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _ends_sentence(text: str, following: str) -> bool:
    """Whether `text` ends a sentence; a full stop before a lower-case letter, as in "approx. five", does not."""
    bare = text.rstrip(_CLOSING)
    return bare.endswith(_ENDS) and not (bare.endswith(".") and following[:1].islower())


def joined_words(texts: Sequence[str]) -> str:
    """Words joined to a text: with spaces, except for scripts without them."""
    return ("" if unit_of(texts) is ErrorUnit.CHARACTERS and not _has_hangul(texts) else " ").join(texts)


def _has_hangul(texts: Sequence[str]) -> bool:
    return any("\uac00" <= character <= "\ud7af" for text in texts for character in text)


def speech_stretches(segment: Segment) -> tuple[TimeSpan, ...]:
    """The segment's speech events as disjoint stretches, in order, clipped to the segment."""
    return union_spans(
        event.span.intersection(segment.span) for event in segment.events if event.event_class is EventClass.SPEECH
    )


def widen(stretches: tuple[TimeSpan, ...], margin_ms: int, within: TimeSpan) -> tuple[TimeSpan, ...]:
    """`stretches` extended by `margin_ms` on both sides, clipped to `within`; those that then touch are merged."""
    return union_spans(
        TimeSpan(span.start_ms - margin_ms, span.end_ms + margin_ms).intersection(within) for span in stretches
    )


def gaps_between(stretches: tuple[TimeSpan, ...]) -> tuple[TimeSpan, ...]:
    """The time between neighbouring stretches."""
    return tuple(TimeSpan(before.end_ms, after.start_ms) for before, after in pairwise(stretches))


def sample_mask(clip: Clip, spans: tuple[TimeSpan, ...]) -> NDArray[np.bool_]:
    """True for the samples of the mono `clip` inside one of `spans`: (num_samples,)."""
    mask = np.zeros(len(clip.samples), dtype=np.bool_)
    for span in spans:
        start, stop = _sample_range(clip, span)
        mask[start:stop] = True
    return mask


@dataclass(frozen=True)
class Excerpt:
    """Concatenated stretches of a clip, with the mapping back to the recording's time."""

    samples: Samples
    stretches: tuple[TimeSpan, ...]

    def to_recording_ms(self, excerpt_ms: int, ends: bool = False) -> int:
        """The recording's time of `excerpt_ms`; at a joint, the end of a stretch if `ends`, else the start of the
        next.
        """
        passed = 0
        for stretch in self.stretches:
            into = excerpt_ms - passed
            if into < stretch.duration_ms or (ends and into == stretch.duration_ms):
                return stretch.start_ms + max(0, into)
            passed += stretch.duration_ms
        return self.stretches[-1].end_ms


def excerpt(clip: Clip, stretches: tuple[TimeSpan, ...]) -> Excerpt:
    """The audio of `stretches`: at least one, disjoint, in order and inside the segment."""
    parts = [clip.samples[start:stop] for start, stop in (_sample_range(clip, span) for span in stretches)]
    return Excerpt(np.concatenate(parts), stretches)


def _sample_range(clip: Clip, span: TimeSpan) -> tuple[int, int]:
    local = span.shift(-clip.segment.start_ms)
    start, stop = (time_ms * clip.sample_rate_hz // 1000 for time_ms in local)
    return max(0, start), max(0, min(stop, len(clip.samples)))


_JOIN_MS = 600
"""Longer gaps between words count as not covered."""
_LONGEST_PHRASE = 12
_LOOP_IN_A_WORD = re.compile(r"(.{1,4}?)\1{9,}")
"""Ten times the same letters: more than in any word, and than anybody laughs."""
_MIN_SPEECH_MS = 3_000
"""Less speech than this may contain only one short word."""


@dataclass(frozen=True)
class Limits:
    """Limits for flags. Letters are counted as written, without spaces."""

    min_coverage: float
    longest_tail_ms: int
    max_no_speech_probability: float
    max_letters_per_second: float
    min_letters_per_second: float


@dataclass(frozen=True)
class Figures:
    """The figures for the rules; None if unknown."""

    coverage: float | None
    tail_ms: int | None
    letters_per_second: float | None
    speech_ms: int


def measure(transcript: Transcript, stretches: Sequence[TimeSpan]) -> Figures:
    speech_ms = covered_ms(stretches)
    letters = sum(character.isalnum() for character in transcript.text)
    rate = round(1000 * letters / speech_ms, 2) if speech_ms else None
    if not transcript.words or not speech_ms:
        return Figures(None, None, rate, speech_ms)
    spoken = union_spans(TimeSpan(word.start_ms, word.end_ms + _JOIN_MS) for word in transcript.words)
    covered = covered_ms([span.intersection(stretch) for span in spoken for stretch in stretches])
    last_ms = max(word.end_ms for word in transcript.words)
    tail_ms = sum(TimeSpan(max(last_ms, span.start_ms), span.end_ms).duration_ms for span in stretches)
    return Figures(round(covered / speech_ms, 3), tail_ms, rate, speech_ms)


def doubts(
    transcript: Transcript, units: Sequence[str], unit: ErrorUnit, figures: Figures, limits: Limits
) -> tuple[str, ...]:
    """Flags, in a fixed order. `units` are the transcript's, normalised; `unit` says which kind they are."""
    dense = 0.5 if unit is ErrorUnit.CHARACTERS else 1.0  # a Chinese character is a syllable, two or three letters
    signs = {
        "no_words": not units,
        "no_speech": bool(units) and figures.letters_per_second is None,
        "system_doubts_speech": bool(units)
        and (transcript.no_speech_probability or 0.0) > limits.max_no_speech_probability,
        "repetition": repeats_endlessly(units),
        "impossible_rate": (figures.letters_per_second or 0.0) > limits.max_letters_per_second * dense,
        "too_little_text": bool(units)
        and figures.speech_ms >= _MIN_SPEECH_MS
        and (figures.letters_per_second or 0.0) < limits.min_letters_per_second * dense,
        "untranscribed_speech": figures.coverage is not None and figures.coverage < limits.min_coverage,
        "untranscribed_tail": figures.tail_ms is not None and figures.tail_ms > limits.longest_tail_ms,
    }
    return tuple(flag for flag, raised in signs.items() if raised)


def repeats_endlessly(units: Sequence[str]) -> bool:
    """Whether a phrase of up to 12 units is repeated in a row: four times, or six for a single unit.

    People say "no, no, no"; a recogniser that is stuck does not stop.
    """
    if any(_LOOP_IN_A_WORD.search(unit) for unit in units):
        return True
    for length in range(1, min(_LONGEST_PHRASE, len(units) // 2) + 1):
        needed = (6 if length == 1 else 4) * length - length
        run = 0
        for earlier, later in zip(units, units[length:], strict=False):
            run = run + 1 if earlier == later else 0
            if run >= needed:
                return True
    return False


MAX_CHARACTERS = 4_000
"""More than anyone says in 30 s, in any language."""
MIN_SURE = 0.5
"""Minimum probability of a detected language to count as that of the clip."""
NO_LANGUAGE = "und"
_SHOWN = 200


def single_transcript(transcript: Transcript, trusted: bool, max_characters: int = MAX_CHARACTERS) -> Transcript:
    """`transcript` as the row of one recogniser, with more flags; usable for training if there are none and the
    configuration has `trusted` this recogniser alone.

    Control characters are removed from its text and words. Raises AnnotationError for an endless text.
    """
    text = without_controls(transcript.text)
    if len(text) > max_characters:
        raise AnnotationError("endless_answer", f"{len(text)} characters, beginning with {text[:_SHOWN]!r}")
    units = units_of(text, unit_of([text]), None)
    flags = [*transcript.flags, *([] if units else ["no_words"]), *(["repetition"] if repeats_endlessly(units) else [])]
    return transcript.model_copy(
        update={
            "text": text,
            "words": tuple(_without_controls(transcript.words)),
            "language": transcript.language if text else None,
            "usable_for_training": trusted and not flags,
            "flags": ("single_system", *dict.fromkeys(flags)),
        }
    )


def seems_in_a_loop(transcript: Transcript | None) -> bool:
    """Whether it does not end, or says a phrase twice in a row: people do that too, so it is worth a second look."""
    if transcript is None or "cut_short" in transcript.flags:
        return transcript is not None
    units = units_of(transcript.text, unit_of([transcript.text]), None)
    if len(units) > 1 and len(set(units)) == 1:
        return True
    return any(
        units[start : start + length] == units[start + length : start + 2 * length]
        for length in range(2, len(units) // 2 + 1)
        for start in range(len(units) - 2 * length + 1)
    )


def without_controls(text: str) -> str:
    """`text` on one line, without control characters and halves of surrogate pairs, which cannot be stored."""
    characters = (" " if unicodedata.category(character) in {"Cc", "Cs"} else character for character in text)
    return " ".join("".join(characters).split())


def language_of(clip: Clip) -> str | None:
    """BCP 47: the recording's stated language, else one that an earlier recogniser detected for sure; None if unknown.

    A recogniser for a single language skips clips in others.
    """
    stated = clip.segment.language
    if stated is not None and primary_language(stated) != NO_LANGUAGE:
        return stated
    rows = (row.transcript for row in clip.annotations if isinstance(row, SpeechAnnotation) and row.transcript)
    detected = ((row.language_probability or 0.0, row.language) for row in rows)
    return next((language for probability, language in detected if probability >= MIN_SURE and language), None)


def is_in_another_language(transcript: Transcript, spoken: str | None) -> bool:
    """Whether it is by a model that does not know the language, also if it ran before a later one detected that."""
    if "unsupported_language" in transcript.flags:
        return True
    assumed = None if transcript.language_probability is not None else primary_language(transcript.language)
    return None not in (assumed, spoken) and assumed != primary_language(spoken)


def an_empty_transcript(*flags: str) -> Transcript:
    """The transcript of a recogniser that found nothing, or was not run."""
    return Transcript(
        text="",
        words=(),
        language=None,
        confidence=None,
        agreement=None,
        usable_for_training=False,
        flags=("single_system", *flags),
    )


def _without_controls(words: Iterable[Word]) -> Iterable[Word]:
    for word in words:
        if text := without_controls(word.text):
            yield word.model_copy(update={"text": text})

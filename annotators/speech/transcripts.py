"""What a recogniser's own transcript becomes, whichever it is: held against bounds, and marked."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from annotators.base import AnnotationError, Clip
from annotators.speech.doubts import repeats_endlessly
from annotators.wording.normalise import primary_language, unit_of, units_of
from schemas.annotation import SpeechAnnotation
from schemas.speech import Transcript, Word

MOST_CHARACTERS = 4_000
"""More than anyone says in 30 s, in any language."""
LEAST_SURE = 0.5
"""Probability from which a language that was heard counts as that of the clip."""
NO_LANGUAGE = "und"
_SHOWN = 200


def told_by_one(heard: Transcript, trusted: bool, most_characters: int = MOST_CHARACTERS) -> Transcript:
    """`heard` as the row of one recogniser, with more flags; usable for training where nothing speaks against it and
    the configuration has `trusted` this recogniser alone.

    Control characters are taken out of its text and words: what a model writes is text and nothing else. Raises
    AnnotationError where it has written without end.
    """
    text = without_controls(heard.text)
    if len(text) > most_characters:
        raise AnnotationError("endless_answer", f"{len(text)} characters, beginning with {text[:_SHOWN]!r}")
    units = units_of(text, unit_of([text]), None)
    flags = [*heard.flags, *([] if units else ["no_words"]), *(["repetition"] if repeats_endlessly(units) else [])]
    return heard.model_copy(
        update={
            "text": text,
            "words": tuple(_without_controls(heard.words)),
            "language": heard.language if text else None,
            "usable_for_training": trusted and not flags,
            "flags": ("single_system", *dict.fromkeys(flags)),
        }
    )


def without_controls(text: str) -> str:
    """`text` on one line, without control characters and halves of surrogate pairs, which no file can hold."""
    kept = (" " if unicodedata.category(character) in {"Cc", "Cs"} else character for character in text)
    return " ".join("".join(kept).split())


def language_of(clip: Clip) -> str | None:
    """BCP 47, as it came with the recording, else as a recogniser before this one heard it for sure; None for unknown.

    A recogniser that knows one language only does not listen to others.
    """
    told = clip.segment.language
    if told is not None and primary_language(told) != NO_LANGUAGE:
        return told
    rows = (row.transcript for row in clip.annotations if isinstance(row, SpeechAnnotation) and row.transcript)
    heard = ((row.language_probability or 0.0, row.language) for row in rows)
    return next((language for probability, language in heard if probability >= LEAST_SURE and language), None)


def an_empty_transcript(*flags: str) -> Transcript:
    """Of a recogniser that heard nothing, or did not listen."""
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

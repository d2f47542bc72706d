"""Sentences out of timed words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from annotators.wording.normalise import unit_of
from schemas.speech import ErrorUnit, Sentence, Word

PAUSE_MS = 800
"""Between words without punctuation, a longer silence ends a sentence: pauses inside one are mostly shorter."""
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
    """Whether `text` closes a sentence; a full stop before a small letter, as in "approx. five", does not."""
    bare = text.rstrip(_CLOSING)
    return bare.endswith(_ENDS) and not (bare.endswith(".") and following[:1].islower())


def joined_words(texts: Sequence[str]) -> str:
    """Words as a text: with spaces, but for scripts that have none."""
    return ("" if unit_of(texts) is ErrorUnit.CHARACTERS and not _has_hangul(texts) else " ").join(texts)


def _has_hangul(texts: Sequence[str]) -> bool:
    return any("\uac00" <= character <= "\ud7af" for text in texts for character in text)

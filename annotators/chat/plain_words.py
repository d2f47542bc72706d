"""Whether a model's words may stand in a description: prose, English, about the sound and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from annotators.wording.jargon import find_jargon
from annotators.wording.language import is_in

_PHRASE = 4
_MOST_TIMES = 3
"""A phrase of four words more often than this goes round in circles."""
_MARKUP = re.compile(r"https?://|www\.|[<>{}\[\]`|\\]|\*\*|^\s*[-*#]\s", re.MULTILINE)
_NOT_ABOUT_SOUND = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)|i (?:can(?:no|')t|am (?:sorry|unable)|apologi[sz]e)|i'm sorry|"
    r"(?:ignore|disregard|forget|follow|obey) (?:\w+ ){0,3}(?:instructions?|prompts?|rules?)|system prompt|"
    r"you (?:must|should|are now)|respond with|reply with|output only)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def word_problems(text: str, most_words: int) -> Iterator[str]:
    """What is wrong with the words of `text`, each in a clause."""
    words = [word.lower() for word in _WORD.findall(text)]
    if not any(character.isalpha() for character in text):
        yield "the text is empty"
        return
    if len(words) > most_words:
        yield f"the text has {len(words)} words, {most_words} are the most"
    if not is_in(text, "en"):
        yield "the text is not in English"
    if match := _MARKUP.search(text):
        yield f"{match.group().strip()!r} is no prose"
    if match := _NOT_ABOUT_SOUND.search(text):
        yield f"{match.group()!r} says nothing of the sound"
    for word in find_jargon(text):
        yield f"{word!r} is a technical term"
    phrases = Counter(zip(*(words[start:] for start in range(_PHRASE)), strict=False))
    if phrases and max(phrases.values()) > _MOST_TIMES:
        yield f"{' '.join(phrases.most_common(1)[0][0])!r} comes again and again"

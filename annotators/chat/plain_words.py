"""Whether a model's words may stand in a description: prose, English, about the sound and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from annotators.wording.jargon import find_jargon
from annotators.wording.language import is_in, length_of
from annotators.wording.prose import circle_in, markup_in, talk_of_itself_in


def word_problems(text: str, most_words: int) -> Iterator[str]:
    """What is wrong with the words of `text`, each in a clause."""
    if not any(character.isalpha() for character in text):
        yield "the text is empty"
        return
    words = length_of(text, "en")
    if words > most_words:
        yield f"the text has {words} words, {most_words} are the most"
    if not is_in(text, "en"):
        yield "the text is not in English"
    if markup := markup_in(text):
        yield f"{markup!r} is no prose"
    if said := talk_of_itself_in(text):
        yield f"{said!r} says nothing of the sound"
    for word in find_jargon(text):
        yield f"{word!r} is a technical term"
    if phrase := circle_in(text, "en"):
        yield f"{phrase!r} comes again and again"

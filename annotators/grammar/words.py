"""English for quantities: number words, articles, lists, places in time."""

from __future__ import annotations

from collections.abc import Sequence

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DOZEN = len(_NUMBERS) - 1

HEDGES = (
    "what may be",
    "what sounds like",
    "what could be",
    "something like",
    "perhaps",
    "possibly",
    "maybe",
    "presumably",
    "apparently",
    "seemingly",
    "probably",
    "most likely",
)
"""Before a noun of which nobody is sure."""


def number_word(count: int) -> str:
    """Up to twelve as a word, above that approximately."""
    if count <= _DOZEN:
        return _NUMBERS[count]
    return "more than a dozen" if count < 24 else "dozens of"


def with_article(noun_phrase: str) -> str:
    """a or an, by sound: "a uniform hum", "an even hum"."""
    sounds_like_a_consonant = noun_phrase.startswith(("uni", "one", "us"))
    vowel = noun_phrase[0] in "aeiou" and not sounds_like_a_consonant
    return f"{'an' if vowel else 'a'} {noun_phrase}"


def plural(noun_phrase: str) -> str:
    """The plural of a phrase with a regular noun; what follows the noun is unchanged."""
    for joint in (" of ", " lasting "):
        head, found, tail = noun_phrase.partition(joint)
        if found:
            return f"{plural(head)}{found}{tail}"
    return f"{noun_phrase}s"


def join_words(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def seconds_word(duration_ms: float) -> str:
    """An approximate duration, from one second upwards; never a fifth of a second too long."""
    seconds = int(duration_ms / 1000 + 0.2)
    if seconds <= 1:
        return "about a second"
    if seconds <= 12:
        return f"about {_NUMBERS[seconds]} seconds"
    for least, words in LONGER:
        if seconds >= least:
            return words
    return "over twelve seconds"


LONGER = (
    (60, "about a minute"),
    (45, "about three quarters of a minute"),
    (30, "about half a minute"),
    (20, "some twenty seconds"),
    (15, "about a quarter of a minute"),
)
"""Seconds from which on a duration is put so."""


def place_word(share: float) -> str:
    """The words for a position in the segment, `share` in [0, 1]."""
    return next((words for below, words in PLACES if share < below), PLACES[-1][1])


PLACES = (
    (0.08, "right at the start"),
    (0.25, "near the start"),
    (0.42, "about a third of the way through"),
    (0.58, "about halfway through"),
    (0.75, "about two thirds of the way through"),
    (0.9, "towards the end"),
    (1.0, "at the very end"),
)
"""Below which share of the whole a place is put so; the last one also for all beyond."""

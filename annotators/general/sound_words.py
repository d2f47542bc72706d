"""Which sounds a text names: words in families, so that a bark is heard where a dog is told of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml

from schemas.event import EventClass
from schemas.record import Record

_ENDINGS = ("", "s", "es", "ed", "d", "ing", "er", "ers", "ings")


class Family(Record):
    """Words for one kind of sound, and the classes that it falls into; none for any."""

    classes: tuple[EventClass, ...]
    words: tuple[str, ...]

    def may_be(self, event_class: EventClass) -> bool:
        """Whether a sound of `event_class`, of which no more is known, may be one of these."""
        return event_class is EventClass.SOURCE_AMBIGUOUS or not self.classes or event_class in self.classes


@cache
def families() -> Mapping[str, Family]:
    text = files("annotators.general").joinpath("sound_words.yaml").read_text(encoding="utf-8")
    return {
        name: Family(classes=tuple(map(EventClass, entry["classes"])), words=tuple(entry["words"]))
        for name, entry in yaml.safe_load(text).items()
    }


def families_in(text: str) -> tuple[str, ...]:
    """The families of the sounds that `text` names, in order of appearance, each once.

    The longest word that fits counts: a car horn is no car.
    """
    found: list[str] = []
    for match in _pattern().finditer(text.lower()):
        family = _family_of()[match[1]]
        if family not in found:
            found.append(family)
    return tuple(found)


@cache
def _family_of() -> Mapping[str, str]:
    """Every form of every word → its family."""
    forms: dict[str, str] = {}
    for name, family in families().items():
        for word in family.words:
            for form in _forms(word):
                forms.setdefault(form, name)
    # A word as it is listed counts before a form of another.
    forms |= {word: name for name, family in families().items() for word in family.words}
    return forms


def _forms(word: str) -> set[str]:
    stems = {word, word.removesuffix("e")} if word.endswith("e") else {word}
    if word.endswith("y"):
        stems.add(f"{word[:-1]}i")
    if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", word):
        stems.add(word + word[-1])
    return {stem + ending for stem in stems for ending in _ENDINGS if len(stem + ending) > 2}


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(_family_of(), key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b")

"""A listener's words, English and Chinese, for each AudioSet class of YAMNet, and broader words for them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_DOUBLED = re.compile(r"^[^aeiou]*(qu)?[aeiou][bdgklmnprtv]$")
"""Monosyllables that end in a single consonant after a single vowel: hum, humming."""


@dataclass(frozen=True)
class SoundName:
    """A sound as the subject of a sentence, and what it does."""

    label: str
    """AudioSet's, or one of the broad words that AudioSet lacks."""
    broader: str | None
    """The label of the next broader word; None if there is no informative one."""
    kind: str
    """The kind as classified by the net on YAMNet; empty for a label that is not a sound of its own."""
    article: str
    """a, an, the or none."""
    noun: str
    number: str
    """one, many or mass."""
    verb: str
    """In the present, agreeing with the noun; it may go on: "sounds its horn"."""
    zh_noun: str
    """乌鸦的叫声"""
    zh_clause: str
    """一只乌鸦在叫"""

    @property
    def subject(self) -> str:
        """ "a crow", "footsteps", "rain"."""
        return f"{self.article} {self.noun}".strip()

    @property
    def clause(self) -> str:
        """ "a crow caws"."""
        return f"{self.subject} {self.verb}"

    @property
    def doing(self) -> str:
        """ "a crow cawing": the object of "we hear"."""
        return f"{self.subject} {participle(self.verb)}"

    @property
    def are(self) -> str:
        return "are" if self.number == "many" else "is"


@cache
def sound_names() -> Mapping[str, SoundName]:
    """All rows of the table by label."""
    text = files("soundseam.annotators.grammar").joinpath("sound_names.csv").read_text(encoding="utf-8")
    return {row["label"]: _read(row) for row in csv.DictReader(text.splitlines())}


def _read(row: Mapping[str, str]) -> SoundName:
    article, number = row["article"], row["number"]
    if article not in ("a", "an", "the", "") or number not in ("one", "many", "mass"):
        raise ValueError(f"{row['label']}: {article!r} is not an article, or {number!r} not a number")
    return SoundName(
        label=row["label"],
        broader=row["broader"] or None,
        kind=row["kind"],
        article=article,
        noun=row["noun"],
        number=number,
        verb=row["verb"],
        zh_noun=row["zh_noun"],
        zh_clause=row["zh_clause"],
    )


def broader_labels(label: str) -> tuple[str, ...]:
    """The broader words for `label`, the nearest first; empty for a label that is not in the table."""
    found: list[str] = []
    name = sound_names().get(label)
    while name is not None and name.broader is not None:
        found.append(name.broader)
        name = sound_names().get(name.broader)
    return tuple(found)


def participle(verb: str) -> str:
    """The -ing form of a verb in the present, with what follows it: "opens or closes" gives "opening or closing"."""
    words = verb.split()
    last = 2 if len(words) > 2 and words[1] == "or" else 0
    return " ".join(_ing(word) if index in (0, last) else word for index, word in enumerate(words))


def _ing(word: str) -> str:
    stem = _infinitive(word)
    if len(stem) > 2 and stem.endswith("e") and not stem.endswith(("ee", "oe", "ye")):
        return f"{stem[:-1]}ing"
    return f"{stem}{stem[-1]}ing" if _DOUBLED.match(stem) else f"{stem}ing"


def _infinitive(word: str) -> str:
    if word in ("is", "are"):
        return "be"
    if word in ("goes", "does"):
        return word[:-2]
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word

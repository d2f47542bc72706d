"""The wordings of questions and answers, in every language, and the names of sounds."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files as package_files
from typing import Any, Literal, NamedTuple

import yaml

from soundseam.annotators.grammar.engine import Pick
from soundseam.annotators.grammar.sound_names import sound_names as listeners_names
from soundseam.annotators.prompts import TRAINING
from soundseam.annotators.wording.normalise import unit_of
from soundseam.pipeline.sft.answers import AmbiguousTextError, TimedText, TimestampFormat, write_timed
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import content_key
from soundseam.schemas.speech import ErrorUnit

StyleName = Literal["plain", "moss"]
MOSS_TIMESTAMPS = TimestampFormat(line="[{start}]{text}[{end}]", joiner="")
"""Of MOSS-Audio's transcripts: [0.00]hello there[2.01][2.01]the weather is nice[4.32]; its events are in lines."""
_TRANSCRIPTS = frozenset({"asr_words", "asr_sentences", "speaker_transcript", "long_transcript", "lyrics"})

LANGUAGES = ("en", "zh")
"""The languages of every template."""

Wordings = Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]]
"""kind → part → language → wordings, as in a task's YAML."""


class AnswerStyle(NamedTuple):
    """The form of answers. A part of a template may have a form of its own in a style: `question_moss`."""

    timestamps: TimestampFormat
    name: StyleName = "plain"

    def timestamps_of(self, task: str) -> TimestampFormat:
        """The format of a task's timed answers."""
        return MOSS_TIMESTAMPS if self.name == "moss" and task in _TRANSCRIPTS else self.timestamps


class UnsayableError(Exception):
    """A fact has no words in the requested language, or cannot be written so that it can be parsed again."""


@cache
def wordings_of(task: str) -> Wordings:
    """The templates of a task. Raises ValueError if a part lacks a language or its wordings differ in slots."""
    tree: Wordings = _read_yaml("templates", f"{task}.yaml")
    for kind, parts in tree.items():
        for part, languages in parts.items():
            if set(languages) != set(LANGUAGES):
                raise ValueError(f"{task}.yaml: {kind}.{part} is written in {sorted(languages)}, not in {LANGUAGES}")
            slots = {frozenset(slots_of(wording)) for wordings in languages.values() for wording in wordings}
            if len(slots) != 1:
                raise ValueError(f"{task}.yaml: wordings of {kind}.{part} differ in their slots")
    return tree


@cache
def sound_names() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """`classes`, `labels` and `instruments`, each name → language → noun phrase."""
    names: Mapping[str, Mapping[str, Mapping[str, str]]] = _read_yaml("labels.yaml")
    return names


@cache
def words_key(task: str) -> str:
    """Key of a task's templates and names."""
    return content_key([wordings_of(task), sound_names()])


def prompts_key(*names: str) -> str:
    """Key of all words that models are asked with, in every language."""
    return content_key([TRAINING.key(*names, language=language) for language in LANGUAGES])


def slots_of(wording: str) -> set[str]:
    """The names in braces in a template."""
    return {name for _, name, _, _ in string.Formatter().parse(wording) if name}


def language_of(text: str) -> str:
    """One of LANGUAGES: that of a text that is used as an answer."""
    return "zh" if unit_of([text]) is ErrorUnit.CHARACTERS else "en"


def sound_name(event_class: EventClass, label: str, language: str) -> str:
    """A sound as a noun phrase: "speech", "a dog barking". Raises UnsayableError for an unknown label."""
    names = sound_names()
    plain = label.strip().lower().replace("_", " ")
    found = names["labels"].get(plain) or (names["classes"][event_class] if _is_generic(plain, event_class) else {})
    if name := found.get(language) or _listeners_names(language).get(plain):
        return name
    if language == "en":
        return f"the sound “{plain}”"
    raise UnsayableError(f"no {language} word for {label}")


@cache
def _listeners_names(language: str) -> Mapping[str, str]:
    """The grammar's noun phrase for each AudioSet label, in lower case: "a crow cawing", 乌鸦的叫声.

    Without phrases that two labels share, which would not distinguish them in a list.
    """
    names = {
        label.lower(): name.zh_noun if language == "zh" else name.doing
        for label, name in listeners_names().items()
        if language == "zh" or name.noun not in ("something", "something wet")
    }
    taken = Counter((*names.values(), *(one[language] for one in sound_names()["labels"].values())))
    return {label: text for label, text in names.items() if taken[text] == 1}


def instrument_name(label: str, language: str) -> str:
    """A tag of an instrument or a singer. Raises UnsayableError if the language has no word for it."""
    plain = " ".join(label.lower().replace("_", " ").replace("-", " ").split())
    found = sound_names()["instruments"].get(plain, {})
    if language in found:
        return found[language]
    if language == "en":
        return plain
    raise UnsayableError(f"no {language} word for {label}")


class Words:
    """The words of one language for one fact; `pick` chooses among wordings."""

    def __init__(self, task: str, kind: str, language: str, pick: Pick, style: AnswerStyle) -> None:
        self.language = language
        self.style = style
        self.kind = kind
        self._task, self._pick = task, pick

    def say(self, part: str, **slots: str) -> str:
        """A wording of `part`, or of its form in the style, with its slots filled."""
        parts = wordings_of(self._task)[self.kind]
        styled = f"{part}_{self.style.name}"
        wordings = parts[styled if styled in parts else part][self.language]
        return self._pick(*wordings).format(**slots)

    def of(self, task: str, kind: str) -> Words:
        """The same language and choices with another task's templates."""
        return Words(task, kind, self.language, self._pick, self.style)

    def sound(self, event_class: EventClass, label: str) -> str:
        """A sound as a noun phrase: "speech", "a dog barking". Raises UnsayableError for an unknown label."""
        return sound_name(event_class, label, self.language)

    def instrument(self, label: str) -> str:
        """A tag of an instrument or a singer. Raises UnsayableError if the language has no word for it."""
        return instrument_name(label, self.language)

    def listing(self, phrases: Sequence[str], last: Literal["and", "or"] = "and") -> str:
        """Phrases as a list inside a sentence."""
        joined = {"en": (", ", f" {last} "), "zh": ("、", {"and": "和", "or": "或"}[last])}[self.language]
        if len(phrases) < 2:
            return "".join(phrases)
        return joined[0].join(phrases[:-1]) + joined[1] + phrases[-1]

    def joined(self, sentences: Sequence[str]) -> str:
        """Sentences one after another, each with a capital letter."""
        return {"en": " ", "zh": ""}[self.language].join(text[:1].upper() + text[1:] for text in sentences)

    def form(self, text: str) -> str:
        """The format of an entry of timed text, for a question."""
        form = self.style.timestamps_of(self._task)
        start, end = ("start", "end") if form == self.style.timestamps else ("xx.xx", "yy.yy")
        return form.line.format(start=start, end=end, text=text)

    def timed(self, entries: Sequence[TimedText]) -> str:
        """Entries in the configured format."""
        try:
            return write_timed(entries, self.style.timestamps_of(self._task))
        except AmbiguousTextError as error:
            raise UnsayableError(str(error)) from error


def seconds(duration_ms: float, decimals: int = 1) -> str:
    """Milliseconds as decimal seconds, without a unit."""
    return f"{duration_ms / 1000:.{decimals}f}"


def _is_generic(label: str, event_class: EventClass) -> bool:
    return label in {event_class.value, event_class.value.replace("_", " "), "sound", ""}


def _read_yaml(*parts: str) -> Any:
    text = package_files("soundseam.pipeline.sft").joinpath(*parts).read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    if not isinstance(tree, dict):
        raise TypeError(f"{'/'.join(parts)} must be a YAML mapping")
    return tree

"""Texts of recordings' captions that contradict what is known of the recordings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from soundseam.annotators.grammar.sound_names import sound_names
from soundseam.pipeline.evaluation.named_clips import is_right
from soundseam.pipeline.long.check import claims_of
from soundseam.pipeline.long.stretches import joined
from soundseam.schemas.long import RecordingCaption, RecordingClaim
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan, covered_ms

SPAN_TOLERANCE_MS = 1_000
"""Content may be this far outside a text's own time."""
_DURATION_SHARE, _DURATION_MS = 0.2, 3_000
"""About so long: this much more or less."""
_MUSIC_PAUSE_MS = 5_000
_ANIMAL = "Animal"


@dataclass(frozen=True)
class TrueSpan:
    """One turn, stretch of a piece, or occurrence of a sound."""

    name: str
    span: TimeSpan
    labels: frozenset[str] = frozenset()
    """AudioSet's right labels of a sound; empty if unknown."""

    def is_called(self, label: str) -> bool:
        """Whether `label` is right for it, or may be because nothing is known of it."""
        return not self.labels or is_right(label, self.labels)


@dataclass(frozen=True)
class LongTruth:
    """What is known of a recording."""

    turns: tuple[TrueSpan, ...]
    chapters: tuple[TimeSpan, ...] = ()
    pieces: tuple[TrueSpan, ...] = ()
    sounds: tuple[TrueSpan, ...] = ()
    is_complete: bool = False
    """Whether pieces and sounds are complete; a list of turns says nothing of them."""

    def counts_of(self, label: str, span: TimeSpan) -> range:
        """How often there may be a sound with this label in a part: those that are surely so called, and those of
        which that is unknown."""
        inside = [one for one in self.sounds if _is_in(one, span)]
        sure = sum(bool(one.labels) and one.is_called(label) for one in inside)
        return range(sure, sure + sum(not one.labels for one in inside) + 1)

    def times_of_music(self) -> int:
        """How often music plays, with pauses that are long enough to end it."""
        return len(joined((one.span for one in self.pieces), _MUSIC_PAUSE_MS))


class FalseText(Record):
    """A text that contradicts the truth."""

    source_uri: str
    start_ms: int
    rule: str
    text: str
    why: str


def _is_in(one: TrueSpan, span: TimeSpan) -> bool:
    return 2 * one.span.overlap_ms(span) >= one.span.duration_ms


def speaker_mapping(caption: RecordingCaption, truth: LongTruth) -> dict[str, str]:
    """Name of a speaker in the caption → the true one with most common time, each once, the longest first."""
    common = defaultdict[tuple[str, str], int](int)
    for speaker in caption.speakers:
        for turn in speaker.turns:
            for true in truth.turns:
                common[speaker.name, true.name] += turn.span.overlap_ms(true.span)
    mapping: dict[str, str] = {}
    for (name, true_name), ms in sorted(common.items(), key=lambda item: -item[1]):
        if ms and name not in mapping and true_name not in mapping.values():
            mapping[name] = true_name
    return mapping


def false_texts(caption: RecordingCaption, truth: LongTruth) -> Iterator[FalseText]:
    judge = _Judge(caption, truth)
    for claim in claims_of(caption):
        why = next(judge.problems(claim), "")
        if why:
            yield FalseText(
                source_uri=caption.source_uri, start_ms=claim.start_ms, rule=claim.rule, text=claim.text, why=why
            )


_DURATION = r"about (?P<time>(?:\d+ (?:hour|minute|second)s?(?: and )?)+)"
_SPEAKS = re.compile(rf"(?P<name>Speaker \d+) speaks for {_DURATION}")
_SPEAKS_AT_LEAST = re.compile(rf"(?P<name>Speaker \d+) speaks for at least {_DURATION.removeprefix('about ')}")
_SPEECH_FOR = re.compile(rf"there is speech for {_DURATION}", re.IGNORECASE)
_MUSIC_AT_LEAST = re.compile(rf"Music plays for at least {_DURATION.removeprefix('about ')}")
_MUSIC_TIMES = re.compile(rf"Music plays (?P<count>once|twice|\d+ times), for {_DURATION}")
_MUSIC_FOR = re.compile(rf"(?:music|piece [a-z]+(?:(?:, | and )piece [a-z]+)*) plays? for {_DURATION}", re.IGNORECASE)
_HEARD = re.compile(
    r"(?P<name>[a-zA-Z' -]+?) (?:is|are) heard (?P<least>at least )?"
    rf"(?:(?P<count>once|twice|\d+ times)|for {_DURATION})"
)
_PEOPLE = re.compile(r"^(?P<least>At least )?(?P<count>\w+) (?:person|people) speaks?")
_COUNTS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


class _Judge:
    """Compares texts with the truth; what the truth does not tell is not judged."""

    def __init__(self, caption: RecordingCaption, truth: LongTruth) -> None:
        self._caption = caption
        self._truth = truth
        self._speakers = speaker_mapping(caption, truth)

    def problems(self, claim: RecordingClaim) -> Iterator[str]:
        span = TimeSpan(claim.start_ms - SPAN_TOLERANCE_MS, claim.end_ms + SPAN_TOLERANCE_MS)
        yield from self._named(claim, span)
        yield from self._durations(claim, span)
        yield from self._firsts(claim)
        if self._truth.is_complete:
            yield from self._sounds(claim, span)
        if claim.rule == "speakers" and (found := _PEOPLE.match(claim.text)):
            stated, true = _COUNTS.index(found["count"].lower()), len({turn.name for turn in self._truth.turns})
            if stated > true or (stated < true and not found["least"]):
                yield f"{true} speak"

    def _named(self, claim: RecordingClaim, span: TimeSpan) -> Iterator[str]:
        """Who is said to speak, and that there is speech or music at all."""
        turns = [turn for turn in self._truth.turns if turn.span.overlap_ms(span)]
        if claim.rule in {"line", "title", "sentence"}:
            for name in re.findall(r"Speaker \d+", claim.text):
                if not any(turn.name == self._speakers.get(name) for turn in turns):
                    yield f"{name} does not speak"
        is_music = [piece for piece in self._truth.pieces if piece.span.overlap_ms(span)]
        if re.search(r"\b(speech|speaking|talks?)\b", claim.text, re.IGNORECASE) and not turns:
            yield "nobody speaks"
        speaks_of_music = re.search(r"\b(music|singing|piece)\b", claim.text, re.IGNORECASE)
        if self._truth.is_complete and speaks_of_music and not is_music:
            yield "no music plays"

    def _durations(self, claim: RecordingClaim, span: TimeSpan) -> Iterator[str]:
        truth = self._truth
        for found in _SPEAKS.finditer(claim.text):
            own = [turn.span for turn in truth.turns if turn.name == self._speakers.get(found["name"])]
            yield from _other_length(found["time"], own, span)
        for found in _SPEAKS_AT_LEAST.finditer(claim.text):
            own = [turn.span for turn in truth.turns if turn.name == self._speakers.get(found["name"])]
            if _length_ms(found["time"]) > covered_ms(own) * (1 + _DURATION_SHARE) + _DURATION_MS:
                yield f"{covered_ms(own) / 1000:.0f} s"
        for found in _SPEECH_FOR.finditer(claim.text):
            yield from _other_length(found["time"], [turn.span for turn in truth.turns], span)
        if truth.is_complete:
            for found in _MUSIC_FOR.finditer(claim.text):
                yield from _other_length(found["time"], [piece.span for piece in truth.pieces], span)
            yield from self._music_in_all(claim)

    def _music_in_all(self, claim: RecordingClaim) -> Iterator[str]:
        pieces = [piece.span for piece in self._truth.pieces]
        for found in _MUSIC_AT_LEAST.finditer(claim.text):
            if _length_ms(found["time"]) > covered_ms(pieces) * (1 + _DURATION_SHARE) + _DURATION_MS:
                yield f"{covered_ms(pieces) / 1000:.0f} s"
        for found in _MUSIC_TIMES.finditer(claim.text):
            yield from _other_length(found["time"], pieces, TimeSpan(claim.start_ms, claim.end_ms))
            if _times(found["count"]) != self._truth.times_of_music():
                yield f"{self._truth.times_of_music()} times"

    def _firsts(self, claim: RecordingClaim) -> Iterator[str]:
        """Times at which something is said to be for the first time."""
        found = re.search(r", first at ((?:\d+:)?\d+:\d+)", claim.text)
        if found is None:
            return
        true = {
            "music_time": self._truth.pieces,
            "sound_time": [one for one in self._truth.sounds if one.is_called(claim.subject or "")],
            "speaker_time": [
                turn
                for speaker in self._caption.speakers
                for turn in self._truth.turns
                if speaker.speaker == claim.subject and turn.name == self._speakers.get(speaker.name)
            ],
        }.get(claim.rule, ())
        stated_ms = 1000 * sum(int(part) * 60**place for place, part in enumerate(reversed(found[1].split(":"))))
        if true and abs(min(one.span.start_ms for one in true) - stated_ms) > _DURATION_MS:
            yield f"first at {min(one.span.start_ms for one in true) / 1000:.0f} s"

    def _sounds(self, claim: RecordingClaim, span: TimeSpan) -> Iterator[str]:
        there = [sound for sound in self._truth.sounds if sound.span.overlap_ms(span)]
        for label, words in self._mentioned(claim.text):
            if not any(sound.is_called(label) for sound in there):
                yield f"there is no {words}"
        for found in _HEARD.finditer(claim.text):
            called = _label_of(found["name"].rpartition(", ")[2].removeprefix("and "), self._labels)
            if called is not None and found["count"]:
                count = _times(found["count"])
                true = self._truth.counts_of(called, span)
                if count > true[-1] or (count < true[0] and not found["least"]):
                    yield f"{true[0]} to {true[-1]} times"
        if "animal" in claim.text.lower() and not any(sound.is_called(_ANIMAL) for sound in there):
            yield "there is no animal"

    @property
    def _labels(self) -> tuple[str, ...]:
        return tuple(sound.label for sound in self._caption.sounds)

    def _mentioned(self, text: str) -> Iterator[tuple[str, str]]:
        for label in self._labels:
            name = sound_names()[label]
            for words in (name.doing, f"{name.subject} {name.are} heard"):
                if words.lower() in text.lower():
                    yield label, words


def _times(words: str) -> int:
    return {"once": 1, "twice": 2}.get(words) or int(words.split(maxsplit=1)[0])


def _label_of(words: str, labels: tuple[str, ...]) -> str | None:
    """The label whose name ends with `words`, of those in the caption."""
    fitting = [label for label in labels if words.lower().endswith(sound_names()[label].subject.lower())]
    return max(fitting, key=lambda label: len(sound_names()[label].subject), default=None)


def _length_ms(words: str) -> int:
    factors = {"hour": 3600, "minute": 60, "second": 1}
    return 1000 * sum(int(number) * factors[unit] for number, unit in re.findall(r"(\d+) (hour|minute|second)", words))


def _other_length(words: str, spans: list[TimeSpan], within: TimeSpan) -> Iterator[str]:
    true = covered_ms(span.intersection(within) for span in spans)
    if abs(_length_ms(words) - true) > max(_DURATION_MS, _DURATION_SHARE * true):
        yield f"{true / 1000:.0f} s"

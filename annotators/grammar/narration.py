"""Named sounds described as a listener would: who or what does something, how often, when, and beside what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from soundseam.annotators.grammar.arrangement import Beside
from soundseam.annotators.grammar.engine import Pick, Rule, Values
from soundseam.annotators.grammar.events import (
    ALL_OF_IT,
    APART,
    TOGETHER,
    SegmentEvent,
    Stream,
    Timeline,
    read_timeline,
    timeline_reads,
)
from soundseam.annotators.grammar.phrases import shared_phrase, sound_phrase
from soundseam.annotators.grammar.scene import Order, stream_words
from soundseam.annotators.grammar.sound_names import SoundName
from soundseam.annotators.grammar.words import number_word, place_word, plural, with_article
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_ONE_CALL_MS = 900
"""An event up to this long counts as one call, so that calls can be counted."""
_COUNTED = 4
_MAX_KINDS = 4
"""Maximum number of kinds of sound in one sentence."""
_MOST_OF_IT = 0.8
_WHOLE = 0.75
_TOO_SHORT_FOR_PLACES_MS = 3_000


@dataclass(frozen=True)
class Part:
    """All events of one kind, described by one clause."""

    sounds: tuple[SegmentEvent, ...]

    @property
    def name(self) -> SoundName | None:
        return self.sounds[0].name

    @property
    def start_ms(self) -> int:
        return self.sounds[0].span.start_ms

    @property
    def end_ms(self) -> int:
        return max(sound.span.end_ms for sound in self.sounds)

    @property
    def spans(self) -> tuple[TimeSpan, ...]:
        return union_spans(sound.span for sound in self.sounds)

    @property
    def times(self) -> int | Literal["on and off", "again and again"]:
        """How often it happens: once also if it is continuous, a number if its calls can be counted."""
        count = len(self.sounds)
        if count == 1:
            return 1
        if count <= _COUNTED and all(sound.span.duration_ms <= _ONE_CALL_MS for sound in self.sounds):
            return count
        return "on and off" if count < 4 else "again and again"

    @property
    def often(self) -> str:
        """ " twice", " again and again"; empty for once."""
        times = self.times
        if isinstance(times, str):
            return f" {times}"
        return {1: "", 2: " twice"}.get(times, f" {number_word(times)} times")

    @property
    def clause(self) -> str:
        """ "a crow caws twice"."""
        if self.name is not None:
            return f"{self.name.clause}{self.often}"
        return f"{self.phrase} {'is' if len(self.sounds) == 1 else 'are'} heard"

    @property
    def doing(self) -> str:
        """ "a crow cawing twice": the object of "we hear"."""
        return f"{self.name.doing}{self.often}" if self.name is not None else self.phrase

    @property
    def are(self) -> str:
        if self.name is not None:
            return self.name.are
        return "is" if len(self.sounds) == 1 else "are"

    @property
    def phrase(self) -> str:
        if len(self.sounds) == 1:
            return with_article(sound_phrase(self.sounds[0]))
        count = number_word(len(self.sounds)) if len(self.sounds) <= _COUNTED else "several"
        return f"{count} {plural(shared_phrase(self.sounds))}"


def parts_of(sounds: Sequence[SegmentEvent]) -> list[Part]:
    """One part per name, and one for all unnamed events, in order of first appearance."""
    kinds = sorted(sounds, key=_kind)
    parts = [Part(tuple(own)) for _, own in groupby(kinds, key=_kind)]
    if len(parts) > _MAX_KINDS:
        parts = sorted(parts, key=lambda part: (part.name is None, -covered_ms(part.spans)))[:_MAX_KINDS]
    return sorted(parts, key=lambda part: (part.start_ms, part.end_ms))


def _kind(sound: SegmentEvent) -> str:
    return sound.name.clause if sound.name is not None else ""


def _say(timeline: Timeline, pick: Pick, opens: bool) -> str | None:
    if not any(sound.name for sound in timeline.sounds) or (opens and len(timeline.streams) > 1):
        return None
    parts = parts_of(timeline.sounds)
    if timeline.streams:
        return _say_beside(parts, timeline, pick, opens)
    return _say_one(parts[0], timeline, pick) if len(parts) == 1 else _say_several(parts, pick)


def _say_one(part: Part, timeline: Timeline, pick: Pick) -> str:
    where = _where(part, timeline)
    frames = [
        f"{part.clause}{where}",
        f"{part.clause}{where}",
        f"{part.doing} can be heard{where}",
        f"there {part.are} {part.doing}{where}",
        f"we hear {part.doing}{where}",
    ]
    if where.strip() and not where.startswith(" through"):
        frames += [f"{where.strip()}, {part.clause}", f"{where.strip()}, there {part.are} {part.doing}"]
    return pick(*frames)


def where_in(part: Part, timeline: Timeline) -> float | Literal["throughout"] | None:
    """Its place as a share of the timeline; None if it takes most of the time, or if the segment is too short."""
    whole = timeline.duration_ms
    if whole < _TOO_SHORT_FOR_PLACES_MS or part.end_ms - part.start_ms >= _WHOLE * whole:
        lasts = len(part.sounds) == 1 and whole >= 2 * _TOO_SHORT_FOR_PLACES_MS
        return "throughout" if lasts and covered_ms(part.spans) >= ALL_OF_IT * whole else None
    return (part.start_ms + part.end_ms) / 2 / whole


def _where(part: Part, timeline: Timeline) -> str:
    """ " near the start"; empty if there is nothing to say."""
    where = where_in(part, timeline)
    if where is None:
        return ""
    return f" {where}" if isinstance(where, str) else f" {place_word(where)}"


def _say_several(parts: Sequence[Part], pick: Pick) -> str:
    first, *others = parts
    if len(others) == 1:
        return _say_pair(first, others[0], pick)
    *middle, last = others
    between = ", ".join(part.clause for part in middle)
    if are_in_turn(parts):
        return pick(
            f"{first.clause}, then {between}, and finally {last.clause}",
            f"first {first.clause}, then {between}, and at last {last.clause}",
            f"{first.clause}; after that {between}, and in the end {last.clause}",
            f"we hear {first.doing}, then {', '.join(part.doing for part in middle)} and finally {last.doing}",
        )
    return pick(
        f"{first.clause}, {between} and {last.clause}",
        f"several sounds mix: {first.clause}, {between} and {last.clause}",
        f"we hear {first.doing}, {', '.join(part.doing for part in middle)} and {last.doing}",
        f"there {first.are} {first.doing}, {', '.join(part.doing for part in middle)} and {last.doing}",
    )


def order_of_pair(first: Part, second: Part) -> Literal[Order.TOGETHER, Order.THEN, Order.BY_TURNS]:
    shared = covered_ms(first.spans) + covered_ms(second.spans) - covered_ms((*first.spans, *second.spans))
    share = shared / max(1, min(covered_ms(first.spans), covered_ms(second.spans)))
    if share >= TOGETHER:
        return Order.TOGETHER
    return Order.THEN if are_in_turn((first, second)) else Order.BY_TURNS


def _say_pair(first: Part, second: Part, pick: Pick) -> str:
    order = order_of_pair(first, second)
    if order is Order.TOGETHER:
        return pick(
            f"{first.clause} while {second.clause}",
            f"{second.clause} as {first.clause}",
            f"while {first.clause}, {second.clause}",
            f"{first.doing} and {second.doing} are heard at the same time",
        )
    if order is Order.THEN:
        return pick(
            f"{first.clause}, then {second.clause}",
            f"{first.clause}, and then {second.clause}",
            f"first {first.clause}, then {second.clause}",
            f"{first.clause} before {second.clause}",
            f"after {first.doing}, {second.clause}",
            f"we hear {first.doing} and then {second.doing}",
            f"{first.clause}; {second.clause} after that",
        )
    return pick(
        f"{first.clause} and {second.clause}, by turns",
        f"{first.clause}, and in between {second.clause}",
        f"by turns, {first.clause} and {second.clause}",
        f"we hear {first.doing} and {second.doing}, mixed with each other",
    )


def are_in_turn(parts: Sequence[Part]) -> bool:
    """Whether each part begins when the previous one is over, or nearly so."""
    return all(after.start_ms >= before.end_ms - 200 for before, after in pairwise(parts))


def beside_of(parts: Sequence[Part], stream: Stream) -> Literal[Beside.DURING, Beside.BEFORE, Beside.AFTER] | None:
    """Where all `parts` lie relative to a stream; None for mixed."""
    spans = union_spans(span for part in parts for span in part.spans)
    covered = stream.covered_ms(spans) / max(1, covered_ms(spans))
    if covered >= _MOST_OF_IT:
        return Beside.DURING
    if covered <= APART and spans[-1].end_ms <= stream.start_ms + 200:
        return Beside.BEFORE
    return Beside.AFTER if covered <= APART and spans[0].start_ms >= stream.end_ms - 200 else None


def _say_beside(parts: Sequence[Part], timeline: Timeline, pick: Pick, opens: bool) -> str:
    sentence = _say_one(parts[0], timeline, pick) if len(parts) == 1 else _say_several(parts, pick)
    if not opens:
        return sentence
    stream = timeline.streams[0]
    goes_on = stream_words(stream, pick).clause
    place = beside_of(parts, stream)
    clauses = [part.clause for part in parts]
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    if place is Beside.DURING:
        return pick(
            f"while {goes_on}, {listed}",
            f"{goes_on}, and meanwhile {listed}",
            f"{goes_on} while {listed}",
            f"as {goes_on}, {listed}",
            f"{listed} while {goes_on}",
        )
    if place is Beside.BEFORE:
        return pick(
            f"{listed} before {goes_on}",
            f"{listed}, then {goes_on}",
            f"first {listed}, then {goes_on}",
            f"{listed}; then {goes_on}",
        )
    if place is Beside.AFTER:
        return pick(
            f"{goes_on}, then {listed}",
            f"{goes_on}, and after that {listed}",
            f"first {goes_on}, then {listed}",
            f"after {stream_words(stream, pick).noun}, {listed}",
        )
    return pick(
        f"{goes_on}, and {listed}",
        f"{listed}, and {goes_on}",
        f"besides {stream_words(stream, pick).noun}, {listed}",
    )


def _rule(name: str, topics: set[str], opens: bool) -> Rule:
    def say(values: Values, pick: Pick) -> str | None:
        return _say(read_timeline(values, "general"), pick, opens)

    return Rule(name, timeline_reads("general"), say, frozenset(topics))


NAMED_OPENING = _rule("sounds.named_opening", {"sounds", "opening"}, opens=True)
NAMED = _rule("sounds.named", {"sounds"}, opens=False)
RULES = (NAMED_OPENING, NAMED)

"""Simultaneous and successive streams: the opening sentences of a caption about several things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from soundseam.annotators.grammar.engine import Pick, Rule, Values
from soundseam.annotators.grammar.events import (
    ALL_OF_IT,
    APART,
    SURE,
    TOGETHER,
    Stream,
    Timeline,
    read_timeline,
    timeline_reads,
)
from soundseam.annotators.grammar.words import HEDGES, join_words, place_word
from soundseam.schemas.event import EventClass

_BRIEF = 0.45
"""Up to this share of the longer one's time, a stream is mentioned with its position."""


@dataclass(frozen=True)
class _Words:
    """The words for a stream: a noun, and a clause that says that it goes on."""

    noun: str
    clause: str
    plural: bool = False

    @property
    def are(self) -> str:
        return "are" if self.plural else "is"

    def verb(self, verb: str) -> str:
        return verb if self.plural else f"{verb}s"


_NAMES = {
    EventClass.SPEECH: _Words("speech", "someone speaks"),
    EventClass.MUSIC: _Words("music", "music plays"),
    EventClass.SINGING: _Words("singing", "someone sings"),
    EventClass.HUMAN_VOICE: _Words("vocal sounds without words", "a voice sounds without words", plural=True),
    EventClass.NATURE: _Words("sounds of nature", "sounds of nature go on", plural=True),
    EventClass.ANIMAL: _Words("animal sounds", "animals are heard", plural=True),
    EventClass.ENVIRONMENT: _Words("ambient sound", "ambient sound goes on"),
}
UNNAMED = _Words("a lasting sound", "a sound goes on")
_SEVERAL_UNNAMED = _Words("lasting sounds", "sounds go on", plural=True)
_HEDGED = (EventClass.SPEECH, EventClass.MUSIC, EventClass.SINGING)


def stream_name(stream: Stream) -> _Words:
    """The words for a stream, without a hedge; UNNAMED if even its class is doubtful."""
    if stream.name is not None:
        name = stream.name
        is_plain = name.number == "mass" or name.verb == "sound"
        return _Words(name.subject if is_plain else name.doing, name.clause, plural=name.number == "many")
    sure = stream.score >= SURE or stream.event_class in _HEDGED
    return _NAMES.get(stream.event_class, UNNAMED) if sure else UNNAMED


def stream_words(stream: Stream, pick: Pick) -> _Words:
    """The words for a stream, hedged if the detector is not sure of it."""
    name = stream_name(stream)
    if stream.is_sure or name is UNNAMED:
        return name
    noun = f"{pick(*HEDGES)} {name.noun}"
    return _Words(noun, f"{noun} is heard")


class Order(StrEnum):
    """How two streams lie in time."""

    WITHIN = "the first is brief, inside the second"
    TOGETHER = "at the same time"
    PARTLY = "partly at the same time"
    THEN = "one after the other"
    BY_TURNS = "by turns"


def order_of(timeline: Timeline) -> tuple[Order, Stream, Stream]:
    """The order of a timeline's two streams: for WITHIN and TOGETHER the shorter one first, else the earlier one."""
    first, second = sorted(timeline.streams, key=lambda stream: stream.start_ms)
    overlap = first.covered_ms(second.spans) / max(1, min(first.duration_ms, second.duration_ms))
    if overlap >= TOGETHER:
        longer, shorter = timeline.streams
        is_brief = shorter.duration_ms <= _BRIEF * longer.duration_ms
        return Order.WITHIN if is_brief else Order.TOGETHER, shorter, longer
    if overlap > APART:
        return Order.PARTLY, first, second
    return Order.THEN if first.end_ms <= second.start_ms + 500 else Order.BY_TURNS, first, second


def _say_streams(timeline: Timeline, pick: Pick) -> str | None:
    if len({stream_name(stream) for stream in timeline.streams}) < 2:
        return None
    if len(timeline.streams) > 2:
        return _say_mixture(timeline, pick)
    order, first, second = order_of(timeline)
    one, other = stream_words(first, pick), stream_words(second, pick)
    match order:
        case Order.WITHIN:
            return _say_within(one, other, _when(first, timeline), pick)
        case Order.TOGETHER:
            return _say_together(one, other, pick)
        case Order.THEN:
            return _say_sequence(one, other, pick)
        case _:
            return _say_both(one, other, order.value, pick)


def _say_mixture(timeline: Timeline, pick: Pick) -> str:
    nouns = join_words(list(dict.fromkeys(stream_words(stream, pick).noun for stream in timeline.streams)))
    return pick(
        f"{nouns} are heard",
        f"we hear {nouns}",
        f"there is a mixture of {nouns}",
        f"several sounds mix: {nouns}",
        f"{nouns} mix",
        f"{nouns} can be heard",
    )


def _say_together(shorter: _Words, longer: _Words, pick: Pick) -> str:
    return pick(
        f"{shorter.clause} while {longer.clause}",
        f"while {longer.clause}, {shorter.clause}",
        f"{shorter.noun} and {longer.noun} are heard together",
        f"{longer.noun} and {shorter.noun} are heard at the same time",
        f"as {longer.clause}, {shorter.clause}",
        f"there {shorter.are} {shorter.noun} along with {longer.noun}",
        f"together with {longer.noun}, {shorter.noun} {shorter.are} heard",
        f"we hear {shorter.noun} together with {longer.noun}",
    )


def middle_of(stream: Stream, timeline: Timeline) -> float | None:
    """The middle of a stream as a share of the timeline; None if it comes and goes."""
    if stream.duration_ms < 0.6 * (stream.end_ms - stream.start_ms):
        return None
    return (stream.start_ms + stream.end_ms) / 2 / timeline.duration_ms


def _when(stream: Stream, timeline: Timeline) -> str:
    middle = middle_of(stream, timeline)
    return "now and then" if middle is None else place_word(middle)


def _say_within(shorter: _Words, longer: _Words, when: str, pick: Pick) -> str:
    return pick(
        f"{longer.clause}, and {when} {shorter.clause}",
        f"while {longer.clause}, {shorter.clause} {when}",
        f"{when}, {shorter.clause} while {longer.clause}",
        f"along with {longer.noun}, {shorter.noun} {shorter.are} heard {when}",
        f"we hear {longer.noun} and, {when}, {shorter.noun}",
        f"there {longer.are} {longer.noun}, with {shorter.noun} {when}",
        f"{longer.noun} {longer.are} heard, and {when} {shorter.noun}",
        f"as {longer.clause}, {shorter.noun} {shorter.are} heard {when}",
    )


def _say_sequence(first: _Words, second: _Words, pick: Pick) -> str:
    return pick(
        f"first {first.clause}, then {second.clause}",
        f"{first.noun} {first.are} followed by {second.noun}",
        f"{first.clause}, and then {second.clause}",
        f"after {first.noun}, {second.noun} {second.verb('come')} in",
        f"at first {first.clause}; {second.noun} {second.verb('follow')}",
        f"we hear {first.noun} first and {second.noun} after that",
        f"{second.noun} {second.verb('come')} after {first.noun}",
    )


def _say_both(first: _Words, second: _Words, when: str, pick: Pick) -> str:
    return pick(
        f"both {first.noun} and {second.noun} are heard, {when}",
        f"{first.noun} and {second.noun} are heard, {when}",
        f"we hear {first.noun} and {second.noun}, {when}",
        f"there {first.are} {first.noun} as well as {second.noun}, {when}",
        f"{when}, {first.noun} and {second.noun} are heard",
        f"{when}, {first.clause} and {second.clause}",
    )


def _say_stream(timeline: Timeline, pick: Pick) -> str | None:
    if len({stream_name(stream) for stream in timeline.streams}) != 1:
        return None
    stream = timeline.streams[0]
    words = stream_words(stream, pick) if len(timeline.streams) == 1 else _SEVERAL_UNNAMED
    extent = " throughout" if stream.duration_ms >= ALL_OF_IT * timeline.duration_ms else ""
    return pick(
        f"{words.noun} {words.are} heard{extent}",
        f"there {words.are} {words.noun}{extent}",
        f"we hear {words.noun}{extent}",
        f"{words.clause}{extent}",
        f"{words.noun} can be heard{extent}",
    )


def edge_of(timeline: Timeline) -> tuple[Literal["begins", "ends"], float] | None:
    """Whether the only stream begins or ends well inside the segment, and where; None if neither."""
    if len(timeline.streams) != 1:
        return None
    stream, whole = timeline.streams[0], timeline.duration_ms
    if stream.duration_ms < 0.75 * (stream.end_ms - stream.start_ms) or not stream.is_sure:
        return None
    if stream.start_ms >= max(1_000, 0.25 * whole) and stream.end_ms >= 0.8 * whole:
        return "begins", stream.start_ms / whole
    if whole - stream.end_ms >= max(1_000, 0.25 * whole) and stream.start_ms <= 0.2 * whole:
        return "ends", stream.end_ms / whole
    return None


def _say_extent(timeline: Timeline, pick: Pick) -> str | None:
    edge = edge_of(timeline)
    if edge is None:
        return None
    words, place = stream_name(timeline.streams[0]), place_word(edge[1])
    noun = f"the {words.noun.removeprefix('a ')}"
    if edge[0] == "begins":
        return pick(
            f"{noun} {words.verb('begin')} {place}",
            f"{noun} only {words.verb('start')} {place}",
            f"{place}, {noun} {words.verb('begin')}",
            f"{noun} {words.verb('start')} {place}",
            f"{noun} only {words.verb('begin')} {place}",
        )
    return pick(
        f"{noun} {words.verb('end')} {place}",
        f"{noun} {words.verb('stop')} {place}",
        f"{place}, {noun} {words.verb('stop')}",
        f"{noun} {words.are} over before the end",
        f"{noun} {words.verb('break')} off {place}",
    )


def _rule(name: str, say: Callable[[Timeline, Pick], str | None], topic: str, named: bool = False) -> Rule:
    """`named`: only if a stream has a name from the general branch."""
    table = "general" if named else "segments"

    def of_values(values: Values, pick: Pick) -> str | None:
        timeline = read_timeline(values, table)
        if named and not any(stream.name for stream in timeline.streams):
            return None
        return say(timeline, pick)

    return Rule(name, timeline_reads(table), of_values, frozenset({topic}))


STREAMS = _rule("scene.streams", _say_streams, "opening")
STREAM = _rule("scene.stream", _say_stream, "opening")
EXTENT = _rule("scene.extent", _say_extent, "extent")
NAMED_STREAMS = _rule("scene.named_streams", _say_streams, "opening", named=True)
NAMED_STREAM = _rule("scene.named_stream", _say_stream, "opening", named=True)

RULES = (STREAMS, STREAM, EXTENT, NAMED_STREAMS, NAMED_STREAM)

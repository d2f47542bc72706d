"""Checks of caption sentences about speakers: how many, who speaks when and for how long, and pauses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from typing import NamedTuple

from soundseam.pipeline.evaluation.claim_statement import (
    Statement,
    stated_duration,
    stated_place,
    stated_seconds,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_NEAR_MS = 1_500
"""Allowed difference from the labelled time; of speakers who begin this close to each other, either is the first."""
_MUCH_SPEECH = 0.2
_PAUSE_SHARE = 0.6
_LENGTH_ROOM = 0.3
_LONG_SHARE = 0.7
"""A turn with this share of the longest one may pass for it: labels and diarization split turns differently."""
_GAPS_MS = (0, 500, 1_000, 2_000)
"""Maximum pauses within a turn: a statement only has to hold for one of them."""

_PEOPLE = re.compile(r"\b(two|three|four) (?:people|voices|different voices|speakers)\b")
_ONE_AFTER_ANOTHER = re.compile(r"one person speaks(?:, then another| after another)|one voice is followed by another")
_NUMBERS = {"two": 2, "three": 3, "four": 4}


def count_of_speakers(statement: Statement) -> list[str] | None:
    one_after_another = 2 if _ONE_AFTER_ANOTHER.search(statement.text) else 0
    count = next((_NUMBERS[word] for word in _PEOPLE.findall(statement.text)), one_after_another)
    if not count or not statement.truth.speakers:
        return None
    return [] if count == len(statement.truth.speakers) else [f"{len(statement.truth.speakers)} people speak"]


_ONE_VOICE = re.compile(r"\b(?:an?|the|one) (?:[\w-]+,? ){0,4}voice\b(?! is followed)")


def one_voice(statement: Statement) -> list[str] | None:
    if not _ONE_VOICE.search(statement.text) or not statement.truth.speakers:
        return None
    times = {name: covered_ms(spans) for name, spans in _spans_of_speakers(statement).items()}
    much = [name for name, time in times.items() if time >= _MUCH_SPEECH * sum(times.values())]
    return [] if len(much) < 2 else [f"{len(much)} people speak"]


_PAUSE = re.compile(r"stops? for|break of|breaks off for|pause lasts|nobody speaks|pauses is long")


def pause(statement: Statement) -> list[str] | None:
    seconds = stated_seconds(statement.text) if _PAUSE.search(statement.text) else []
    if not seconds or not statement.truth.speakers:
        return None
    turns = union_spans(statement.truth.spans(Branch.SPEECH))
    edges = [statement.span.start_ms, *(ms for turn in turns for ms in turn), statement.span.end_ms]
    longest_s = max(end - start for start, end in zip(edges[::2], edges[1::2], strict=True)) / 1000
    return [] if longest_s >= _PAUSE_SHARE * max(seconds) else [f"the longest pause is of {longest_s:.1f} s"]


_LONGEST = re.compile(
    r"(?:longest turn|that) of the (first|second|third|fourth) begins (.+?) and lasts (.+?)(?=, that of the|[.;]|$)"
)
_ORDINALS = ("first", "second", "third", "fourth")


class _Turn(NamedTuple):
    """The stated place, as a range of shares of the segment, and length in seconds of a longest turn."""

    place: tuple[float, float] | None
    seconds: tuple[float, float] | None


def longest_turns(statement: Statement) -> list[str] | None:
    """When the longest turn of each speaker begins, and how long it lasts."""
    parts = {
        ordinal: _Turn(stated_place(place), stated_duration(length))
        for ordinal, place, length in _LONGEST.findall(statement.text)
    }
    speakers = _spans_of_speakers(statement)
    if not parts or len(parts) != len(speakers) or not statement.truth.is_timed:
        return None
    orders = [
        [
            f"the {ordinal} {why}"
            for name, (ordinal, turn) in zip(order, sorted(parts.items(), key=_place_in_order), strict=True)
            for why in _wrong_turn(turn, speakers[name], statement.span)
        ]
        for order in _possible_orders(speakers)
    ]
    return min(orders, key=len)


def _place_in_order(part: tuple[str, _Turn]) -> int:
    return _ORDINALS.index(part[0])


def _spans_of_speakers(statement: Statement) -> dict[str, list[TimeSpan]]:
    """Speaker → labelled turns, in order of their first ones."""
    events = sorted((event for event in statement.truth.events if event.speaker), key=lambda event: event.span)
    names = dict.fromkeys(event.speaker for event in events)
    return {name: [event.span for event in events if event.speaker == name] for name in names}


def _possible_orders(speakers: Mapping[str, Sequence[TimeSpan]]) -> Iterator[tuple[str, ...]]:
    """The speakers as they first speak; those who begin at nearly the same time in any order."""
    starts = {name: spans[0].start_ms for name, spans in speakers.items()}
    for order in permutations(speakers):
        if all(starts[before] <= starts[after] + _NEAR_MS for before, after in pairwise(order)):
            yield order


def _wrong_turn(turn: _Turn, spans: Sequence[TimeSpan], whole: TimeSpan) -> list[str]:
    """What is wrong about the statement, whatever pauses a turn may have; empty if it holds."""
    for gap_ms in _GAPS_MS:
        joined = _joined(spans, gap_ms)
        long = max(span.duration_ms for span in joined) * _LONG_SHARE
        if any(span.duration_ms >= long and _fits(turn, span, whole) for span in joined):
            return []
    longest = max(_joined(spans, _GAPS_MS[1]), key=lambda span: span.duration_ms)
    start_s = (longest.start_ms - whole.start_ms) / 1000
    return [f"has the longest turn from {start_s:.1f} s on, for {longest.duration_ms / 1000:.1f} s"]


def _joined(spans: Sequence[TimeSpan], gap_ms: int) -> list[TimeSpan]:
    wide = union_spans(TimeSpan(span.start_ms, span.end_ms + gap_ms) for span in spans)
    return [TimeSpan(span.start_ms, span.end_ms - gap_ms) for span in wide]


def _fits(turn: _Turn, span: TimeSpan, whole: TimeSpan) -> bool:
    seconds = span.duration_ms / 1000
    if turn.seconds and not turn.seconds[0] * (1 - _LENGTH_ROOM) <= seconds <= turn.seconds[1] * (1 + _LENGTH_ROOM):
        return False
    return turn.place is None or _begins_in(turn.place, span.start_ms, whole)


def _begins_in(place: tuple[float, float], start_ms: int, whole: TimeSpan) -> bool:
    room = _NEAR_MS / whole.duration_ms
    return place[0] - room <= (start_ms - whole.start_ms) / whole.duration_ms <= place[1] + room


def change_of_speaker(statement: Statement) -> list[str] | None:
    """One person, then another: when the second one begins, and that the first one has then finished."""
    speakers = _spans_of_speakers(statement)
    if not _ONE_AFTER_ANOTHER.search(statement.text) or len(speakers) != 2 or not statement.truth.is_timed:
        return None
    (first, second), place = speakers.values(), stated_place(statement.text)
    wrong = []
    if place and not any(_begins_in(place, span.start_ms, statement.span) for span in second[:1]):
        wrong.append(f"the second begins after {(second[0].start_ms - statement.span.start_ms) / 1000:.1f} s")
    again_ms = covered_ms(TimeSpan(max(span.start_ms, second[0].end_ms), span.end_ms) for span in first)
    if again_ms > max(_NEAR_MS, _MUCH_SPEECH * covered_ms([*first, *second])):
        wrong.append(f"the first speaks again, for {again_ms / 1000:.1f} s")
    return wrong

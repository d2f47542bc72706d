"""What captions say of several speakers: how many take turns, and when each of them speaks."""

from __future__ import annotations

from itertools import pairwise

from soundseam.annotators.grammar.engine import Pick, Values
from soundseam.annotators.grammar.events import SPAN_READS
from soundseam.annotators.grammar.words import place_word, seconds_word
from soundseam.schemas.timespan import TimeSpan

_TURNS = "speech:speakers.turns.*."
SPEAKERS_READS = (
    "speech:speakers.sure",
    "speech:speakers.count",
    f"{_TURNS}speaker",
    f"{_TURNS}start_ms",
    f"{_TURNS}end_ms",
    *SPAN_READS,
)
_PEOPLE = {2: "two", 3: "three", 4: "four"}
_ORDINALS = ("first", "second", "third", "fourth")
_MIN_TOLD_MS = 1_500
"""The longest turn of somebody who never speaks for longer than this is not described."""


def say_speakers(values: Values, pick: Pick) -> str | None:
    """The number of speakers, and when each speaks: only if the diarization is sure."""
    if not values.flag("speech:speakers.sure"):
        return None
    people = _PEOPLE.get(int(values.number("speech:speakers.count") or 0))
    if people is None:
        return None
    order = values.texts(f"{_TURNS}speaker")
    if sum(before != after for before, after in pairwise(order)) == 1:
        return _one_after_another(values, pick)
    take_turns = pick(
        f"{people} people take turns",
        f"{people} people speak in turn",
        f"{people} voices take turns",
        f"{people} people talk by turns",
        f"{people} different voices are heard in turn",
    )
    when = _longest_turns(values)
    return f"{take_turns}: {when}" if when else take_turns


def _one_after_another(values: Values, pick: Pick) -> str:
    turns = _turns(values)
    place = next(_place(values, span) for name, span in turns if name != turns[0][0])
    return pick(
        f"first one person speaks, then another, who begins {place}",
        f"one voice is followed by another, {place}",
        f"one person speaks, then another begins {place}",
    )


def _longest_turns(values: Values) -> str:
    """When the longest turn of each speaker begins and how long it lasts, or nothing if one only has short turns."""
    turns = _turns(values)
    parts: list[str] = []
    for ordinal, speaker in zip(_ORDINALS, dict.fromkeys(name for name, _ in turns), strict=False):
        longest = max((span for name, span in turns if name == speaker), key=lambda span: span.duration_ms)
        if longest.duration_ms < _MIN_TOLD_MS:
            return ""
        whose = "that of the" if parts else "the longest turn of the"
        parts.append(
            f"{whose} {ordinal} begins {_place(values, longest)} and lasts {seconds_word(longest.duration_ms)}"
        )
    return ", ".join(parts)


def _turns(values: Values) -> list[tuple[str, TimeSpan]]:
    """The turns in order, each with its speaker."""
    starts, ends = (values.numbers(f"{_TURNS}{edge}") for edge in ("start_ms", "end_ms"))
    return [
        (name or "", TimeSpan(int(start or 0), int(end or 0)))
        for name, start, end in zip(values.texts(f"{_TURNS}speaker"), starts, ends, strict=True)
    ]


def _place(values: Values, span: TimeSpan) -> str:
    start, end = (values.number(name) or 0.0 for name in SPAN_READS)
    return place_word((span.start_ms - start) / max(1.0, end - start))

"""Timed text as lines a model writes, and back: by default `start - end: text` in decimal seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from pydantic import Field, model_validator

from schemas.record import Record

_SLOTS = ("{start}", "{end}", "{text}")


class TimedText(Record):
    """Some text and when it is heard, counted from the beginning of the audio."""

    segment_start_ms: int
    segment_end_ms: int
    text: str


class TimestampFormat(Record):
    """How timed text is written. Whatever can be written can be read back, to the precision of `decimals`."""

    line: str = Field(default="{start} - {end}: {text}", description="one entry; {start}, {end} and {text} once each")
    joiner: str = Field(default="\n", min_length=1, description="between entries")
    decimals: int = Field(default=2, ge=0, le=3, description="of a second")

    @model_validator(mode="after")
    def _can_be_read_back(self) -> TimestampFormat:
        if any(self.line.count(slot) != 1 for slot in _SLOTS):
            raise ValueError("timestamps.line must hold {start}, {end} and {text} once each")
        sample = (
            TimedText(segment_start_ms=0, segment_end_ms=1000, text="one"),
            TimedText(segment_start_ms=12000, segment_end_ms=13000, text="2 two"),
        )
        if _parsed(self, _joined(self, sample)) != sample:
            raise ValueError(
                f"timestamps.line {self.line!r} cannot be read back: set its parts apart, as in 0.00 - 1.00: x"
            )
        return self


class AmbiguousTextError(ValueError):
    """A text holds what would be taken for the format's own marks."""


def write_timed(entries: Sequence[TimedText], style: TimestampFormat) -> str:
    """`entries` as text. White space inside a text becomes single spaces.

    Raises AmbiguousTextError where reading back would give something else.
    """
    written = _joined(style, entries)
    if _parsed(style, written) != tuple(rounded(entry, style) for entry in entries):
        raise AmbiguousTextError(f"cannot be read back: {written[:80]!r}")
    return written


def read_timed(text: str, style: TimestampFormat) -> tuple[TimedText, ...]:
    """The entries of what `write_timed` wrote, or a model in the same form. ValueError for anything else."""
    parsed = _parsed(style, text.strip("\n"))
    if parsed is None:
        raise ValueError(f"not timed text of the form {style.line!r}: {text[:80]!r}")
    return parsed


def rounded(entry: TimedText, style: TimestampFormat) -> TimedText:
    """`entry` as it comes back after writing."""
    unit = 10 ** (3 - style.decimals)
    start, end = (round(ms / unit) * unit for ms in (entry.segment_start_ms, entry.segment_end_ms))
    return TimedText(segment_start_ms=start, segment_end_ms=end, text=" ".join(entry.text.split()))


def _joined(style: TimestampFormat, entries: Sequence[TimedText]) -> str:
    return style.joiner.join(_line(style, rounded(entry, style)) for entry in entries)


def _line(style: TimestampFormat, entry: TimedText) -> str:
    values = {
        "{start}": f"{entry.segment_start_ms / 1000:.{style.decimals}f}",
        "{end}": f"{entry.segment_end_ms / 1000:.{style.decimals}f}",
        "{text}": entry.text,
    }
    return "".join(values.get(part, part) for part in _parts(style.line))


def _parts(line: str) -> list[str]:
    return [part for part in re.split(r"(\{start\}|\{end\}|\{text\})", line) if part]


@cache
def _pattern(style: TimestampFormat) -> re.Pattern[str]:
    number = r"\d+" + (rf"\.\d{{{style.decimals}}}" if style.decimals else "")
    groups = {"{start}": f"(?P<start>{number})", "{end}": f"(?P<end>{number})", "{text}": r"(?P<text>[^\n]*?)"}
    entry = "".join(groups.get(part, re.escape(part)) for part in _parts(style.line))
    # What joins two entries ends one only where another follows: it may stand inside a text too.
    following = re.sub(r"\?P<\w+>", "?:", entry)
    return re.compile(rf"{entry}(?:{re.escape(style.joiner)}(?={following})|\Z)")


def _parsed(style: TimestampFormat, text: str) -> tuple[TimedText, ...] | None:
    entries, position = [], 0
    while position < len(text):
        match = _pattern(style).match(text, position)
        if match is None or match.end() == position:
            return None
        start, end = (round(float(match[name]) * 1000) for name in ("start", "end"))
        entries.append(TimedText(segment_start_ms=start, segment_end_ms=end, text=match["text"]))
        position = match.end()
    return tuple(entries)

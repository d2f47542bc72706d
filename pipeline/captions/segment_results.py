"""Tool results of the segment itself: its profile, its events, and the recording's stated language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from soundseam.annotators.grammar.engine import Rows
from soundseam.annotators.grammar.events import sure_from
from soundseam.annotators.wording.language_names import LANGUAGE_NAMES
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.event import Event
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table
from soundseam.schemas.timespan import TimeSpan

LONGEST_CONTENT = 600
"""Maximum number of characters: enough for a transcript of 30 s."""
_TOO_LARGE = 1e12
"""Larger values are not plausible measurements; they are a backend's error, but must not stop a run."""


@dataclass(frozen=True)
class Source:
    """A row together with the other rows of its segment; `row` None means the segment itself."""

    rows: Rows
    row: Annotation | None = None

    @cached_property
    def table(self) -> Table:
        return Table.SEGMENTS if self.row is None else annotation_table(self.row.branch)

    @property
    def backend(self) -> str | None:
        return None if self.row is None else self.row.backend

    def result(
        self,
        kind: ResultKind,
        content: str,
        *paths: str,
        span: TimeSpan | None = None,
        confidence: float | None = None,
    ) -> ToolResult:
        """A result from the values at `paths`, the first of which identifies it; without `span`, for the whole
        segment.
        """
        when = span or self.rows.segment.span
        return ToolResult(
            kind=kind,
            branch=None if self.row is None else self.row.branch,
            table=self.table,
            backend=self.backend,
            field=paths[0],
            start_ms=when.start_ms,
            end_ms=when.end_ms,
            content=content if len(content) <= LONGEST_CONTENT else f"{content[: LONGEST_CONTENT - 1]}…",
            confidence=confidence,
            evidence=self.rows.cite(self.row, *paths),
        )


def rounded(value: float, decimals: int = 0) -> str:
    """A rounded number, halves away from zero: 128, 2.5."""
    if abs(value) >= _TOO_LARGE:
        return f"{value:.3g}"
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def seconds(duration_ms: float) -> str:
    return f"{rounded(duration_ms / 1000, 1)} s"


def percent(share: float) -> str:
    return f"{rounded(100 * share)} %"


def listed(parts: list[str]) -> str:
    """The parts that are not empty, joined by commas."""
    return ", ".join(part for part in parts if part)


def primary_tag(language: str) -> str:
    """The language of a BCP 47 tag: en of en-GB."""
    return language.replace("_", "-").partition("-")[0].lower()


def language_name(language: str) -> str:
    """The English name of a language; the tag if it is unknown."""
    return LANGUAGE_NAMES.get(primary_tag(language), language)


def segment_results(source: Source, segment: Segment) -> Iterator[ToolResult]:
    for index, entry in enumerate(segment.profile):
        yield source.result(
            ResultKind.PROFILE,
            f"{class_words(entry.event_class)} over {percent(entry.share)} of the time",
            *(f"profile.{index}.{name}" for name in ("class", "share", "strength")),
            confidence=entry.strength,
        )
    yield from event_results(source, segment.events)
    if segment.language is not None:
        yield source.result(ResultKind.LANGUAGE, f"the language is {language_name(segment.language)}", "language")


def event_results(source: Source, events: Sequence[Event], field: str = "events") -> Iterator[ToolResult]:
    """The events in a field of one source, each with its own path in the row."""
    for index, event in enumerate(events):
        yield source.result(
            ResultKind.EVENT,
            event_words(event),
            *(f"{field}.{index}.{name}" for name in ("label", "class", "onset_ms", "offset_ms", "score")),
            span=event.span,
            confidence=event.score,
        )


def event_words(event: Event) -> str:
    """The words for an event: the label, or its class if the label is generic, hedged if the detector is not sure."""
    named = class_words(event.event_class) if event.label == event.event_class.value else event.label
    return named if event.score >= sure_from(event.event_class) else f"perhaps {named}"


def class_words(event_class: str) -> str:
    return "some other sound" if event_class == "source_ambiguous" else event_class.replace("_", " ")

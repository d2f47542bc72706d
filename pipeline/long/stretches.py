"""Stretches of a recording, and the rows that something was read from: what all things of a recording share."""

from __future__ import annotations

from collections.abc import Iterable

from soundseam.pipeline.long.facts import SegmentFacts
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import RowEvidence, Stretch
from soundseam.schemas.timespan import TimeSpan, union_spans

STREAMS = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)


def evidence_of(segments: Iterable[SegmentFacts], facts: Iterable[str]) -> tuple[RowEvidence, ...]:
    """The rows in which the named facts of some segments stand."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for segment in segments:
        for fact in facts:
            if (origin := segment.origins.get(fact)) is not None:
                found.setdefault((origin.table, origin.backend or "", origin.field), []).append(segment.segment_id)
    return tuple(
        RowEvidence(table=table, backend=backend or None, field=field, segment_ids=tuple(ids))
        for (table, backend, field), ids in sorted(found.items())
    )


def joined(spans: Iterable[TimeSpan], gap_ms: int = 0) -> tuple[TimeSpan, ...]:
    """`spans` in order, those with at most `gap_ms` between them as one: what segments cut apart comes together."""
    found: list[TimeSpan] = []
    for span in union_spans(spans):
        if found and span.start_ms - found[-1].end_ms <= gap_ms:
            found[-1] = TimeSpan(found[-1].start_ms, span.end_ms)
        else:
            found.append(span)
    return tuple(found)


def stretches_of(spans: Iterable[TimeSpan]) -> tuple[Stretch, ...]:
    return tuple(Stretch(start_ms=span.start_ms, end_ms=span.end_ms) for span in spans)

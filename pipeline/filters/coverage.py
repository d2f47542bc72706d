"""How much of what happens in a segment its caption speaks of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.cutting.route import BRANCH_OF
from schemas.claim import Claim, Evidence
from schemas.event import Branch, Event
from schemas.tables import Table, annotation_table
from schemas.timespan import TimeSpan, covered_ms, union_spans

_TIMES = re.compile(r"(?P<what>.*)\.(?P<edge>onset_ms|offset_ms|start_ms|end_ms)")
_HEARD = ("caption", "anchor.", "description.")
"""Words of a model that heard all of the audio."""
_BEGINS = ("onset_ms", "start_ms")
_BRANCHES: Mapping[str, Branch] = {annotation_table(branch): branch for branch in Branch}


def time_coverage(claims: Sequence[Claim], events: Sequence[Event]) -> float:
    """Share of the time with events that `claims` speak of, in [0, 1]; 1 where nothing happens at all.

    A claim speaks of the times in its evidence (of the events or parts that it cites); one whose evidence has none, of
    all events of the branch whose rows it rests on; a captioner's, who heard all of it, of all. A claim about the sound
    as a whole speaks of no time.
    """
    whole = union_spans(event.span for event in events)
    total = covered_ms(whole)
    if not total:
        return 1.0
    told = union_spans(span for claim in claims for span in _told(claim.evidence, events))
    return sum(one.overlap_ms(other) for one in whole for other in told) / total


def _told(evidence: Sequence[Evidence], events: Sequence[Event]) -> Iterator[TimeSpan]:
    if any(one.field.startswith(_HEARD) for one in evidence):
        yield from (event.span for event in events)
        return
    timed = list(_timed(evidence))
    if timed:
        yield from timed
        return
    branches = {_BRANCHES[one.table] for one in evidence if one.table != Table.SEGMENTS} - {Branch.GENERAL}
    yield from (event.span for event in events if BRANCH_OF[event.event_class] in branches)


def _timed(evidence: Iterable[Evidence]) -> Iterator[TimeSpan]:
    """The spans whose begin and end the evidence holds, one by one or as two lists."""
    edges: dict[tuple[str, str | None, str], dict[bool, list[int]]] = {}
    for one in evidence:
        match = _TIMES.fullmatch(one.field)
        if match is not None:
            place = (one.table, one.backend, match["what"])
            edges.setdefault(place, {})[match["edge"] in _BEGINS] = _milliseconds(one.value)
    for found in edges.values():
        yield from (TimeSpan(*pair) for pair in zip(found.get(True, ()), found.get(False, ()), strict=False))


def _milliseconds(value: str) -> list[int]:
    parsed = json.loads(value)
    return [int(one) for one in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(one, int)]

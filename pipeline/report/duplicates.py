"""What `soundseam dedup` has marked, as the page shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline.dedup.store import read_duplicates, read_marker
from pipeline.report.page_data import Fact, Tile
from schemas.duplicate import Duplicate, Match, Relation

COPY, FIRST, EVALUATION = "a copy", "has copies", "in an evaluation set"


def marked_among(output: str, segment_ids: Collection[str]) -> dict[str, Duplicate]:
    """The rows about `segment_ids`."""
    return {row.segment_id: row for row in read_duplicates(output) if row.segment_id in segment_ids}


def marks_of(row: Duplicate | None) -> tuple[str, ...]:
    """What the list can be filtered by."""
    if row is None:
        return ()
    copy = (FIRST if row.first else COPY,) if row.corpus is not None else ()
    return (*copy, *((EVALUATION,) if row.evaluation is not None else ()))


def facts_of(row: Duplicate | None) -> Iterator[Fact]:
    if row is not None and row.corpus is not None:
        yield Fact(name="like segment", value=_told(row.corpus))
    if row is not None and row.evaluation is not None:
        yield Fact(name="like evaluation item", value=_told(row.evaluation))


def duplicates_tile(output: str) -> Tile | None:
    """None where duplicates were never looked for."""
    marker = read_marker(output)
    if marker is None:
        return None
    found = marker.found
    note = f"segments, in {found.clusters:,} clusters"
    if marker.against:
        note += f"; {found.contaminated:,} in evaluation sets"
    return Tile(name="duplicates", value=f"{found.duplicates:,}", note=note)


def _told(match: Match) -> str:
    where = match.name if match.source is None else f"{match.name} of {match.source}"
    if match.relation is Relation.EXACT:
        return f"{where}: the same samples"
    return (
        f"{where}: {100 * match.similarity:.0f} % of the peaks over {match.overlap_ms / 1000:.1f} s, "
        f"{match.offset_ms / 1000:+.2f} s apart"
    )

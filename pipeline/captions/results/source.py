"""One row on its way into tool results: what is said of it, and where each value stands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from annotators.grammar.engine import Rows, as_json
from schemas.annotation import Annotation
from schemas.claim import Evidence
from schemas.tables import Table, annotation_table
from schemas.timespan import TimeSpan
from schemas.tool_result import ResultKind, ToolResult

LONGEST_CONTENT = 600
"""Characters: a transcript of 30 s fits; whatever a model has run on with does not."""
_TOO_LARGE = 1e12
"""No measure of a sound; a backend that says so is wrong, and still must not stop a run."""


@dataclass(frozen=True)
class Source:
    """A row and the rows it stands among; the segment's own for `row` None."""

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
        """What stands at `paths`, the first of which names the result; all of the segment's time without a `span`."""
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
            evidence=tuple(map(self._evidence, paths)),
        )

    def _evidence(self, path: str) -> Evidence:
        return Evidence(
            table=self.table,
            segment_id=self.rows.segment.segment_id,
            backend=self.backend,
            field=path,
            value=as_json(self.rows.value(self.table, self.backend, path)),
        )


def rounded(value: float, decimals: int = 0) -> str:
    """A number as it may be told, halves away from zero: 128, 2.5."""
    if abs(value) >= _TOO_LARGE:
        return f"{value:.3g}"
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def seconds(duration_ms: float) -> str:
    return f"{rounded(duration_ms / 1000, 1)} s"


def percent(share: float) -> str:
    return f"{rounded(100 * share)} %"


def listed(parts: list[str]) -> str:
    """What is known, in a row; whatever is empty is left out."""
    return ", ".join(part for part in parts if part)

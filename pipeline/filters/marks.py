"""Marks that people gave to segments while listening, from the CSV file that a report saves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from soundseam.pipeline.config import SetupError, did_you_mean
from soundseam.schemas.record import Record

COLUMNS = ("segment_id", "mark", "comment")


class Decision(StrEnum):
    """Whether a segment's caption is good; a segment with only a comment has neither."""

    ACCEPT = "accept"
    REJECT = "reject"
    NONE = ""


class Mark(Record):
    """One row of the file."""

    segment_id: str
    mark: Decision
    comment: str = ""


Marks = Mapping[str, Mark]
"""segment_id → its mark."""


def read_marks(path: str) -> Marks:
    """The marks in a CSV file with the columns of COLUMNS; the last one of a segment counts.

    Raises SetupError, one line with the remedy.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SetupError(f"cannot read the marks {path}: {error}; save them as CSV in a report") from error
    marks = {}
    for line, row in enumerate(rows, 2):
        if missing := [name for name in COLUMNS[:2] if row.get(name) is None]:
            raise SetupError(
                f"{path} has no column {missing[0]}: it needs {', '.join(COLUMNS)}, as a report saves them"
            )
        try:
            mark = Mark.model_validate({name: (row.get(name) or "").strip() for name in COLUMNS})
        except ValidationError as error:
            hint = did_you_mean(row["mark"], [Decision.ACCEPT, Decision.REJECT])
            raise SetupError(f"{path}, line {line}: no mark {row['mark']}{hint} (accept, reject or nothing)") from error
        marks[mark.segment_id] = mark
    return marks

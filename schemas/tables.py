"""Every table of a corpus: its folder and the record it holds."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, Field

from schemas.annotation import ANNOTATION_OF
from schemas.arrow import arrow_schema
from schemas.caption import Caption
from schemas.event import Branch
from schemas.recording import Recording
from schemas.rejected import Rejected
from schemas.sample import Sample
from schemas.segment import SegmentRow


class Table(StrEnum):
    """The folders of OUT that hold tables."""

    RECORDINGS = "recordings"
    SEGMENTS = "segments"
    SPEECH = "annotations/speech"
    MUSIC = "annotations/music"
    GENERAL = "annotations/general"
    CAPTIONS = "captions"
    REJECTED = "rejected"
    FILTERED = "filtered"


DUPLICATES_FOLDER = "duplicates"
SAMPLES_FOLDER = "sft"
SAMPLE_TABLE = r"^sft/[a-z][a-z0-9_]*$"
"""One table a task, made only for the tasks that are asked for; which there are is the pipeline's to know."""

AnyTable = Annotated[Table | Annotated[str, Field(pattern=SAMPLE_TABLE)], Field(union_mode="left_to_right")]

RECORD_OF: dict[Table, type[BaseModel]] = {
    Table.RECORDINGS: Recording,
    Table.SEGMENTS: SegmentRow,
    Table.SPEECH: ANNOTATION_OF[Branch.SPEECH],
    Table.MUSIC: ANNOTATION_OF[Branch.MUSIC],
    Table.GENERAL: ANNOTATION_OF[Branch.GENERAL],
    Table.CAPTIONS: Caption,
    Table.REJECTED: Rejected,
    Table.FILTERED: Caption,
}


def record_of(table: Table | str) -> type[BaseModel]:
    """The record of a table's rows. Raises ValueError for a name that is no table's."""
    if isinstance(table, str) and re.match(SAMPLE_TABLE, table):
        return Sample
    return RECORD_OF[Table(table)]


def annotation_table(branch: Branch) -> Table:
    return Table(f"annotations/{branch}")


def table_schema(table: Table | str) -> pa.Schema:
    """The fixed Arrow schema of `table`, with the footer metadata that other libraries read."""
    schema = arrow_schema(record_of(table))
    if table == Table.SEGMENTS:
        # datasets turns a struct<bytes, path> into its Audio type only where this key says so.
        return schema.with_metadata({"huggingface": '{"info": {"features": {"audio": {"_type": "Audio"}}}}'})
    return schema

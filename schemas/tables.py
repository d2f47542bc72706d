"""Every table of a corpus: its folder and the record it holds."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa
from pydantic import BaseModel

from schemas.annotation import ANNOTATION_OF
from schemas.arrow import arrow_schema
from schemas.claim import Caption
from schemas.event import Branch
from schemas.recording import Recording
from schemas.rejected import Rejected
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


RECORD_OF: dict[Table, type[BaseModel]] = {
    Table.RECORDINGS: Recording,
    Table.SEGMENTS: SegmentRow,
    Table.SPEECH: ANNOTATION_OF[Branch.SPEECH],
    Table.MUSIC: ANNOTATION_OF[Branch.MUSIC],
    Table.GENERAL: ANNOTATION_OF[Branch.GENERAL],
    Table.CAPTIONS: Caption,
    Table.REJECTED: Rejected,
}


def annotation_table(branch: Branch) -> Table:
    return Table(f"annotations/{branch}")


def table_schema(table: Table) -> pa.Schema:
    """The fixed Arrow schema of `table`, with the footer metadata that other libraries read."""
    schema = arrow_schema(RECORD_OF[table])
    if table is Table.SEGMENTS:
        # datasets turns a struct<bytes, path> into its Audio type only where this key says so.
        return schema.with_metadata({"huggingface": '{"info": {"features": {"audio": {"_type": "Audio"}}}}'})
    return schema

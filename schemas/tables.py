"""Every table of a corpus: its folder and the record it holds."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel, Field

from soundseam.schemas.annotation import ANNOTATION_OF
from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Branch
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.recording import Recording, Rejected
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import SegmentRow

RecordType = TypeVar("RecordType", bound=BaseModel)

_SCALARS: Mapping[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


@cache
def arrow_schema(record: type[BaseModel]) -> pa.Schema:
    """The schema of a table with one `record` per row: fields in order of declaration, under their aliases.

    Raises TypeError for a type annotation that has no Arrow form.
    """
    return pa.schema(_fields(record))


def table_of(rows: Iterable[BaseModel], record: type[BaseModel]) -> pa.Table:
    """`rows`, all of type `record`, as a table of `arrow_schema(record)`; no rows give an empty table."""
    return pa.Table.from_pylist([row.model_dump(mode="python") for row in rows], schema=arrow_schema(record))


def records_of(table: pa.Table, record: type[RecordType]) -> list[RecordType]:
    """The rows of `table` as validated records. Raises pydantic.ValidationError if one is invalid."""
    return [record.model_validate(row) for row in table.to_pylist()]


def _fields(record: type[BaseModel]) -> list[pa.Field]:
    return [_field(field.alias or name, field.annotation) for name, field in record.model_fields.items()]


def _field(name: str, annotation: Any) -> pa.Field:
    return pa.field(name, _arrow_type(_without_none(annotation)))


def _without_none(annotation: Any) -> Any:
    # Every Arrow field is nullable, as readers expect; the record decides what may be null.
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) != 1:
            raise TypeError(f"no Arrow form for {annotation}: a column has one type")
        return members[0]
    return annotation


def _arrow_type(annotation: Any) -> pa.DataType:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _arrow_type(get_args(annotation)[0])
    if origin is Literal:
        return pa.string()
    if origin in (tuple, list, Sequence):
        return pa.list_(_field("element", get_args(annotation)[0]))
    if isinstance(annotation, type):
        if annotation in _SCALARS:
            return _SCALARS[annotation]
        if issubclass(annotation, BaseModel):
            return pa.struct(_fields(annotation))
        if issubclass(annotation, Enum) and issubclass(annotation, str):
            return pa.string()
    raise TypeError(f"no Arrow form for {annotation}")


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


class LongTable(StrEnum):
    """Tables that `soundseam long` derives from the others; a corpus may have none."""

    WINDOWS = "windows"
    RECORDING_CAPTIONS = "recording_captions"


DUPLICATES_FOLDER = "duplicates"
SAMPLES_FOLDER = "sft"
THINNED_FOLDER = "thinned"
"""Samples that balance left out, with the same layout."""
SAMPLE_TABLE = r"^(sft|thinned)/[a-z][a-z0-9_]*$"
"""One table per task, only for tasks that were built; the pipeline knows the list of tasks."""

AnyTable = Annotated[Table | LongTable | Annotated[str, Field(pattern=SAMPLE_TABLE)], Field(union_mode="left_to_right")]

RECORD_OF: dict[Table | LongTable, type[BaseModel]] = {
    Table.RECORDINGS: Recording,
    Table.SEGMENTS: SegmentRow,
    Table.SPEECH: ANNOTATION_OF[Branch.SPEECH],
    Table.MUSIC: ANNOTATION_OF[Branch.MUSIC],
    Table.GENERAL: ANNOTATION_OF[Branch.GENERAL],
    Table.CAPTIONS: Caption,
    Table.REJECTED: Rejected,
    Table.FILTERED: Caption,
    LongTable.WINDOWS: Window,
    LongTable.RECORDING_CAPTIONS: RecordingCaption,
}


def record_of(table: Table | str) -> type[BaseModel]:
    """The record of a table's rows. Raises ValueError for an unknown table."""
    if isinstance(table, str) and re.match(SAMPLE_TABLE, table):
        return Sample
    return RECORD_OF[LongTable(table) if table in set(LongTable) else Table(table)]


def annotation_table(branch: Branch) -> Table:
    return Table(f"annotations/{branch}")


def table_schema(table: Table | str) -> pa.Schema:
    """The fixed Arrow schema of `table`, with the footer metadata that other libraries read."""
    schema = arrow_schema(record_of(table))
    if table == Table.SEGMENTS:
        # datasets turns a struct<bytes, path> into its Audio type only if this key says so.
        return schema.with_metadata({"huggingface": '{"info": {"features": {"audio": {"_type": "Audio"}}}}'})
    return schema

"""Every table's rows survive the way through Arrow and Parquet."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment, SegmentRow
from soundseam.schemas.tables import (
    LongTable,
    Table,
    annotation_table,
    arrow_schema,
    record_of,
    records_of,
    table_of,
    table_schema,
)
from tests.support.strategies import records

every_table = pytest.mark.parametrize("table", [*Table, *LongTable, "sft/any_task"], ids=str)


@every_table
@given(data=st.data())
@settings(max_examples=25)
def test_rows_come_back_from_parquet_as_they_were(table: Table | str, data: st.DataObject) -> None:
    record = record_of(table)
    rows = data.draw(st.lists(records(record), max_size=3))
    file = io.BytesIO()
    pq.write_table(table_of(rows, record), file)
    assert records_of(pq.read_table(file), record) == rows


@every_table
def test_a_table_without_rows_has_every_column(table: Table | str) -> None:
    record = record_of(table)
    assert table_of([], record).schema == arrow_schema(record)
    assert arrow_schema(record).names == [field.alias or name for name, field in record.model_fields.items()]


@every_table
def test_no_column_has_a_type_that_depends_on_its_rows(table: Table | str) -> None:
    assert not [field.name for field in table_schema(table) if pa.types.is_null(field.type)]


def test_events_and_profiles_call_their_class_class() -> None:
    schema = arrow_schema(Segment)
    assert [field.name for field in schema.field("events").type.value_type] == [
        "class",
        "label",
        "onset_ms",
        "offset_ms",
        "score",
    ]
    assert schema.field("profile").type.value_type.field(0).name == "class"


def test_audio_is_laid_out_as_datasets_wants_it() -> None:
    schema = table_schema(Table.SEGMENTS)
    assert schema.field("audio").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert schema.metadata is not None
    assert b'"_type": "Audio"' in schema.metadata[b"huggingface"]


def test_the_columns_that_travel_between_stages_lead_the_segments_table() -> None:
    assert arrow_schema(SegmentRow).names[:-1] == arrow_schema(Segment).names


@pytest.mark.parametrize("annotation", [int | str, dict[str, int], list[complex], object])
def test_a_field_without_an_arrow_form_is_refused(annotation: Any) -> None:
    record: type[BaseModel] = type("Odd", (Record,), {"__annotations__": {"odd": annotation}})
    with pytest.raises(TypeError, match="no Arrow form"):
        arrow_schema(record)


def test_every_branch_has_a_table_of_its_own() -> None:
    from soundseam.schemas.event import Branch

    assert len({annotation_table(branch) for branch in Branch}) == len(Branch)

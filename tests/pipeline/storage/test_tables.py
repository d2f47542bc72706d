"""Tables as Parquet files: small row groups, one schema, nothing lost on the way."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.storage.tables import (
    ROW_GROUP_BYTES,
    ROW_GROUP_ROWS,
    TableWriter,
    drop_recordings,
    entry_of,
    read_rows,
    write_schema_file,
)
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import SegmentRow
from soundseam.schemas.tables import Table, table_schema
from tests.support.builders import a_reject, a_segment, recording_id_of, with_audio


def write(path: Path, rows: list[Rejected]) -> Path:
    with TableWriter(Table.REJECTED, path) as writer:
        for row in rows:
            writer.append(row)
    return path


def row_groups(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    rows = [a_reject(detail=str(index)) for index in range(2 * ROW_GROUP_ROWS + 1)]
    path = write(tmp_path / "t.parquet", rows)
    assert [Rejected.model_validate(row) for row in read_rows(path)] == rows
    assert row_groups(path) == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 1]


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [a_reject("a")])
    assert list(read_rows(path, ["source_uri"])) == [{"source_uri": "a.wav"}]


def test_heavy_rows_make_small_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with TableWriter(Table.SEGMENTS, path) as writer:
        for index in range(6):
            writer.append(with_audio(a_segment(start_ms=index, end_ms=index + 1)), size_bytes=ROW_GROUP_BYTES // 2)
    assert row_groups(path) == [2, 2, 2]


def test_a_file_is_compressed_with_zstd_and_says_that_it_holds_audio(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with TableWriter(Table.SEGMENTS, path) as writer:
        writer.append(with_audio(a_segment()))
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"
    assert b"Audio" in pq.read_schema(path).metadata[b"huggingface"]


def test_a_row_of_another_table_is_refused(tmp_path: Path) -> None:
    with TableWriter(Table.REJECTED, tmp_path / "t.parquet") as writer, pytest.raises(TypeError, match="Rejected"):
        writer.append(a_segment())


@pytest.mark.parametrize("table", list(Table), ids=str)
def test_an_empty_table_has_the_schema_of_a_full_one(table: Table, tmp_path: Path) -> None:
    write_schema_file(table, tmp_path / "schema.parquet")
    empty = pq.read_table(tmp_path / "schema.parquet")
    assert empty.num_rows == 0
    assert empty.schema.equals(table_schema(table))


def test_equal_rows_make_files_of_one_name(tmp_path: Path) -> None:
    first = entry_of(Table.REJECTED, write(tmp_path / "1", [a_reject("a")]), "0000-x")
    again = entry_of(Table.REJECTED, write(tmp_path / "2", [a_reject("a")]), "0000-x")
    other = entry_of(Table.REJECTED, write(tmp_path / "3", [a_reject("b")]), "0000-x")
    assert first == again
    assert first.rows == 1
    assert other.name != first.name


def test_dropping_a_recording_keeps_all_other_rows_and_the_footer(tmp_path: Path) -> None:
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    segments = [with_audio(a_segment(name, index, index + 1)) for index in range(300) for name in "ab"]
    with TableWriter(Table.SEGMENTS, source) as writer:
        for row in segments:
            writer.append(row)
    drop_recordings(source, target, Table.SEGMENTS, frozenset({recording_id_of("a")}))
    kept = [SegmentRow.model_validate(row) for row in read_rows(target)]
    assert kept == [row for row in segments if row.recording_id == recording_id_of("b")]
    assert pq.read_schema(target).equals(table_schema(Table.SEGMENTS), check_metadata=True)


def test_rows_without_a_recording_are_never_dropped(tmp_path: Path) -> None:
    nameless = a_reject().model_copy(update={"recording_id": None})
    source = write(tmp_path / "source.parquet", [nameless, a_reject("a")])
    drop_recordings(source, tmp_path / "target.parquet", Table.REJECTED, frozenset({recording_id_of("a")}))
    assert [row["recording_id"] for row in read_rows(tmp_path / "target.parquet")] == [None]

"""The raw rows of a manifest: JSONL, CSV, or Parquet within a limit on unpacked size."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.redact import redact_text, redact_uri

_UTF_8 = "utf-8-sig"
_DELIMITER_LINE = re.compile(r"sep=(.)[\r\n]*")
"""The line that Excel writes before a header."""
_BATCH_ROWS = 4096
_MAX_TEXT_BYTES = 2**12
"""A batch is unpacked at once if no text in it is longer than this."""
_MAX_GROUP_BYTES = 2**29
_MAX_ROWS_A_BYTE = 100

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
Row = Mapping[str, Value]


class BadLineError(Exception):
    """Why a line of a manifest cannot be used."""


def read_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    """The line number, and its values or why it has none. Raises SetupError for a file that is not a table."""
    try:
        if uri.lower().endswith(".parquet"):
            yield from ((number, _values(row)) for number, row in _parquet_rows(uri))
        elif uri.lower().endswith(".csv"):
            yield from _csv_rows(uri)
        else:
            yield from _jsonl_rows(uri)
    except (OSError, pa.ArrowException) as error:
        raise SetupError(redact_text(f"cannot read the manifest {uri}: {error}", uri)) from error


def _jsonl_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    encoding = _encoding(uri)
    with files.open_read(uri) as file:
        lines: Iterable[bytes | str] = file if encoding == _UTF_8 else io.TextIOWrapper(file, encoding, "replace", "\n")
        for number, line in enumerate(lines, 1):
            try:
                text = (line if isinstance(line, str) else line.decode(_UTF_8 if number == 1 else "utf-8")).strip()
                if text:
                    yield number, _object(json.loads(text))
            except (ValueError, RecursionError) as error:
                yield number, BadLineError(f"not JSON in UTF-8 or UTF-16: {error}")


def _encoding(uri: str) -> str:
    """The encoding of a text file, from its first bytes."""
    with files.open_read(uri) as file:
        head = file.read(2)
    return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else _UTF_8


def _object(value: Value) -> Row | BadLineError:
    return value if isinstance(value, dict) else BadLineError("not a JSON object")


def _csv_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    encoding = _encoding(uri)
    with files.open_read(uri) as file:
        errors = "surrogateescape" if encoding == _UTF_8 else "replace"
        text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
        first = text.readline()
        delimiter_line = _DELIMITER_LINE.fullmatch(first)
        reader = csv.reader(
            text if delimiter_line else chain([first], text),
            delimiter=delimiter_line[1] if delimiter_line else _delimiter_of(first),
            skipinitialspace=True,
        )
        header: list[str] = []
        while True:
            try:
                cells = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num + bool(delimiter_line), BadLineError(str(error))
                continue
            if not header:
                header = _without_last_empty(cells)
            elif any(cells):
                yield reader.line_num + bool(delimiter_line), _csv_row(header, cells)


def _delimiter_of(header: str) -> str:
    """The delimiter of a header: in some countries spreadsheets write semicolons or tabs."""
    for delimiter in (",", ";", "\t"):
        if "uri" in (cell.strip().strip('"') for cell in header.split(delimiter)):
            return delimiter
    return ","


def _without_last_empty(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _csv_row(header: Sequence[str], cells: list[str]) -> Row | BadLineError:
    """A line's values by the header's names; a column without a name, such as row numbers, is left out."""
    if len(cells) < len(header) or any(cells[len(header) :]):
        return BadLineError(f"{len(cells)} cells under {len(header)} columns")
    return {name: cell or None for name, cell in zip(header, cells, strict=False) if name}


def _values(row: Mapping[str, object]) -> Row:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> Value:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _parquet_rows(uri: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Number, from 1, and values of each row. Raises SetupError for a file that unpacks to too much."""
    with files.local_copy(uri) as path:
        # A text shared by many rows is read once: otherwise a kilobyte of Parquet could become gigabytes.
        with pq.ParquetFile(path) as file:
            _check_size(uri, file.metadata, path.stat().st_size)
            texts = [column.path for column in map(file.schema.column, range(len(file.schema))) if _is_text(column)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            # Embedded audio and the like is not metadata.
            columns = [entry.name for entry in file.schema_arrow if not _holds_bytes(entry.type)]
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                step = max(1, _BATCH_ROWS * _MAX_TEXT_BYTES // max(_MAX_TEXT_BYTES, _longest_text(batch)))
                for start in range(0, batch.num_rows, step):
                    for row in batch.slice(start, step).to_pylist():
                        number += 1
                        yield number, row


def _check_size(uri: str, metadata: pq.FileMetaData, size_bytes: int) -> None:
    """Raises SetupError for a file that would unpack to an implausible size."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [sum(group.column(i).total_uncompressed_size for i in range(group.num_columns)) for group in groups]
    largest = max(sizes, default=0)
    if largest > _MAX_GROUP_BYTES or metadata.num_rows > _MAX_ROWS_A_BYTE * size_bytes:
        raise SetupError(
            f"{redact_uri(uri)} unpacks from {size_bytes} bytes to {metadata.num_rows} rows, the largest row group to "
            f"{largest} bytes: write it again with smaller row groups, or as JSONL"
        )


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type in ("STRING", "JSON", "ENUM"))


def _longest_text(batch: pa.RecordBatch) -> int:
    """Bytes of the longest value in columns of texts, or an upper bound for columns of lists or structs."""
    longest = 0
    for column in batch.columns:
        if pa.types.is_nested(column.type):
            longest = max(longest, column.nbytes)
        elif pa.types.is_dictionary(column.type) and len(column.dictionary):
            longest = max(longest, pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return longest


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))

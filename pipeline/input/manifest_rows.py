"""The raw rows of a manifest: JSONL, CSV, or Parquet within a limit on unpacked size."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

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


PIECE_BYTES = 4 * 2**20
"""Of a manifest that is read in pieces."""


class BadLineError(Exception):
    """Why a line of a manifest cannot be used."""


class Piece(NamedTuple):
    """Some lines of a manifest: bytes of a text, or row groups of Parquet."""

    start: int
    end: int
    lines_before: int
    head_bytes: int = 0
    """Of a CSV file: of its header, which is not in this piece."""
    head_lines: int = 0


def read_rows(uri: str, piece: Piece | None = None) -> Iterator[tuple[int, Row | BadLineError]]:
    """The line number, and its values or why it has none; of the whole manifest, or of a piece.

    Raises SetupError for a file that is not a table.
    """
    with _not_a_table(uri):
        if uri.lower().endswith(".parquet"):
            yield from ((number, _values(row)) for number, row in _parquet_rows(uri, piece))
        elif uri.lower().endswith(".csv"):
            yield from _csv_rows(uri, piece)
        else:
            yield from _jsonl_rows(uri, piece)


def split_manifest(uri: str, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece | None]:
    """Pieces that together have all lines of a manifest; None is the whole, of one that is small or in UTF-16."""
    with _not_a_table(uri):
        if uri.lower().endswith(".parquet"):
            yield from _row_groups(uri)
        elif files.stat_file(uri).size_bytes <= piece_bytes or _encoding(uri) != _UTF_8:
            yield None
        else:
            is_csv = uri.lower().endswith(".csv")
            yield from _csv_pieces(uri, piece_bytes) if is_csv else _stretches(_line_ends(uri), piece_bytes)


@contextmanager
def _not_a_table(uri: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise SetupError(redact_text(f"cannot read the manifest {uri}: {error}", uri)) from error


def _stretches(ends: Iterable[tuple[int, int]], piece_bytes: int, start: int = 0, before: int = 0) -> Iterator[Piece]:
    """Pieces of at least `piece_bytes`, by the end of each row: bytes and lines from the beginning."""
    end = start
    for end, lines in ends:
        if end - start >= piece_bytes:
            yield Piece(start, end, before)
            start, before = end, lines
    if end > start:
        yield Piece(start, end, before)


def _line_ends(uri: str) -> Iterator[tuple[int, int]]:
    end = 0
    with files.open_read(uri) as file:
        for number, line in enumerate(file, 1):
            end += len(line)
            yield end, number


def _csv_pieces(uri: str, piece_bytes: int) -> Iterator[Piece]:
    with files.open_read(uri) as file:
        mark = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
    rows = _csv_lines(uri)
    lines, end = next(((number, end + mark) for number, row, end in rows if row is None), (0, mark))
    ends = ((end + mark, number) for number, _, end in rows)
    for piece in _stretches(ends, piece_bytes, end, lines):
        yield piece._replace(head_bytes=end, head_lines=lines)


def _jsonl_rows(uri: str, piece: Piece | None) -> Iterator[tuple[int, Row | BadLineError]]:
    encoding = _UTF_8 if piece else _encoding(uri)
    with files.open_read(uri) as file:
        part: BinaryIO = _bytes_of(file, piece) if piece else file
        lines: Iterable[bytes | str] = part if encoding == _UTF_8 else io.TextIOWrapper(file, encoding, "replace", "\n")
        for number, line in enumerate(lines, piece.lines_before + 1 if piece else 1):
            try:
                text = (line if isinstance(line, str) else line.decode(_UTF_8 if number == 1 else "utf-8")).strip()
                if text:
                    yield number, _object(json.loads(text))
            except (ValueError, RecursionError) as error:
                yield number, BadLineError(f"not JSON in UTF-8 or UTF-16: {error}")


def _bytes_of(file: BinaryIO, piece: Piece) -> io.BytesIO:
    head = file.read(piece.head_bytes)
    file.seek(piece.start)
    return io.BytesIO(head + file.read(piece.end - piece.start))


def _encoding(uri: str) -> str:
    """The encoding of a text file, from its first bytes."""
    with files.open_read(uri) as file:
        head = file.read(2)
    return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else _UTF_8


def _object(value: Value) -> Row | BadLineError:
    return value if isinstance(value, dict) else BadLineError("not a JSON object")


def _csv_rows(uri: str, piece: Piece | None) -> Iterator[tuple[int, Row | BadLineError]]:
    head_lines = piece.head_lines if piece else 0
    shift = piece.lines_before - head_lines if piece else 0
    for number, row, _ in _csv_lines(uri, piece):
        if row is not None and number > head_lines:
            yield number + shift, row


def _csv_lines(uri: str, piece: Piece | None = None) -> Iterator[tuple[int, Row | BadLineError | None, int]]:
    """Line number, values (None for the header's), and place of the end in bytes if the text is UTF-8.

    A piece is read as if only the header were before it.
    """
    encoding = _encoding(uri)
    with files.open_read(uri) as file:
        part: BinaryIO = _bytes_of(file, piece) if piece else file
        errors = "surrogateescape" if encoding == _UTF_8 else "replace"
        lines = _CountedLines(io.TextIOWrapper(part, encoding=encoding, errors=errors, newline=""))
        first = lines.text.readline()
        delimiter_line = _DELIMITER_LINE.fullmatch(first)
        lines.count(first)
        reader = csv.reader(
            lines if delimiter_line else chain([first], lines),
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
                yield reader.line_num + bool(delimiter_line), BadLineError(str(error)), lines.end
                continue
            number = reader.line_num + bool(delimiter_line)
            if not header:
                header = _without_last_empty(cells)
                yield number, None, lines.end
            elif any(cells):
                yield number, _csv_row(header, cells), lines.end


@dataclass
class _CountedLines:
    """The lines of a text, and the place in bytes after the last one."""

    text: io.TextIOWrapper
    end: int = 0

    def __iter__(self) -> Iterator[str]:
        for line in self.text:
            self.count(line)
            yield line

    def count(self, line: str) -> None:
        self.end += len(line.encode("utf-8", "surrogateescape"))


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


def _parquet_rows(uri: str, piece: Piece | None) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Number, from 1, and values of each row. Raises SetupError for a file that unpacks to too much."""
    with _parquet_source(uri, piece) as source:
        # A text shared by many rows is read once: otherwise a kilobyte of Parquet could become gigabytes.
        with pq.ParquetFile(source) as file:
            _check_size(uri, file.metadata)
            texts = [column.path for column in map(file.schema.column, range(len(file.schema))) if _is_text(column)]
        with pq.ParquetFile(source, read_dictionary=texts) as file:
            # Embedded audio and the like is not metadata.
            columns = [entry.name for entry in file.schema_arrow if not _holds_bytes(entry.type)]
            groups = range(piece.start, piece.end) if piece else range(file.num_row_groups)
            number = piece.lines_before if piece else 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, row_groups=list(groups)):
                step = max(1, _BATCH_ROWS * _MAX_TEXT_BYTES // max(_MAX_TEXT_BYTES, _longest_text(batch)))
                for start in range(0, batch.num_rows, step):
                    for row in batch.slice(start, step).to_pylist():
                        number += 1
                        yield number, row


@contextmanager
def _parquet_source(uri: str, piece: Piece | None) -> Iterator[Path | BinaryIO]:
    """The whole file on this machine, or a remote one of which only a piece is read."""
    if piece is None:
        with files.local_copy(uri) as path:
            yield path
    else:
        with files.open_read(uri) as file:
            yield file


def _row_groups(uri: str) -> Iterator[Piece]:
    with files.open_read(uri) as file, pq.ParquetFile(file) as parquet:
        _check_size(uri, parquet.metadata)
        before = 0
        for group in range(parquet.metadata.num_row_groups):
            yield Piece(group, group + 1, before)
            before += parquet.metadata.row_group(group).num_rows


def _check_size(uri: str, metadata: pq.FileMetaData) -> None:
    """Raises SetupError for a file that would unpack to an implausible size."""
    size_bytes = files.stat_file(uri).size_bytes
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

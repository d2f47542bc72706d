"""Manifests: tables of recordings as JSONL, CSV or Parquet.

Columns: `uri` (relative ones count from the manifest's folder), and as far as there are any `id`, `license`,
`language`, `start_ms` and `end_ms`; every other column is free metadata and travels to the rows. A line that cannot be
read is rejected alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SetupError
from pipeline.storage import files
from pipeline.storage.files import FileStat
from pipeline.storage.redact import has_scheme, redact_text, redact_uri
from schemas.rejected import Rejected
from schemas.timespan import TimeSpan

MANIFEST_SUFFIXES = (".jsonl", ".csv", ".parquet")
MAX_METADATA_BYTES = 16 * 2**10
"""Of one line's free columns as JSON: they are copied to every segment's row."""
END_OF_RECORDING_MS = 2**31 - 1
"""End of an interval whose line gives only its start."""

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True)
class Entry:
    """One recording as one input asks for it."""

    uri: str
    origin: str = ""
    """Where it stands, for a person: line 3 of corpus.jsonl; empty where nothing but the file itself says so."""
    manifest_id: str | None = None
    license: str | None = None
    language: str | None = None
    interval: TimeSpan | None = None
    metadata: Mapping[str, Value] = field(default_factory=dict)
    stat: FileStat | None = None
    """As a listing showed it, where there was one: a million files need not be asked after one by one."""


class BadLineError(Exception):
    """Why a line of a manifest cannot be used."""


def is_manifest(uri: str) -> bool:
    return uri.lower().endswith(MANIFEST_SUFFIXES)


def read_manifest(uri: str) -> Iterator[Entry | Rejected]:
    """The lines of a manifest in order, each an entry or a reject.

    Raises SetupError for a file that is no manifest at all, or of which no line has a `uri`.
    """
    with_uri = 0
    lines = 0
    for number, row in _rows(uri):
        lines += 1
        try:
            if isinstance(row, BadLineError):
                raise row
            with_uri += row.get("uri") is not None
            yield _entry(uri, number, row)
        except BadLineError as error:
            with_uri += isinstance(row, BadLineError)
            yield Rejected(
                recording_id=None,
                source_uri=redact_uri(uri),
                stage="list",
                reason="bad_manifest_line",
                detail=redact_text(f"line {number}: {error}"),
            )
    if lines and not with_uri:
        raise SetupError(f"{redact_uri(uri)} has no column uri: name the column that holds paths or URIs so")


Row = Mapping[str, Value]


def _rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    try:
        if uri.lower().endswith(".parquet"):
            yield from _parquet_rows(uri)
        elif uri.lower().endswith(".csv"):
            yield from _csv_rows(uri)
        else:
            yield from _jsonl_rows(uri)
    except (OSError, pa.ArrowException) as error:
        raise SetupError(redact_text(f"cannot read the manifest {uri}: {error}", uri)) from error


def _jsonl_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    with files.open_read(uri) as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield number, _object(json.loads(text))
            except (ValueError, RecursionError) as error:
                yield number, BadLineError(f"not JSON in UTF-8: {error}")


def _object(value: Value) -> Row | BadLineError:
    return value if isinstance(value, dict) else BadLineError("not a JSON object")


def _csv_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    with files.open_read(uri) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text)
        header: list[str] | None = None
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, BadLineError(str(error))
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
            elif cells and len(cells) != len(header):
                yield reader.line_num, BadLineError(f"{len(cells)} cells under {len(header)} columns")
            elif cells:
                yield reader.line_num, {name: cell or None for name, cell in zip(header, cells, strict=True)}


def _parquet_rows(uri: str) -> Iterator[tuple[int, Row | BadLineError]]:
    with files.local_copy(uri) as path, pq.ParquetFile(path) as file:
        # Embedded audio and the like is neither metadata nor anything to carry along.
        columns = [entry.name for entry in file.schema_arrow if not _holds_bytes(entry.type)]
        number = 0
        for batch in file.iter_batches(batch_size=4096, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, {name: _plain(value) for name, value in row.items()}


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _plain(value: object) -> Value:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _entry(manifest: str, number: int, row: Row) -> Entry:
    interval = _interval(row)
    metadata = {
        redact_text(name): value
        for name, value in ((name, _clean(value)) for name, value in row.items())
        if name not in ("uri", "id", "license", "language", "start_ms", "end_ms") and value is not None
    }
    size = len(json.dumps(metadata).encode())
    if size > MAX_METADATA_BYTES:
        raise BadLineError(f"{size} bytes of free columns, {MAX_METADATA_BYTES} are kept: leave some out")
    return Entry(
        uri=_absolute_uri(manifest, row.get("uri")),
        origin=f"line {number} of {redact_uri(files.name_of(manifest))}",
        manifest_id=_text(row, "id"),
        license=_text(row, "license"),
        language=_text(row, "language"),
        interval=interval,
        metadata=metadata,
    )


def _absolute_uri(manifest: str, uri: Value) -> str:
    if not isinstance(uri, str) or not uri.strip():
        raise BadLineError("no uri")
    _check_text(uri)
    if has_scheme(uri) or uri.startswith("/"):
        return uri
    if files.is_local(manifest):
        return str(files.local_path(manifest).parent / uri)
    try:
        return files.join(manifest.rpartition("/")[0], uri)
    except ValueError as error:
        raise BadLineError(str(error)) from error


def _interval(row: Row) -> TimeSpan | None:
    start_ms, end_ms = _milliseconds(row, "start_ms"), _milliseconds(row, "end_ms")
    if start_ms is None and end_ms is None:
        return None
    span = TimeSpan(start_ms or 0, END_OF_RECORDING_MS if end_ms is None else end_ms)
    if span.duration_ms == 0:
        raise BadLineError(f"the interval from {span.start_ms} to {span.end_ms} ms is empty")
    return span


def _milliseconds(row: Row, name: str) -> int | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not (number.is_integer() and 0 <= number <= END_OF_RECORDING_MS):
        raise BadLineError(f"{name} is {str(value)[:40]!r}, not a whole number of milliseconds")
    return int(number)


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, (dict, list, bool)):
        raise BadLineError(f"{name} is not a text")
    _check_text(str(value))
    return redact_text(str(value))


def _clean(value: Value) -> Value:
    """`value` with no secret, no number that JSON lacks and no text that UTF-8 lacks."""
    if isinstance(value, str):
        _check_text(value)
        return redact_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {redact_text(name): _clean(item) for name, item in value.items()}
    return value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadLineError("a text with a zero byte")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadLineError("a text that is not UTF-8") from error

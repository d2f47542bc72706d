"""Manifests: tables of recordings as JSONL, CSV or Parquet.

Columns: `uri` (relative ones start at the manifest's folder), and optionally `id`, `license`, `language`, `start_ms`
and `end_ms`; every other column with a name is free metadata and is copied to the rows. A value is missing if it is
absent, empty, null or NaN. Text is UTF-8, or UTF-16 with a byte order mark. Only a line that cannot be used is
rejected; a manifest without any usable line is a wrong set-up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from soundseam.annotators.wording.language_names import UnknownLanguageError, language_tag
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.manifest_rows import BadLineError, Piece, Row, Value, read_rows
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.redact import has_scheme, redact_text, redact_uri
from soundseam.schemas.recording import Rejected
from soundseam.schemas.timespan import TimeSpan

MANIFEST_SUFFIXES = (".jsonl", ".csv", ".parquet")
MAX_METADATA_BYTES = 16 * 2**10
"""Maximum size of one line's free columns as JSON: they are copied to every segment's row."""
MAX_NESTING = 32
"""Maximum nesting of lists and objects in a free column: readers of the tables have different limits."""
SHOWN_PROBLEMS = 3
"""Problems shown for a manifest that cannot be used at all."""
END_OF_RECORDING_MS = 2**31 - 1
"""End of an interval whose line only gives its start."""

_OWN_COLUMNS = ("uri", "id", "license", "language", "start_ms", "end_ms")


@dataclass(frozen=True)
class Entry:
    """One recording, or a part of it, from one input."""

    uri: str
    origin: str = ""
    """Its origin, for a person: line 3 of corpus.jsonl; empty for a file given directly."""
    manifest_id: str | None = None
    license: str | None = None
    language: str | None = None
    interval: TimeSpan | None = None
    metadata: Mapping[str, Value] = field(default_factory=dict)
    line: int = field(default=0, compare=False)
    """Of the manifest; 0 for a file given directly."""
    stat: FileStat | None = None
    """From a listing, if there was one: avoids a million separate requests."""


def is_manifest(uri: str) -> bool:
    return uri.lower().endswith(MANIFEST_SUFFIXES)


def read_manifest(uri: str, piece: Piece | None = None) -> Iterator[Entry | Rejected]:
    """The lines of a manifest in order, or those of a piece of it, each an entry or a reject.

    An entry with an unknown language is followed by a row that says so. Raises SetupError for a file that is not a
    manifest, or, read as a whole, has no usable line.
    """
    with_uri = used = 0
    problems: list[str] = []
    for number, row in read_rows(uri, piece):
        try:
            if isinstance(row, BadLineError):
                raise row
            with_uri += row.get("uri") is not None
            entry, language_problem = _entry(uri, number, row)
            used += 1
            yield entry
            if language_problem:
                yield _rejected(uri, "unknown_language", f"line {number}: {language_problem}: taken as unknown")
        except BadLineError as error:
            with_uri += isinstance(row, BadLineError)
            problems = [*problems, f"line {number}: {error}"][:SHOWN_PROBLEMS]
            yield _rejected(uri, "bad_manifest_line", f"line {number}: {error}")
    if piece is not None:
        return
    if problems and not with_uri:
        raise SetupError(f"{redact_uri(uri)} has no column uri: rename the column with paths or URIs to uri")
    if problems and not used:
        raise SetupError(f"no line of {redact_uri(uri)} can be used: {redact_text('; '.join(problems))}")


def _rejected(manifest: str, reason: str, detail: str) -> Rejected:
    uri = redact_uri(manifest)
    return Rejected(recording_id=None, source_uri=uri, stage="list", reason=reason, detail=redact_text(detail))


def _entry(manifest: str, number: int, row: Row) -> tuple[Entry, str]:
    """The entry of a line, and the problem with its language; empty if there is none."""
    longest = max((len(value) for value in row.values() if isinstance(value, str)), default=0)
    if longest > MAX_METADATA_BYTES:
        raise BadLineError(f"a text of {longest} characters; the maximum is {MAX_METADATA_BYTES}: leave the column out")
    interval = _interval(row)
    language, language_problem = _language(row)
    free = {name: _clean(value) for name, value in row.items() if name not in _OWN_COLUMNS}
    metadata = {_name(name): value for name, value in free.items() if value is not None}
    size = len(json.dumps(metadata).encode())
    if size > MAX_METADATA_BYTES:
        raise BadLineError(f"{size} bytes of free columns; the maximum is {MAX_METADATA_BYTES}: leave some out")
    entry = Entry(
        uri=_absolute_uri(manifest, row.get("uri")),
        origin=f"line {number} of {redact_uri(files.name_of(manifest))}",
        manifest_id=_text(row, "id"),
        license=_text(row, "license"),
        language=language,
        interval=interval,
        metadata=metadata,
        line=number,
    )
    return entry, language_problem


def _language(row: Row) -> tuple[str | None, str]:
    """The BCP 47 tag of a line's language, None if unknown; and the problem with the line's value."""
    text = _text(row, "language")
    try:
        return (None if text is None else language_tag(text)), ""
    except UnknownLanguageError as error:
        return None, f"language {error}"


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
    if _is_missing(value):
        return None
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not (number.is_integer() and 0 <= number <= END_OF_RECORDING_MS):
        raise BadLineError(f"{name} is {str(value)[:40]!r}, not a whole number of milliseconds")
    return int(number)


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    if _is_missing(value):
        return None
    if isinstance(value, (dict, list, bool)):
        raise BadLineError(f"{name} is not a text")
    _check_text(str(value))
    return redact_text(str(value))


def _is_missing(value: Value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _clean(value: Value, depth: int = 0) -> Value:
    """`value` without secrets, and with only the numbers and texts that JSON and UTF-8 can represent."""
    if depth > MAX_NESTING:
        raise BadLineError(f"lists or objects more than {MAX_NESTING} deep")
    if isinstance(value, str):
        _check_text(value)
        return redact_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_name(name): _clean(item, depth + 1) for name, item in value.items()}
    return value


def _name(name: str) -> str:
    _check_text(name)
    return redact_text(name)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadLineError("a text with a zero byte")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadLineError("a text that is not UTF-8") from error

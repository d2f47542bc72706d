"""From the inputs of a run to its sources: each recording once, with its hash, and what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from soundseam.pipeline.input.inputs import SourceIndex, read_inputs, source_uri_of
from soundseam.pipeline.input.manifest import Entry, Value
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat, UnsupportedSchemeError
from soundseam.pipeline.storage.redact import redact_text
from soundseam.schemas.recording import Rejected, Source
from soundseam.schemas.timespan import union_spans

HASH_THREADS = 16
RECORDING_ID_DIGITS = 32


@dataclass(frozen=True)
class Listing:
    """`sources` and `rejected`, each in order of source_uri; no two sources have the same bytes."""

    sources: tuple[Source, ...]
    rejected: tuple[Rejected, ...]


def list_sources(inputs: Sequence[str], index: SourceIndex | None = None, output: str | None = None) -> Listing:
    """The recordings that `inputs` name: see `read_inputs` for what an input may be.

    Several entries of one file are one source: their intervals are united (one without an interval asks for all of
    it), and of what else they say the first to say anything holds; a later entry that says otherwise is reported as
    `conflicting_entries`. Of files with the same bytes the first by source_uri is kept. `index` is read and added to,
    not saved. Raises SetupError for an input that names nothing.
    """
    rejected: list[Rejected] = []
    by_uri: dict[str, list[Entry]] = {}
    for item in read_inputs(inputs, output):
        if isinstance(item, Rejected):
            rejected.append(item)
        else:
            by_uri.setdefault(_normal_uri(item.uri), []).append(item)
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        hashed = list(pool.map(lambda item: _hashed(item[0], item[1][0].stat, index), by_uri.items()))
    sources: list[Source] = []
    for (uri, entries), result in zip(by_uri.items(), hashed, strict=True):
        if isinstance(result, Rejected):
            rejected.append(result)
            continue
        stat, recording_id = result
        if index is not None:
            index.remember(stat, recording_id)
        source, conflicts = _joined(uri, entries, stat, recording_id)
        sources.append(source)
        rejected.extend(conflicts)
    kept, duplicates = _without_duplicates(sources)
    order = sorted([*rejected, *duplicates], key=lambda row: (row.source_uri, row.reason, row.detail))
    return Listing(tuple(kept), tuple(order))


def _normal_uri(uri: str) -> str:
    """One spelling a local path: `./a//b` is `a/b`. `..` stays, since what it means depends on links."""
    if not files.is_local(uri) or uri.startswith("file://"):
        return uri
    return str(files.local_path(uri))


def _hashed(uri: str, listed: FileStat | None, index: SourceIndex | None) -> tuple[FileStat, str] | Rejected:
    """A file's size and recording_id; or why there is none. Runs in threads: `index` is only read."""
    try:
        stat = listed or files.stat_file(uri)
        if stat.size_bytes == 0:
            return _rejected(uri, "empty_file", "0 bytes")
        known = index.recording_id(stat) if index is not None else None
        return stat, known or _recording_id(uri)
    except UnsupportedSchemeError as error:
        return _rejected(uri, "unsupported_scheme", str(error))
    except FileNotFoundError:
        return _rejected(uri, "missing_file", "there is no such file")
    except IsADirectoryError:
        return _rejected(uri, "not_a_file", "a folder, a pipe or a device")
    except OSError as error:
        return _rejected(uri, "unreadable", error.strerror or redact_text(str(error), uri))


def _recording_id(uri: str) -> str:
    return files.sha256_of(uri)[:RECORDING_ID_DIGITS]


def _joined(
    uri: str, entries: Sequence[Entry], stat: FileStat, recording_id: str
) -> tuple[Source, tuple[Rejected, ...]]:
    said: dict[str, tuple[Value, Entry]] = {}
    conflicts: list[str] = []
    for entry in entries:
        for name, value in _statements(entry).items():
            first_value, first = said.setdefault(name, (value, entry))
            if first_value != value:
                conflicts.append(f"{name} of {entry.origin} differs from {first.origin}")
    values = {name: value for name, (value, _) in said.items()}
    metadata = {name.removeprefix("metadata."): values[name] for name in sorted(values) if name.startswith("metadata.")}
    whole = any(entry.interval is None for entry in entries)
    source = Source(
        uri=uri,
        source_uri=source_uri_of(uri),
        recording_id=recording_id,
        size_bytes=stat.size_bytes,
        manifest_id=_text(values.get("id")),
        license=_text(values.get("license")),
        language=_text(values.get("language")),
        intervals=() if whole else union_spans(entry.interval for entry in entries if entry.interval is not None),
        metadata=json.dumps(metadata, sort_keys=True, ensure_ascii=False) if metadata else None,
    )
    if not conflicts:
        return source, ()
    detail = "; ".join(conflicts[:5]) + (f"; and {len(conflicts) - 5} more" if len(conflicts) > 5 else "")
    return source, (_rejected(uri, "conflicting_entries", f"{detail}: the first was taken", recording_id),)


def _statements(entry: Entry) -> dict[str, Value]:
    named: dict[str, Value] = {"id": entry.manifest_id, "license": entry.license, "language": entry.language}
    free = {f"metadata.{name}": value for name, value in entry.metadata.items()}
    return {name: value for name, value in (named | free).items() if value is not None}


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _without_duplicates(sources: Iterable[Source]) -> tuple[list[Source], list[Rejected]]:
    kept: dict[str, Source] = {}
    duplicates: list[Rejected] = []
    for source in sorted(sources, key=lambda source: (source.source_uri, source.uri)):
        first = kept.setdefault(source.recording_id, source)
        if first is not source:
            detail = f"the same bytes as {first.source_uri}"
            duplicates.append(_rejected(source.uri, "duplicate", detail, source.recording_id))
    return list(kept.values()), duplicates


def _rejected(uri: str, reason: str, detail: str, recording_id: str | None = None) -> Rejected:
    return Rejected(
        recording_id=recording_id, source_uri=source_uri_of(uri), stage="list", reason=reason, detail=detail
    )

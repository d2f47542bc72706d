"""From the inputs of a run to its sources: each recording once, with its hash, and rejects with reasons."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.index import SourceIndex
from soundseam.pipeline.input.inputs import read_inputs, source_uri_of
from soundseam.pipeline.input.join import join_entries
from soundseam.pipeline.input.manifest import Entry
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat, UnsupportedSchemeError
from soundseam.pipeline.storage.redact import redact_text
from soundseam.schemas.record import Record
from soundseam.schemas.recording import Rejected, Source

HASH_THREADS = 16
RECORDING_ID_DIGITS = 32
MAX_PARTS = 100_000


class Part(Record):
    """One of several runs that share their inputs and OUT without knowing of each other, such as a job of an array."""

    number: int
    """1 to `total`."""
    total: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """From `K/N`. Raises SetupError if it is not that."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, total = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= total <= MAX_PARTS:
            raise SetupError(
                f"--part {text!r} is not K/N with K from 1 to N, as in --part 3/8, and N at most {MAX_PARTS:,}"
            )
        return cls(number=number, total=total)

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def holds(self, uri: str) -> bool:
        """Whether the file belongs to this part, by a hash of its address as it was listed."""
        digest = hashlib.sha256(uri.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8]) % self.total == self.number - 1


@dataclass(frozen=True)
class Listing:
    """`sources` and `rejected`, each in order of source_uri; no two sources have the same bytes."""

    sources: tuple[Source, ...]
    rejected: tuple[Rejected, ...]


def list_sources(
    inputs: Sequence[str], index: SourceIndex | None = None, output: str | None = None, part: Part | None = None
) -> Listing:
    """The recordings in `inputs`: see `read_inputs` for possible inputs.

    Several entries of one file, or of files with the same bytes, are one source, under the first source_uri: see
    `join_entries`. Contradictions between them are reported as `conflicting_entries`. `index` is read and extended, but
    not saved. Of a `part` only its own files are read, and rejects that concern no single file are left out. Raises
    SetupError for an input that matches nothing.
    """
    rejected: list[Rejected] = []
    by_uri: dict[str, list[Entry]] = {}
    for item in read_inputs(inputs, output):
        if isinstance(item, Rejected):
            if part is None:
                rejected.append(item)
        elif part is None or part.holds(normal_uri(item.uri)):
            by_uri.setdefault(normal_uri(item.uri), []).append(item)
    identified = list(identify(by_uri, index))
    rejected += [one for one in identified if isinstance(one, Rejected)]
    listing = join_found(one for one in identified if isinstance(one, Found))
    return Listing(listing.sources, in_order([*rejected, *listing.rejected]))


def in_order(rejected: Iterable[Rejected]) -> tuple[Rejected, ...]:
    return tuple(sorted(rejected, key=lambda row: (row.source_uri, row.reason, row.detail)))


def identify(by_uri: Mapping[str, Sequence[Entry]], index: SourceIndex | None) -> Iterator[Found | Rejected]:
    """Each file with the hash of its bytes, or why it has none. `index` is extended, but not saved."""
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        hashed = pool.map(lambda item: _hashed(item[0], item[1][0].stat, index), by_uri.items())
        for (uri, entries), result in zip(by_uri.items(), hashed, strict=True):
            if isinstance(result, Rejected):
                yield result
                continue
            stat, recording_id = result
            if index is not None:
                index.remember(stat, recording_id)
            yield Found(source_uri_of(uri), uri, stat.size_bytes, recording_id, tuple(entries))


def join_found(found: Iterable[Found]) -> Listing:
    """Each recording once, under its first source_uri, and rows for its other files and for contradictions."""
    by_content: dict[str, list[Found]] = {}
    for one in found:
        by_content.setdefault(one.recording_id, []).append(one)
    sources, rejected = [], []
    for members in by_content.values():
        source, more = _source(sorted(members, key=lambda one: (one.source_uri, one.uri)))
        sources.append(source)
        rejected.extend(more)
    return Listing(tuple(sorted(sources, key=lambda source: (source.source_uri, source.uri))), in_order(rejected))


@dataclass(frozen=True)
class Found:
    """A file that could be read, and its entries."""

    source_uri: str
    uri: str
    size_bytes: int
    recording_id: str
    entries: tuple[Entry, ...]


def normal_uri(uri: str) -> str:
    """The normalised spelling of a local path: `./a//b` is `a/b`. `..` remains, since its meaning depends on links."""
    if not files.is_local(uri) or uri.startswith("file://") or files.is_plain_path(uri):
        return uri
    return str(files.local_path(uri))


def _hashed(uri: str, listed: FileStat | None, index: SourceIndex | None) -> tuple[FileStat, str] | Rejected:
    """A file's size and recording_id, or why it has none. Runs in threads: `index` is only read."""
    try:
        stat = listed or files.stat_file(uri)
        if stat.size_bytes == 0:
            return _rejected(uri, "empty_file", "0 bytes")
        known = index.recording_id(stat) if index is not None else None
        return stat, known or recording_id_of(uri)
    except UnsupportedSchemeError as error:
        return _rejected(uri, "unsupported_scheme", str(error))
    except FileNotFoundError:
        return _rejected(uri, "missing_file", "there is no such file")
    except IsADirectoryError:
        return _rejected(uri, "not_a_file", "a folder, a pipe or a device")
    except OSError as error:
        return _rejected(uri, "unreadable", error.strerror or redact_text(str(error), uri))


def recording_id_of(uri: str) -> str:
    """The recording_id of a file, from its bytes."""
    return files.sha256_of(uri)[:RECORDING_ID_DIGITS]


def _source(found: Sequence[Found]) -> tuple[Source, list[Rejected]]:
    """One source for files with the same bytes, represented by the first of them; and rows to report."""
    first = found[0]
    recording_id = first.recording_id
    joined = join_entries([entry for one in found for entry in one.entries])
    source = Source(
        uri=first.uri,
        source_uri=first.source_uri,
        recording_id=recording_id,
        size_bytes=first.size_bytes,
        manifest_id=joined.common.manifest_id,
        license=joined.common.license,
        language=joined.common.language,
        intervals=joined.intervals,
        metadata=joined.common.metadata,
        lines=joined.differing_lines,
    )
    duplicate = f"the same bytes as {first.source_uri}"
    rejected = [_rejected(one.uri, "duplicate", duplicate, recording_id) for one in found[1:]]
    if joined.problem:
        rejected.append(_rejected(first.uri, "conflicting_entries", joined.problem, recording_id))
    return source, rejected


def _rejected(uri: str, reason: str, detail: str, recording_id: str | None = None) -> Rejected:
    return Rejected(
        recording_id=recording_id, source_uri=source_uri_of(uri), stage="list", reason=reason, detail=detail
    )

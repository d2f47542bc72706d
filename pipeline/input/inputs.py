"""Resolves the inputs of a run (folders, globs, files and manifests) to entries."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.manifest import Entry, is_manifest, read_manifest
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat, UnsupportedSchemeError
from soundseam.pipeline.storage.ownership import OwnFiles
from soundseam.pipeline.storage.redact import as_utf8, redact_text, redact_uri
from soundseam.pipeline.work import LEFT_OUT
from soundseam.schemas.record import Record
from soundseam.schemas.recording import Rejected
from soundseam.schemas.tables import arrow_schema, records_of, table_of

_SUFFIXES = """
.3g2 .3ga .3gp .3gpp .3gpp2 .aac .ac3 .adts .aif .aifc .aiff .amr .ape .asf .au .avi .awb .bwf .caf .dff .dsf .dts
.eac3 .ec3 .f4a .f4v .flac .flv .gsm .m1a .m2a .m2ts .m4a .m4b .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpc
.mpeg .mpg .mpga .mts .nist .oga .ogg .ogv .ogx .opus .qcp .qt .ra .rf64 .rm .rmvb .snd .sph .spx .tak .thd .ts .tta
.vob .voc .w64 .wav .wave .weba .webm .wma .wmv .wv
"""
_NAMED_SUFFIXES = 12
AUDIO_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes of files to read in a folder. A file given by name, glob or manifest is read whatever its suffix."""

_GLOB = re.compile(r"[*?\[]")


def read_inputs(inputs: Sequence[str], output: str | None = None) -> Iterator[Entry | Rejected]:
    """The recordings in `inputs`, in order, and rejects for lines of manifests that cannot be used.

    A folder gives the audio and video files under it at any depth, by suffix; hidden files and folders are skipped,
    links to folders are not followed. A name that exists is taken literally, otherwise `*`, `?`, `[]` and `**` make it
    a glob. Files written by Soundseam are not recordings: folders and globs skip `output`, and the audio of reports and
    exports. Raises SetupError for an input that matches nothing, or something in `output`.
    """
    own = OwnFiles(output)
    for item in inputs:
        try:
            found = False
            for entry in _local_input(item, own) if files.is_local(item) else _remote_input(item, own):
                found = found or not (isinstance(entry, Rejected) and entry.reason == LEFT_OUT)
                yield entry
        except UnsupportedSchemeError as error:
            raise SetupError(f"{redact_uri(item)}: {error}") from error
        except (OSError, ValueError) as error:
            raise SetupError(redact_text(f"cannot read the input {item}: {error}", item)) from error
        if not found:
            raise SetupError(
                f"{redact_uri(item)} matches no recording: give a folder with audio, a glob in quotes, audio "
                "files, or a "
                "manifest (.jsonl, .csv, .parquet). Files written by Soundseam do not count"
            )


def _local_input(item: str, own: OwnFiles) -> Iterator[Entry | Rejected]:
    path = files.local_path(item)
    if path.is_dir():
        _refuse_output(item, own)
        yield from _folder(item, own)
    elif path.exists():
        yield from _file(item, own)
    elif _GLOB.search(item):
        for match in sorted(glob.glob(item, recursive=True)):  # noqa: PTH207 (a glob may be absolute)
            if files.local_path(match).is_dir():
                yield from _folder(match, own)
            elif not own.holds(match):
                yield from _file(match, own)


def _remote_input(item: str, own: OwnFiles) -> Iterator[Entry | Rejected]:
    if is_manifest(item) and files.exists(item):
        yield from _file(item, own)
    elif not item.endswith("/") and files.is_remote_file(item):
        _refuse_output(item, own)
        yield Entry(item)
    elif _GLOB.search(item):
        for stat in files.match_files(item):
            if is_manifest(stat.uri):
                yield from _file(stat.uri, own)
            elif not own.holds(stat.uri):
                yield Entry(stat.uri, stat=stat)
    else:
        _refuse_output(item, own)
        yield from _folder(item, own)


def _file(item: str, own: OwnFiles) -> Iterator[Entry | Rejected]:
    """The recordings of a file given by name: those of a manifest, else itself."""
    if not is_manifest(item):
        _refuse_output(item, own)
        yield Entry(_openable(item))
        return
    for entry in read_manifest(item):
        if isinstance(entry, Entry):
            _refuse_output(entry.uri, own)
        yield entry


def _refuse_output(uri: str, own: OwnFiles) -> None:
    if own.lies_in_output(uri):
        raise SetupError(f"the input {redact_uri(uri)} is inside --output: choose an --output beside it or below it")


def _folder(folder: str, own: OwnFiles) -> Iterator[Entry | Rejected]:
    unreadable: list[OSError] = []
    left_out: Counter[str] = Counter()
    for stat in files.list_files(folder, unreadable.append):
        parts = files.relative_to(stat.uri, folder).split("/")
        if any(part[0] == "." for part in parts) or own.holds(stat.uri):
            continue
        if is_audio_name(parts[-1]):
            yield Entry(_openable(stat.uri), stat=stat)
        else:
            left_out[PurePosixPath(as_utf8(parts[-1])).suffix.lower()] += 1
    if left_out:
        yield _left_out(folder, left_out)
    for error in unreadable:
        yield Rejected(
            recording_id=None,
            source_uri=source_uri_of(str(error.filename)),
            stage="list",
            reason="unreadable",
            detail=f"the folder cannot be listed: {error.strerror}",
        )


def _left_out(folder: str, suffixes: Counter[str]) -> Rejected:
    """One row for all files of a folder without an audio suffix."""
    named = [f"{count:,} {suffix or 'without one'}" for suffix, count in suffixes.most_common(_NAMED_SUFFIXES)]
    more = f" and {len(suffixes) - len(named)} more suffixes" if len(suffixes) > len(named) else ""
    return Rejected(
        recording_id=None,
        source_uri=source_uri_of(folder),
        stage="list",
        reason=LEFT_OUT,
        detail=f"{suffixes.total():,} files of the folder were skipped because of their suffix: "
        f"{', '.join(named)}{more}",
    )


def _openable(uri: str) -> str:
    """`uri`; a local name that is not UTF-8, which tables and JSON cannot store, becomes a `file://` URI."""
    try:
        uri.encode()
    except UnicodeEncodeError:
        return Path(uri).absolute().as_uri()
    return uri


def is_audio_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122


def source_uri_of(uri: str) -> str:
    """A source's name in rows and logs: a URI without secrets; a local path as it was given, relative or absolute.

    So a corpus made from a folder given by a relative path is the same wherever that folder is. Bytes of a name that
    are not UTF-8 are written as `\\xff`.
    """
    return as_utf8(files.local_path(uri).as_posix()) if files.is_local(uri) else redact_uri(uri)


class IndexedSource(Record):
    """One row of the index: a file's state when its bytes were hashed."""

    uri_key: str
    """Hash of the complete URI; of the absolute path if it is local."""
    size_bytes: int
    modified_s: float
    recording_id: str


class SourceIndex:
    """Hashes by (URI, size, modification time), in one Parquet file. It contains no URIs, and so no secrets."""

    def __init__(self, uri: str, others: Sequence[str] = ()) -> None:
        """Reads the index at `uri`; it is empty if the file is missing or has another format.

        What the index files at `others` know is added, and saved with it.
        """
        self._uri = uri
        self._entries = _read_index(uri) if files.exists(uri) else {}
        known = len(self._entries)
        for other in others:
            self._entries = {**_read_index(other), **self._entries}
        self._changed = len(self._entries) > known

    def recording_id(self, stat: FileStat) -> str | None:
        """The id of a file that has not changed since; None if unknown."""
        entry = self._entries.get(_uri_key(stat.uri))
        if entry is None or (entry.size_bytes, entry.modified_s) != (stat.size_bytes, stat.modified_s):
            return None
        return entry.recording_id

    def remember(self, stat: FileStat, recording_id: str) -> None:
        """Stores the id of a file with its `stat` from before its bytes were read."""
        if stat.modified_s == 0.0:
            return  # a filesystem without modification times
        entry = IndexedSource(
            uri_key=_uri_key(stat.uri),
            size_bytes=stat.size_bytes,
            modified_s=stat.modified_s,
            recording_id=recording_id,
        )
        self._changed |= self._entries.get(entry.uri_key) != entry
        self._entries[entry.uri_key] = entry

    def save(self) -> None:
        """Writes the index atomically, if anything was added."""
        if not self._changed:
            return
        buffer = io.BytesIO()
        rows = [self._entries[key] for key in sorted(self._entries)]
        pq.write_table(table_of(rows, IndexedSource), buffer, compression="zstd")
        files.write_atomically(self._uri, buffer.getvalue())
        self._changed = False


def _read_index(uri: str) -> dict[str, IndexedSource]:
    try:
        table = pq.read_table(io.BytesIO(files.read_bytes(uri)))
    except (pa.ArrowException, FileNotFoundError):
        return {}
    if not table.schema.equals(arrow_schema(IndexedSource)):
        return {}
    return {entry.uri_key: entry for entry in records_of(table, IndexedSource)}


def _uri_key(uri: str) -> str:
    name = str(files.local_path(uri).absolute()) if files.is_local(uri) else uri
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]

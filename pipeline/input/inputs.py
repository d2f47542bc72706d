"""Resolves the inputs of a run (folders, globs, files and manifests) to entries."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.manifest import Entry, is_manifest, read_manifest
from soundseam.pipeline.input.manifest_rows import Piece
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import UnsupportedSchemeError
from soundseam.pipeline.storage.ownership import OwnFiles
from soundseam.pipeline.storage.redact import as_utf8, redact_text, redact_uri
from soundseam.pipeline.work import LEFT_OUT
from soundseam.schemas.recording import Rejected

_SUFFIXES = """
.3g2 .3ga .3gp .3gpp .3gpp2 .aac .ac3 .adts .aif .aifc .aiff .amr .ape .asf .au .avi .awb .bwf .caf .dff .dsf .dts
.eac3 .ec3 .f4a .f4v .flac .flv .gsm .m1a .m2a .m2ts .m4a .m4b .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpc
.mpeg .mpg .mpga .mts .nist .oga .ogg .ogv .ogx .opus .qcp .qt .ra .rf64 .rm .rmvb .snd .sph .spx .tak .thd .ts .tta
.vob .voc .w64 .wav .wave .weba .webm .wma .wmv .wv
"""
_NAMED_SUFFIXES = 12
MAX_CHECKED = 10_000
"""Lines of a manifest, or files, among which one that can be used is looked for before a job begins."""
AUDIO_SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes of files to read in a folder. A file given by name, glob or manifest is read whatever its suffix."""

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Manifest:
    """A manifest among the inputs, not read yet."""

    uri: str


Listed = Entry | Rejected | Manifest


def read_inputs(inputs: Sequence[str], output: str | None = None) -> Iterator[Entry | Rejected]:
    """The recordings in `inputs`, in order, and rejects for lines of manifests that cannot be used.

    A folder gives the audio and video files under it at any depth, by suffix; hidden files and folders are skipped,
    links to folders are not followed. A name that exists is taken literally, otherwise `*`, `?`, `[]` and `**` make it
    a glob. Files written by Soundseam are not recordings: folders and globs skip `output`, and the audio of reports and
    exports. Raises SetupError for an input that matches nothing, or something in `output`.
    """
    own = OwnFiles(output)
    for item in inputs:
        found = False
        with _reading(item):
            for listed in list_input(item, own):
                for entry in read_listed(listed, own) if isinstance(listed, Manifest) else (listed,):
                    found = found or is_usable(entry)
                    yield entry
        if not found:
            raise nothing_in(item)


def check_inputs(inputs: Sequence[str], output: str | None = None) -> None:
    """Raises SetupError for an input that matches nothing, by its beginning alone: the first entry that can be used."""
    for item in inputs:
        next((entry for entry in islice(read_inputs([item], output), MAX_CHECKED) if isinstance(entry, Entry)), None)


def list_input(item: str, own: OwnFiles) -> Iterator[Listed]:
    """What one input names, in any order; manifests are not opened."""
    return _local_input(item, own) if files.is_local(item) else _remote_input(item, own)


def read_listed(manifest: Manifest, own: OwnFiles, piece: Piece | None = None) -> Iterator[Entry | Rejected]:
    """The entries of a manifest, or of a piece of it. Raises SetupError for one that names something in OUT."""
    for entry in read_manifest(manifest.uri, piece):
        if isinstance(entry, Entry):
            _refuse_output(entry.uri, own)
        yield entry


def is_usable(entry: Entry | Rejected) -> bool:
    """Whether an input with this entry matches something."""
    return not (isinstance(entry, Rejected) and entry.reason == LEFT_OUT)


def nothing_in(item: str) -> SetupError:
    return SetupError(
        f"{redact_uri(item)} matches no recording: give a folder with audio, a glob in quotes, audio files, or a "
        "manifest (.jsonl, .csv, .parquet). Files written by Soundseam do not count"
    )


@contextmanager
def _reading(item: str) -> Iterator[None]:
    try:
        yield
    except UnsupportedSchemeError as error:
        raise SetupError(f"{redact_uri(item)}: {error}") from error
    except (OSError, ValueError) as error:
        raise SetupError(redact_text(f"cannot read the input {item}: {error}", item)) from error


def _local_input(item: str, own: OwnFiles) -> Iterator[Listed]:
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


def _remote_input(item: str, own: OwnFiles) -> Iterator[Listed]:
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


def _file(item: str, own: OwnFiles) -> Iterator[Listed]:
    """A manifest, or a file given by name."""
    if is_manifest(item):
        yield Manifest(item)
        return
    _refuse_output(item, own)
    yield Entry(_openable(item))


def _refuse_output(uri: str, own: OwnFiles) -> None:
    if own.lies_in_output(uri):
        raise SetupError(f"the input {redact_uri(uri)} is inside --output: choose an --output beside it or below it")


def _folder(folder: str, own: OwnFiles) -> Iterator[Entry | Rejected]:
    unreadable: list[OSError] = []
    left_out: Counter[str] = Counter()
    for stat in files.walk_files(folder, unreadable.append):
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
    most = sorted(suffixes.items(), key=lambda item: (-item[1], item[0] == "", item[0]))[:_NAMED_SUFFIXES]
    named = [f"{count:,} {suffix or 'without one'}" for suffix, count in most]
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

"""Local and remote files: local paths through the operating system, object stores through `object_store`, the rest
through Beam's filesystems.

A URI with a scheme other than `file` is remote; everything else is a local path, whatever its characters. Errors are
OSErrors whose text contains no secret of a URI.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote_to_bytes

from soundseam.pipeline.storage.redact import has_scheme, redact_uri
from soundseam.pipeline.storage.remote import (
    COPY_BYTES,
    OBJECT_STORES,
    TEMPORARY_PREFIX,
    WHOLE_BYTES,
    FileStat,
    RemoteFiles,
    UnsupportedSchemeError,
)

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

__all__ = ["COPY_BYTES", "TEMPORARY_PREFIX", "WHOLE_BYTES", "FileStat", "UnsupportedSchemeError"]

_FILE_SCHEME = "file://"


def use_options(options: PipelineOptions | None) -> None:
    """Passes options such as regions and endpoints, if any, to all remote storage; called once in each process."""
    if options is None:
        return
    from apache_beam.io.filesystems import FileSystems

    from soundseam.pipeline.storage.object_store import use_settings

    FileSystems.set_options(options)
    use_settings(options.get_all_options(drop_default=True))


def is_local(uri: str) -> bool:
    return uri.startswith(_FILE_SCHEME) or not has_scheme(uri)


def is_plain_path(uri: str) -> bool:
    """Whether it is an absolute local path that is spelled as `pathlib` would: asking for it is much faster."""
    return uri.startswith("/") and not _UNUSUAL.search(uri)


_UNUSUAL = re.compile(r"//|/\.?/|/\.?$")


def local_path(uri: str) -> Path:
    """The path of a local `uri`: a `file://` URI is unescaped, a path is taken as it is."""
    if uri.startswith(_FILE_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(_FILE_SCHEME).removeprefix("localhost"))))
    return Path(uri)


def join(base: str, first: str, *more: str) -> str:
    """The parts, names or relative paths, under `base`. Raises ValueError for a part that would lead elsewhere."""
    parts = (first, *more)
    for part in parts:
        if not part or part.startswith("/") or ".." in part.split("/") or "\0" in part:
            raise ValueError(f"{part!r} does not stay inside its folder")
    return (base if base.endswith("/") else f"{base}/") + "/".join(parts)


def name_of(uri: str) -> str:
    """The last part of `uri`."""
    return uri.rstrip("/").rpartition("/")[2]


def relative_to(uri: str, folder: str) -> str:
    """The part of `uri` after `folder`. Raises ValueError if `uri` is not inside it."""
    prefix = folder.rstrip("/") + "/"
    if not uri.startswith(prefix):
        raise ValueError(f"{redact_uri(uri)} is not inside {redact_uri(folder)}")
    return uri.removeprefix(prefix)


def stat_file(uri: str) -> FileStat:
    """Raises FileNotFoundError, or IsADirectoryError for a local path that is not a regular file."""
    if is_local(uri):
        status = local_path(uri).stat()
        if not S_ISREG(status.st_mode):
            raise IsADirectoryError(f"{uri} is not a regular file")
        return FileStat(uri, status.st_size, status.st_mtime)
    return _remote(uri).stat(uri)


def exists(uri: str) -> bool:
    """Whether there is a file; for local paths also whether there is a folder."""
    if is_local(uri):
        return local_path(uri).exists()
    return _remote(uri).exists(uri)


def is_remote_file(uri: str) -> bool:
    """Whether a remote `uri` is a file, not a folder."""
    return _remote(uri).is_file(uri)


def walk_files(folder: str, on_error: Callable[[OSError], None] | None = None) -> Iterator[FileStat]:
    """The regular files under `folder`, at any depth, in any order, one in memory at a time; none if there is no such
    folder.

    Links to files count as files; links to folders are not followed, to avoid loops. `on_error` is called for folders
    that exist but cannot be listed.
    """
    if is_local(folder):
        return _walk(folder.rstrip("/") or "/", on_error)
    return _remote(folder).list_under(folder.rstrip("/") + "/")


def list_files(folder: str, on_error: Callable[[OSError], None] | None = None) -> list[FileStat]:
    """The same in order of their URIs."""
    return sorted(walk_files(folder, on_error), key=lambda stat: stat.uri)


def match_files(pattern: str) -> list[FileStat]:
    """The remote files that match a glob (`*` within a folder, `**` across), in order of their URIs."""
    return sorted(_remote(pattern).match(pattern), key=lambda stat: stat.uri)


@contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    """The raw bytes of `uri`, never decompressed."""
    if is_local(uri):
        with local_path(uri).open("rb") as file:
            yield file
        return
    with _remote(uri).open(uri) as file:
        yield file


def read_bytes(uri: str) -> bytes:
    with open_read(uri) as file:
        return file.read()


def sha256_of(uri: str) -> str:
    """SHA-256 of the bytes of `uri`, in hexadecimal."""
    if is_local(uri):
        with local_path(uri).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for chunk in _remote(uri).chunks(uri):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """A local file with the bytes of `uri`: itself if it is local, else a temporary copy that is removed afterwards."""
    if is_local(uri):
        yield local_path(uri)
        return
    with tempfile.NamedTemporaryFile(prefix="soundseam-") as copy:
        copy.writelines(_remote(uri).chunks(uri))
        copy.flush()
        yield Path(copy.name)


def make_folder(uri: str) -> None:
    """Creates a local folder with its parents; remote ones are created with their files."""
    if is_local(uri):
        local_path(uri).mkdir(parents=True, exist_ok=True)


def scratch_folder(output: str) -> str | None:
    """A folder for files that `publish` will move into `output`: on the same disk if it is local, else None."""
    if not is_local(output):
        return None
    folder = join(output, "_run", "scratch")
    make_folder(folder)
    return str(local_path(folder))


def write_atomically(uri: str, data: bytes) -> str:
    """Writes a file so that a reader sees all of it or nothing. Returns its version; "" for local files."""
    if not is_local(uri):
        return _remote(uri).write(data, uri)
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return ""


def publish(source: Path, uri: str) -> None:
    """Moves the finished local file `source` to `uri` atomically, replacing an existing file."""
    if not is_local(uri):
        _remote(uri).write(source, uri)
        source.unlink()
        return
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(source, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = _temporary_beside(path)
        shutil.copyfile(source, temporary)
        _replace(temporary, path)
        source.unlink()


def delete(uris: Iterable[str]) -> None:
    """Deletes files; missing ones are not an error."""
    remote: list[str] = []
    for uri in uris:
        if is_local(uri):
            local_path(uri).unlink(missing_ok=True)
        else:
            remote.append(uri)
    if remote:
        _remote(remote[0]).delete(remote)


def remove_empty_folders(root: str, folders: Iterable[str]) -> None:
    """Removes empty or missing local `folders` under `root` (paths in it), and their empty parents up to `root`."""
    if not is_local(root):
        return
    for name in folders:
        path = local_path(join(root, name)) if name else local_path(root)
        while path != local_path(root):
            if path.is_dir():
                if any(path.iterdir()):
                    break
                path.rmdir()
            path = path.parent


def _remote(uri: str) -> RemoteFiles:
    """The storage of a remote `uri`."""
    return _of_kind(uri.partition("://")[0].lower() in OBJECT_STORES)


@cache
def _of_kind(is_object_store: bool) -> RemoteFiles:
    if is_object_store:
        from soundseam.pipeline.storage.object_store import ObjectStoreFiles

        return ObjectStoreFiles()
    from soundseam.pipeline.storage.beam_files import BeamFiles

    return BeamFiles()


def _walk(folder: str, on_error: Callable[[OSError], None] | None) -> Iterator[FileStat]:
    def report(error: OSError) -> None:
        if on_error is not None and not isinstance(error, FileNotFoundError):
            on_error(error)

    for parent, _, names in os.walk(local_path(folder), onerror=report):
        for name in names:
            path = Path(parent, name)
            try:
                status = path.stat()
            except OSError:
                continue  # a broken link, or a file deleted since
            if S_ISREG(status.st_mode):
                yield FileStat(
                    join(folder, *path.relative_to(local_path(folder)).parts), status.st_size, status.st_mtime
                )


def _replace(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary_beside(path: Path) -> Path:
    return path.parent / (TEMPORARY_PREFIX + uuid.uuid4().hex)

"""Local and remote files: local paths through the operating system, other URIs through Beam's filesystems.

A URI with a scheme other than `file` is remote; everything else is a local path, whatever its characters. Errors are
OSErrors whose text contains no secret of a URI.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote_to_bytes

from soundseam.pipeline.storage.redact import has_scheme, redact_text, redact_uri

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileSystem
    from apache_beam.options.pipeline_options import PipelineOptions

COPY_BYTES = 8 * 2**20
TEMPORARY_PREFIX = ".tmp-"
"""Prefix of unfinished files: hidden, so that no reader of a table treats them as data."""

_FILE_SCHEME = "file://"


@dataclass(frozen=True)
class FileStat:
    """A file from a listing; `modified_s` is 0 if the filesystem does not provide it."""

    uri: str
    size_bytes: int
    modified_s: float


def use_options(options: PipelineOptions | None) -> None:
    """Passes options such as regions and endpoints, if any, to Beam's filesystems; called once, at launch."""
    if options is None:
        return
    from apache_beam.io.filesystems import FileSystems

    FileSystems.set_options(options)


def is_local(uri: str) -> bool:
    return uri.startswith(_FILE_SCHEME) or not has_scheme(uri)


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
        path = local_path(uri)
        status = path.stat()
        if not path.is_file():
            raise IsADirectoryError(f"{uri} is not a regular file")
        return FileStat(uri, status.st_size, status.st_mtime)
    with _beam(uri) as filesystem:
        if not filesystem.exists(uri):
            raise FileNotFoundError(f"{redact_uri(uri)} does not exist")
        found = filesystem.metadata(uri)
        return FileStat(uri, int(found.size_in_bytes), float(found.last_updated_in_seconds or 0))


def exists(uri: str) -> bool:
    """Whether there is a file; for local paths also whether there is a folder."""
    if is_local(uri):
        return local_path(uri).exists()
    with _beam(uri) as filesystem:
        return bool(filesystem.exists(uri))


def is_remote_file(uri: str) -> bool:
    """Whether a remote `uri` is a file, not a folder."""
    with _beam(uri) as filesystem:
        if not filesystem.exists(uri):
            return False
        return not filesystem.has_dirs() or not filesystem.match([f"{_escaped(uri)}/*"])[0].metadata_list


def list_files(folder: str, on_error: Callable[[OSError], None] | None = None) -> list[FileStat]:
    """The regular files under `folder`, at any depth, in order of their URIs; none if there is no such folder.

    Links to files count as files; links to folders are not followed, to avoid loops. `on_error` is called for folders
    that exist but cannot be listed.
    """
    if is_local(folder):
        return sorted(_walk(folder.rstrip("/") or "/", on_error), key=lambda stat: stat.uri)
    prefix = folder.rstrip("/") + "/"
    return [stat for stat in match_files(_escaped(prefix) + "**") if stat.uri.startswith(prefix)]


def match_files(pattern: str) -> list[FileStat]:
    """The remote files that match a pattern of Beam's (`*` within a folder, `**` across), in order of their URIs."""
    with _beam(pattern) as filesystem:
        found = filesystem.match([pattern])[0].metadata_list
        stats = [
            FileStat(item.path, int(item.size_in_bytes), float(item.last_updated_in_seconds or 0)) for item in found
        ]
        return sorted(stats, key=lambda stat: stat.uri)


@contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    """The raw bytes of `uri`, never decompressed."""
    if is_local(uri):
        with local_path(uri).open("rb") as file:
            yield file
        return
    from apache_beam.io.filesystem import CompressionTypes

    with _beam(uri) as filesystem:
        if not filesystem.exists(uri):
            raise FileNotFoundError(f"{redact_uri(uri)} does not exist")
        with filesystem.open(uri, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            yield cast(BinaryIO, file)


def read_bytes(uri: str) -> bytes:
    with open_read(uri) as file:
        return file.read()


def sha256_of(uri: str) -> str:
    """SHA-256 of the bytes of `uri`, in hexadecimal."""
    digest = hashlib.sha256()
    with open_read(uri) as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """A local file with the bytes of `uri`: itself if it is local, else a temporary copy that is removed afterwards."""
    if is_local(uri):
        yield local_path(uri)
        return
    with tempfile.NamedTemporaryFile(prefix="soundseam-") as copy:
        with open_read(uri) as file:
            shutil.copyfileobj(file, copy, COPY_BYTES)
        copy.flush()
        yield Path(copy.name)


def make_folder(uri: str) -> None:
    """Creates a local folder with its parents; remote ones are created with their files."""
    if is_local(uri):
        local_path(uri).mkdir(parents=True, exist_ok=True)
        return
    with _beam(uri) as filesystem:
        if filesystem.has_dirs() and not filesystem.exists(uri):
            filesystem.mkdirs(uri)


def scratch_folder(output: str) -> str | None:
    """A folder for files that `publish` will move into `output`: on the same disk if it is local, else None."""
    if not is_local(output):
        return None
    folder = join(output, "_run", "scratch")
    make_folder(folder)
    return str(local_path(folder))


def write_atomically(uri: str, data: bytes) -> None:
    """Writes a file under a temporary name beside `uri`, then renames it; a reader sees all of it or nothing."""
    make_folder(_parent_of(uri))
    temporary = _temporary_beside(uri)
    if is_local(uri):
        path = local_path(temporary)
        try:
            with path.open("xb") as file:
                file.write(data)
            _replace(path, local_path(uri))
        finally:
            path.unlink(missing_ok=True)
        return
    with _beam(uri) as filesystem, filesystem.create(temporary) as file:
        file.write(data)
    _rename_remote(temporary, uri)


def publish(source: Path, uri: str) -> None:
    """Moves the finished local file `source` to `uri` atomically, replacing an existing file."""
    make_folder(_parent_of(uri))
    temporary = _temporary_beside(uri)
    if is_local(uri):
        try:
            _replace(source, local_path(uri))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(source, local_path(temporary))
            _replace(local_path(temporary), local_path(uri))
            source.unlink()
        return
    with _beam(uri) as filesystem, filesystem.create(temporary) as target, source.open("rb") as file:
        shutil.copyfileobj(file, target, COPY_BYTES)
    _rename_remote(temporary, uri)
    source.unlink()


def delete(uris: Iterable[str]) -> None:
    """Deletes files; missing ones are not an error."""
    remote: list[str] = []
    for uri in uris:
        if is_local(uri):
            local_path(uri).unlink(missing_ok=True)
        else:
            remote.append(uri)
    for uri in remote:
        with _beam(uri) as filesystem:
            if filesystem.exists(uri):
                filesystem.delete([uri])


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
            if path.is_file():
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


def _parent_of(uri: str) -> str:
    return str(local_path(uri).parent) if is_local(uri) else uri.rpartition("/")[0]


def _temporary_beside(uri: str) -> str:
    return join(_parent_of(uri), TEMPORARY_PREFIX + uuid.uuid4().hex)


def _rename_remote(source: str, target: str) -> None:
    with _beam(target) as filesystem:
        # Filesystems with folders (HDFS) refuse to rename onto a file; object stores replace it.
        if filesystem.has_dirs() and filesystem.exists(target):
            filesystem.delete([target])
        filesystem.rename([source], [target])


def _escaped(literal: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in literal)


@contextmanager
def _beam(uri: str) -> Iterator[FileSystem]:
    """Beam's filesystem for `uri`; its exceptions become OSErrors without secrets."""
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    if FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions([]))  # S3 and HDFS refuse to be used without any
    try:
        filesystem = FileSystems.get_filesystem(uri)
    except ValueError as error:
        scheme = uri.partition("://")[0]
        raise UnsupportedSchemeError(
            f"nothing here reads {scheme}://; install the Beam extra for it, as in pip install 'apache-beam[gcp]' for "
            "gs://, or copy the files to a local folder"
        ) from error
    try:
        yield filesystem
    except BeamIOError as error:
        # Without its cause: a traceback would print the URI with its secrets.
        raise OSError(redact_text(str(error), uri)) from None


class UnsupportedSchemeError(OSError):
    """A URI that no available filesystem can open."""

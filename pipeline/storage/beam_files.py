"""Remote files through Beam's filesystems, such as HDFS."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from soundseam.pipeline.storage.redact import redact_text, redact_uri
from soundseam.pipeline.storage.remote import COPY_BYTES, TEMPORARY_PREFIX, FileStat, UnsupportedSchemeError

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata, FileSystem


class BeamFiles:
    """The files of every filesystem that is registered with Beam."""

    def stat(self, uri: str) -> FileStat:
        with _beam(uri) as filesystem:
            _require(filesystem, uri)
            return _stat_of(filesystem.metadata(uri))

    def exists(self, uri: str) -> bool:
        with _beam(uri) as filesystem:
            return bool(filesystem.exists(uri))

    def is_file(self, uri: str) -> bool:
        with _beam(uri) as filesystem:
            if not filesystem.exists(uri):
                return False
            return not filesystem.has_dirs() or not filesystem.match([f"{_escaped(uri)}/*"])[0].metadata_list

    def list_under(self, folder: str) -> Iterator[FileStat]:
        return (stat for stat in self.match(_escaped(folder) + "**") if stat.uri.startswith(folder))

    def match(self, pattern: str) -> Iterator[FileStat]:
        with _beam(pattern) as filesystem:
            return map(_stat_of, filesystem.match([pattern])[0].metadata_list)

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        from apache_beam.io.filesystem import CompressionTypes

        with _beam(uri) as filesystem:
            _require(filesystem, uri)
            with filesystem.open(uri, compression_type=CompressionTypes.UNCOMPRESSED) as file:
                yield cast(BinaryIO, file)

    def chunks(self, uri: str) -> Iterator[bytes]:
        with self.open(uri) as file:
            while chunk := file.read(COPY_BYTES):
                yield chunk

    def write(self, source: bytes | Path, uri: str) -> str:
        folder = uri.rpartition("/")[0]
        temporary = f"{folder}/{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        with _beam(uri) as filesystem:
            if filesystem.has_dirs() and not filesystem.exists(folder):
                filesystem.mkdirs(folder)
            with filesystem.create(temporary) as target:
                if isinstance(source, Path):
                    with source.open("rb") as file:
                        shutil.copyfileobj(file, target, COPY_BYTES)
                else:
                    target.write(source)
            # Filesystems with folders (HDFS) refuse to rename onto a file; others replace it.
            if filesystem.has_dirs() and filesystem.exists(uri):
                filesystem.delete([uri])
            filesystem.rename([temporary], [uri])
        return ""

    def delete(self, uris: Iterable[str]) -> None:
        for uri in uris:
            with _beam(uri) as filesystem:
                if filesystem.exists(uri):
                    filesystem.delete([uri])


def _require(filesystem: FileSystem, uri: str) -> None:
    if not filesystem.exists(uri):
        raise FileNotFoundError(f"{redact_uri(uri)} does not exist")


def _stat_of(found: FileMetadata) -> FileStat:
    return FileStat(found.path, int(found.size_in_bytes), float(found.last_updated_in_seconds or 0))


def _escaped(literal: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in literal)


@contextmanager
def _beam(uri: str) -> Iterator[FileSystem]:
    """Beam's filesystem for `uri`; its exceptions become OSErrors without secrets."""
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    if FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions([]))  # some filesystems refuse to be used without any
    try:
        filesystem = FileSystems.get_filesystem(uri)
    except ValueError as error:
        scheme = uri.partition("://")[0]
        raise UnsupportedSchemeError(
            f"nothing here reads {scheme}://: use s3://, gs:// or az://, install the Beam extra for it, or copy the "
            "files to a local folder"
        ) from error
    try:
        yield filesystem
    except BeamIOError as error:
        # Without its cause: a traceback would print the URI with its secrets.
        raise OSError(redact_text(str(error), uri)) from None

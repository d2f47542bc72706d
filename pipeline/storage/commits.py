"""Commits: files only become part of a corpus through the marker that lists them.

A commit is one stage over some recordings of one shard. Its files are written under a temporary name, moved to their
table's folder, and then listed in a marker `_run/commits/<stage>/<shard>/<id>.json`, written last and atomically. A run
killed at any point leaves at worst files without a marker, which the next run deletes.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.storage import files, object_cache
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.tables import (
    SCHEMA_FILE,
    FileEntry,
    TableWriter,
    entry_of,
    write_schema_file,
)
from soundseam.pipeline.work import LIST_STAGE
from soundseam.schemas.record import Record, content_key
from soundseam.schemas.recording import PASSING_REASONS, Rejected
from soundseam.schemas.tables import Table, table_schema

RUN_FOLDER = "_run"
DEFAULT_SHARDS = 64
LIST_SHARD = 0
"""Of the commit of a listing."""
LAYOUT_FILE = "layout.json"


class Commit(Record):
    """The content of a marker."""

    stage: str
    shard: int
    covers: tuple[tuple[str, str], ...]
    """(recording_id, key) of every recording that this commit covers, with or without rows, in order."""
    files: tuple[FileEntry, ...]
    filtered: tuple[tuple[str, str], ...] = ()
    """(recording_id, key of the filtered rows) of every recording with filtered rows."""
    passing: tuple[str, ...] = ()
    """recording_ids that lack rows because of temporary faults: a later run tries them again."""

    @property
    def commit_id(self) -> str:
        return content_key([self.stage, self.shard, [list(pair) for pair in self.covers]])

    @property
    def recording_ids(self) -> frozenset[str]:
        return frozenset(recording_id for recording_id, _ in self.covers)

    @property
    def content_keys(self) -> dict[str, str]:
        """recording_id → key of its present rows, which filters change and runs do not use."""
        marks = {name: [key] for name, key in self.filtered}
        for name in self.passing:
            marks[name] = [*marks.get(name, ()), "passing"]
        return {name: content_key([key, *marks[name]]) if name in marks else key for name, key in self.covers}

    def without(self, recording_ids: Collection[str]) -> Commit:
        """This commit without these recordings, not yet written."""
        return self.model_copy(
            update={
                "covers": tuple(pair for pair in self.covers if pair[0] not in recording_ids),
                "filtered": tuple(pair for pair in self.filtered if pair[0] not in recording_ids),
                "passing": tuple(name for name in self.passing if name not in recording_ids),
            }
        )


def shard_of(recording_id: str, shards: int) -> int:
    """The shard of a recording, which depends only on its content."""
    return int(recording_id[:8], 16) % shards


class CommitWriter:
    """Writes the rows of one commit, with one open file per table."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[Table | str, TableWriter] = {}
        self.passing: set[str] = set()
        """Recordings with a row for a temporary fault."""

    def append(self, table: Table | str, row: BaseModel, size_bytes: int = 0) -> None:
        if isinstance(row, Rejected) and row.recording_id and row.reason in PASSING_REASONS:
            self.passing.add(row.recording_id)
        if table not in self._writers:
            self._writers[table] = TableWriter(table, self._folder / f"{table.replace('/', '.')}.parquet")
        self._writers[table].append(row, size_bytes)

    def close(self, stem: str) -> list[tuple[Path, FileEntry]]:
        for writer in self._writers.values():
            writer.__exit__(None, None, None)
        return [(writer.path, entry_of(table, writer.path, stem)) for table, writer in self._writers.items()]


@contextmanager
def new_commit(output: str, commit: Commit) -> Iterator[CommitWriter]:
    """Rows appended inside the block are committed at its end, all together; an exception commits nothing.

    `commit` has no files yet. Local files are written beside their final location, so that moving them is atomic.
    """
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as folder:
        writer = CommitWriter(Path(folder))
        yield writer
        finished = writer.close(f"{commit.shard:04d}-{commit.commit_id}")
        for path, entry in finished:
            if not files.is_local(output):
                object_cache.remember(entry.sha256, path)
            files.publish(path, files.join(output, entry.table, entry.name))
        passing = sorted({*commit.passing, *writer.passing} & commit.recording_ids)
        whole = commit.model_copy(update={"files": tuple(entry for _, entry in finished), "passing": tuple(passing)})
        write_marker(output, whole)


def write_marker(output: str, commit: Commit) -> None:
    """Writes the marker of a commit whose files are in their places."""
    uri, data = marker_uri(output, commit), commit.model_dump_json(indent=1).encode()
    version = files.write_atomically(uri, data)
    if version:
        object_cache.remember(_version_key(uri, version), data)
        _written.setdefault((output, commit.stage, commit.shard), {})[commit.commit_id] = commit


_written: dict[tuple[str, str, int], dict[str, Commit]] = {}
"""(output, stage, shard) → the commits in an object store that this process has written since `forget_written`."""


def forget_written() -> None:
    """To be called before a run, since another process may have replaced commits in the meantime."""
    _written.clear()


def written_commits(output: str, stage: str, shard: int, wanted: Mapping[str, str]) -> list[Commit] | None:
    """The commits of this process, if they cover all `wanted` (recording_id → key), so that nothing has to be listed.

    None if some are unknown.
    """
    known = list(_written.get((output, stage, shard), {}).values())
    covered = {pair for commit in known for pair in commit.covers}
    return known if known and covered >= set(wanted.items()) else None


def exact_commit(output: str, stage: str, shard: int, wanted: Mapping[str, str]) -> list[Commit] | None:
    """The commit of just `wanted` (recording_id → key), as a task leaves it: by its name, without a listing."""
    uri = marker_uri(output, Commit(stage=stage, shard=shard, covers=tuple(wanted.items()), files=()))
    with contextlib.suppress(FileNotFoundError):
        return [_parse_commit(uri, files.read_bytes(uri))]
    return None


@contextmanager
def renewed_commit(output: str, commit: Commit, filtered: Mapping[str, str]) -> Iterator[CommitWriter]:
    """Rewrites the rows of `commit` after filtering; `filtered` is recording_id → key of the filtered rows.

    The new marker replaces the old one, so that either the old rows or the new ones count, whenever the process is
    killed; files that are no longer listed are deleted last.
    """
    fresh = commit.model_copy(update={"files": (), "filtered": tuple(sorted(filtered.items()))})
    with new_commit(output, fresh) as writer:
        yield writer
    uri = marker_uri(output, fresh)
    now = {(entry.table, entry.name) for entry in _parse_commit(uri, files.read_bytes(uri)).files}
    old = [(entry.table, entry.name) for entry in commit.files]
    files.delete([files.join(output, table, name) for table, name in old if (table, name) not in now])


def _stage_folder(output: str, stage: str) -> str:
    return files.join(output, RUN_FOLDER, "commits", stage.replace("/", "."))


def marker_uri(output: str, commit: Commit) -> str:
    return files.join(_stage_folder(output, commit.stage), f"{commit.shard:04d}", f"{commit.commit_id}.json")


def read_commits(output: str, stage: str, shard: int | None = None) -> list[Commit]:
    """The commits of a stage, of one shard or of all, in order of their ids. Raises SetupError for an invalid
    marker.
    """
    return read_stages(output, [stage], shard)[stage]


def read_stages(output: str, stages: Iterable[str], shard: int | None = None) -> dict[str, list[Commit]]:
    """stage → its commits, as `read_commits` gives them."""
    found = {
        stage: [stat for stat in stats if stat.uri.endswith(".json")] for stage, stats in _listed(output, stages, shard)
    }
    with ThreadPoolExecutor(16) as pool:
        return {stage: list(pool.map(_read_commit, stats)) for stage, stats in found.items()}


def read_markers(output: str, stats: Iterable[FileStat]) -> dict[str, list[Commit]]:
    """stage → its commits in order of their ids, from the markers that a listing found."""
    by_stage: dict[str, list[FileStat]] = {}
    for stat in sorted(stats, key=lambda stat: stat.uri):
        by_stage.setdefault(place_of_marker(output, stat.uri)[0], []).append(stat)
    with ThreadPoolExecutor(16) as pool:
        return {stage: list(pool.map(_read_commit, members)) for stage, members in by_stage.items()}


def list_markers(output: str) -> Iterator[FileStat]:
    """All markers, in any order, one in memory at a time."""
    root = files.join(output, RUN_FOLDER, "commits")
    return (stat for stat in files.walk_files(root) if stat.uri.endswith(".json"))


def place_of_marker(output: str, uri: str) -> tuple[str, int]:
    """Stage and shard of a marker, by its folder."""
    stage, shard, _ = files.relative_to(uri, files.join(output, RUN_FOLDER, "commits")).split("/")
    return stage.replace(".", "/"), int(shard)


def _listed(output: str, stages: Iterable[str], shard: int | None) -> Iterator[tuple[str, list[FileStat]]]:
    """The files of each stage in order of their URIs; of all shards in a remote OUT by one listing."""
    folders = {stage: _stage_folder(output, stage) for stage in stages}
    if shard is None and len(folders) > 1 and not files.is_local(output):
        stats = files.list_files(files.join(output, RUN_FOLDER, "commits"))
        for stage, folder in folders.items():
            yield stage, [stat for stat in stats if stat.uri.startswith(f"{folder}/")]
    else:
        for stage, folder in folders.items():
            yield stage, files.list_files(folder if shard is None else files.join(folder, f"{shard:04d}"))


def _read_commit(stat: FileStat) -> Commit:
    if not stat.version:
        return _parse_commit(stat.uri, files.read_bytes(stat.uri))
    key = _version_key(stat.uri, stat.version)
    copy = object_cache.recall(key)
    if copy is not None:
        with copy, contextlib.suppress(ValidationError):
            return Commit.model_validate_json(copy.read())
    data = files.read_bytes(stat.uri)
    object_cache.remember(key, data)
    return _parse_commit(stat.uri, data)


def _parse_commit(uri: str, data: bytes) -> Commit:
    try:
        return Commit.model_validate_json(data)
    except ValidationError as error:
        raise SetupError(
            f"{uri} is not a commit marker of this version: choose another --output, or delete the file to have its "
            "recordings done again"
        ) from error


def _version_key(uri: str, version: str) -> str:
    return f"{uri} {version}"


class Layout(Record):
    """The content of `_run/layout.json`: what must not change while OUT exists."""

    shards: int
    schemas: dict[str, str]
    """table → key of its Arrow schema."""


def read_layout(output: str) -> Layout:
    """The layout with which OUT was created, or would be created now; changes nothing.

    Raises SetupError if OUT holds tables of another schema: that cannot be continued.
    """
    layout_uri = files.join(output, RUN_FOLDER, LAYOUT_FILE)
    schemas = {str(table): content_key(str(table_schema(table))) for table in Table}
    if not files.exists(layout_uri):
        return Layout(shards=DEFAULT_SHARDS, schemas=schemas)
    layout = _parse_layout(layout_uri)
    changed = [table for table, key in schemas.items() if layout.schemas.get(table) != key]
    if changed:
        raise SetupError(
            f"{output} holds tables of another version of Soundseam (columns differ in {', '.join(changed)}): "
            "choose another --output, or continue with the version that wrote it"
        )
    return layout


def prepare_output(output: str) -> int:
    """Creates missing folders and schema files of OUT; returns its number of shards.

    Raises SetupError as `read_layout` does.
    """
    layout = read_layout(output)
    layout_uri = files.join(output, RUN_FOLDER, LAYOUT_FILE)
    is_new = not files.exists(layout_uri)
    if is_new:
        files.write_atomically(layout_uri, layout.model_dump_json(indent=1).encode())
    for table in Table:
        prepare_table(output, table, is_new)
    return layout.shards


def prepare_table(output: str, table: Table | str, is_new: bool = False) -> None:
    """Writes the schema file of a table, which has its columns even without rows; if there is one, only if `is_new`."""
    target = files.join(output, table, SCHEMA_FILE)
    if is_new or not files.exists(target):
        with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as folder:
            write_schema_file(table, Path(folder) / SCHEMA_FILE)
            files.publish(Path(folder) / SCHEMA_FILE, target)


def _parse_layout(uri: str) -> Layout:
    try:
        return Layout.model_validate_json(files.read_bytes(uri))
    except ValidationError as error:
        raise SetupError(f"{uri} is not a layout of this version: choose another --output") from error


def commit_rejection(output: str, commit: Commit, rejected: Iterable[Rejected]) -> None:
    """Commits that `commit`'s recordings gave no rows at its stage except these rejects."""
    with new_commit(output, commit) as writer:
        for row in rejected:
            writer.append(Table.REJECTED, row)


def commit_listing(output: str, inputs: Sequence[str], rejected: Sequence[Rejected]) -> Mapping[str, str]:
    """Commits the rejects of listing `inputs`, replacing those of the last run.

    Returns the argument of `sweep` for the stage `list`. The marker only has a hash of the inputs, which may contain
    secrets.
    """
    listing = f"inputs-{content_key(sorted(inputs))}"
    wanted = {listing: content_key([row.model_dump(mode="json") for row in rejected])}
    commit = Commit(stage=LIST_STAGE, shard=LIST_SHARD, covers=tuple(wanted.items()), files=())
    if not files.exists(marker_uri(output, commit)):
        commit_rejection(output, commit, rejected)
    return wanted


def stages_in(output: str) -> list[str]:
    """The stages that have committed anything, in order of name."""
    root = files.join(output, RUN_FOLDER, "commits")
    folders = {files.relative_to(stat.uri, root).split("/")[0] for stat in files.list_files(root)}
    return sorted(folder.replace(".", "/") for folder in folders)

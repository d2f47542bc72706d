"""The contents of OUT according to its markers: the one reader of committed rows, as dictionaries or records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow.parquet as pq

from soundseam.pipeline.storage import files, object_cache
from soundseam.pipeline.storage.commits import Commit, exact_commit, read_stages, written_commits
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.tables import FileEntry, read_rows
from soundseam.pipeline.work import LIST_STAGE, SEGMENTS_STAGE
from soundseam.schemas.annotation import ANNOTATION_OF, Annotation
from soundseam.schemas.event import Branch
from soundseam.schemas.recording import Recording
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table, arrow_schema

ANNOTATIONS = "annotations/"
"""What the stage of every backend begins with."""
AUDIO = "audio"
SEGMENT_COLUMNS = tuple(arrow_schema(Segment).names)
"""All columns of a segment but its audio."""
_BATCH_ROWS = 32
"""Few rows at once: with audio they are some hundred kB each."""

Row = dict[str, object]
Wanted = Mapping[str, str]
"""recording_id → the key that its rows should have; an empty key takes the rows of the last commit."""


class Damaged(NamedTuple):
    """A committed file that is missing or truncated, and the recordings of its commit."""

    uri: str
    recording_ids: frozenset[str]


class Corpus:
    """The state of OUT according to its markers: which commit covers which recording, stage by stage."""

    def __init__(self, output: str, commits: Mapping[str, Sequence[Commit]], damaged: tuple[Damaged, ...] = ()) -> None:
        self.output = output
        self.commits = commits
        self.damaged = damaged

    @classmethod
    def load(cls, output: str, stages: Iterable[str], shard: int | None = None) -> Corpus:
        """The state of `stages`, of one shard or of all, according to the markers."""
        return cls(output, read_stages(output, stages, shard))

    @classmethod
    def load_for(cls, output: str, wanted: Mapping[str, Wanted], shard: int) -> Corpus:
        """The state of one shard that certainly has the rows of `wanted` (stage → recording_id → key) if they exist."""
        written = {
            stage: written_commits(output, stage, shard, keys) or exact_commit(output, stage, shard, keys)
            for stage, keys in wanted.items()
        }
        unknown = read_stages(output, [stage for stage, commits in written.items() if commits is None], shard)
        return cls(output, {stage: commits or unknown[stage] for stage, commits in written.items()})

    @classmethod
    def load_present(cls, output: str, stages: Iterable[str], shard: int | None = None) -> Corpus:
        """The same without commits whose files are missing or truncated: their recordings must be done again."""
        corpus = cls.load(output, stages, shard)
        listed = (commit for commits in corpus.commits.values() for commit in commits)
        tables = sorted({str(entry.table) for commit in listed for entry in commit.files})
        return corpus.present([stat for table in tables for stat in files.walk_files(files.join(output, table))])

    def present(self, stats: Iterable[FileStat]) -> Corpus:
        """The same state, given the files of the tables."""
        sizes = {files.relative_to(stat.uri, self.output): stat.size_bytes for stat in stats}
        commits: dict[str, list[Commit]] = {}
        damaged: list[Damaged] = []
        for stage, found in self.commits.items():
            commits[stage] = []
            for commit in found:
                bad = [entry for entry in commit.files if sizes.get(f"{entry.table}/{entry.name}") != entry.bytes]
                uris = [files.join(self.output, entry.table, entry.name) for entry in bad]
                damaged += [Damaged(uri, commit.recording_ids) for uri in uris]
                if not bad:
                    commits[stage].append(commit)
        return Corpus(self.output, commits, tuple(damaged))

    def of_stages(self, stages: Iterable[str]) -> Corpus:
        """The state of some stages, in the given order."""
        return Corpus(self.output, {stage: self.commits.get(stage, ()) for stage in stages}, self.damaged)

    def without(self, recordings: Mapping[str, Collection[str]]) -> Corpus:
        """The state as if some `recordings` (stage → recording_ids) had never been committed."""
        return Corpus(
            self.output,
            {
                stage: [commit.without(recordings.get(stage, ())) for commit in commits]
                for stage, commits in self.commits.items()
            },
            self.damaged,
        )

    def shards(self) -> list[int]:
        """Those that have committed anything, in order."""
        return sorted({commit.shard for commits in self.commits.values() for commit in commits})

    def of_shard(self, shard: int) -> Corpus:
        """What one shard committed: all rows of a recording are in one shard. Rows of the listing are in none."""
        return Corpus(
            self.output,
            {
                stage: [commit for commit in commits if commit.shard == shard]
                for stage, commits in self.commits.items()
                if stage != LIST_STAGE
            },
        )

    def keys(self, stage: str) -> dict[str, frozenset[str]]:
        """The keys under which each recording is covered at `stage`; more than one only after a crash."""
        keys: dict[str, frozenset[str]] = {}
        for commit in self.commits.get(stage, ()):
            for recording_id, key in commit.covers:
                keys[recording_id] = keys.get(recording_id, frozenset()) | {key}
        return keys

    def owners(self, stage: str, wanted: Wanted) -> dict[str, Commit]:
        """For each recording the one commit that counts: with the wanted key if there is one, else the last."""
        owners: dict[str, Commit] = {}
        fits: set[str] = set()
        for commit in self.commits.get(stage, ()):
            for recording_id, key in commit.covers:
                if wanted.get(recording_id) == key:
                    owners[recording_id] = commit
                    fits.add(recording_id)
                elif recording_id not in fits:
                    owners[recording_id] = commit
        return owners

    def live(self, stage: str, wanted: Wanted | None = None) -> Iterator[tuple[Commit, frozenset[str]]]:
        """Each commit of `stage` with the recordings whose rows in it count: of all, or of those that are `wanted`."""
        owners = self.owners(stage, wanted or {})
        for commit in self.commits.get(stage, ()):
            mine = (name for name in commit.recording_ids if owners[name] is commit)
            yield commit, frozenset(name for name in mine if wanted is None or name in wanted)

    def rows(
        self,
        table: Table | str,
        columns: Sequence[str] | None = None,
        wanted: Wanted | None = None,
        stage: str | None = None,
    ) -> Iterator[Row]:
        """The rows of `table` that count, in the order of their files, a batch in memory at a time.

        Of all `columns`, or of some and `recording_id`; of all stages, or of one; of all recordings, or of those that
        are `wanted`.
        """
        asked = columns if columns is None or "recording_id" in columns else [*columns, "recording_id"]
        for name in self.commits if stage is None else [stage]:
            for commit, live in self.live(name, wanted):
                for entry in commit.files:
                    if live and entry.table == table:
                        for row in rows_of_file(self.output, entry, asked):
                            # What listing rejects has no recording, or one that another file gave: it counts whole.
                            if name == LIST_STAGE or row["recording_id"] in live:
                                yield row

    def rows_about(self, table: Table | str, segment_ids: Collection[str]) -> Iterator[Row]:
        """The rows of `table` about some segments, a few in memory at a time; other row groups stay unread."""
        for stage in self.commits:
            for commit, live in self.live(stage):
                for entry in commit.files:
                    if live and entry.table == table:
                        rows = _rows_about(files.join(self.output, table, entry.name), entry, segment_ids)
                        yield from (row for row in rows if row["recording_id"] in live)

    def recordings(self, wanted: Wanted | None = None) -> Iterator[Recording]:
        return map(Recording.model_validate, self.rows(Table.RECORDINGS, None, wanted, SEGMENTS_STAGE))

    def segments(self, wanted: Wanted | None = None) -> Iterator[Segment]:
        """Without their audio, in the order in which they are committed."""
        return map(Segment.model_validate, self.rows(Table.SEGMENTS, SEGMENT_COLUMNS, wanted, SEGMENTS_STAGE))

    def segments_with_audio(self, wanted: Wanted | None = None) -> Iterator[tuple[Segment, bytes]]:
        """Each segment with its FLAC file."""
        for row in self.rows(Table.SEGMENTS, [*SEGMENT_COLUMNS, AUDIO], wanted, SEGMENTS_STAGE):
            flac = flac_in(row)
            yield Segment.model_validate({name: row[name] for name in SEGMENT_COLUMNS}), flac

    def annotations(self, wanted: Mapping[str, Wanted]) -> dict[str, tuple[Annotation, ...]]:
        """segment_id → its rows by the stages in `wanted`, in their order."""
        found: dict[str, tuple[Annotation, ...]] = {}
        for stage, recordings in wanted.items():
            branch = Branch(stage.removeprefix(ANNOTATIONS).partition("/")[0])
            for row in self.rows(annotation_table(branch), None, recordings, stage):
                annotation = ANNOTATION_OF[branch].model_validate(row)
                found[annotation.segment_id] = (*found.get(annotation.segment_id, ()), annotation)
        return found


def flac_in(row: Mapping[str, object]) -> bytes:
    """The FLAC file in a row of segments."""
    audio = row[AUDIO]
    if isinstance(audio, Mapping) and isinstance(data := audio.get("bytes"), bytes):
        return data
    raise TypeError("a segment's audio is a struct with the bytes of a FLAC file")


def rows_of_file(output: str, entry: FileEntry, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """All rows of a committed file, whether they count or not, a batch in memory at a time."""
    uri = files.join(output, entry.table, entry.name)
    with _open_committed(uri, entry, whole=columns is None or AUDIO in columns) as file:
        yield from read_rows(file, columns)


@contextmanager
def _open_committed(uri: str, entry: FileEntry, whole: bool) -> Iterator[Path | BinaryIO]:
    """A committed file. A remote one is copied to this machine if it is needed `whole` or small, else read in parts."""
    if files.is_local(uri):
        yield files.local_path(uri)
    elif (copy := object_cache.recall(entry.sha256)) is not None:
        with copy:
            yield copy
    elif whole or entry.bytes <= files.WHOLE_BYTES:
        with files.local_copy(uri) as path:
            object_cache.remember(entry.sha256, path)
            yield path
    else:
        with files.open_read(uri) as file:
            yield file


def _rows_about(uri: str, entry: FileEntry, segment_ids: Collection[str]) -> Iterator[Row]:
    with _open_committed(uri, entry, whole=False) as file, pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            ids = parquet.read_row_group(group, columns=["segment_id"])["segment_id"].to_pylist()
            if not any(name in segment_ids for name in ids):
                continue
            start = 0
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group]):
                places = [at for at in range(batch.num_rows) if ids[start + at] in segment_ids]
                start += batch.num_rows
                yield from batch.take(places).to_pylist() if places else ()

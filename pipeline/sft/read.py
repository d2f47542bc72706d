"""Reads recordings with all their committed rows and their keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.fingerprint_files import segment_files, segments_key
from soundseam.pipeline.dedup.store import DuplicatesMarker, read_duplicates, read_marker
from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import stages_in
from soundseam.pipeline.storage.corpus import ANNOTATIONS, SEGMENT_COLUMNS, Corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Evidence
from soundseam.schemas.duplicate import Duplicate, LeaveOut
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.record import content_key
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import SAMPLES_FOLDER, LongTable, Table


@dataclass(frozen=True)
class Marks:
    """Marks of near-duplicates; recordings and segments without a mark may be missing."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """recording_id → its group of near-duplicates."""
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """recording_id → its segments to leave out."""

    def group_of(self, recording_id: str) -> str:
        return self.groups.get(recording_id, recording_id)

    def left_out_of(self, recording_id: str) -> frozenset[str]:
        return self.left_out.get(recording_id, frozenset())

    def __str__(self) -> str:
        segments = sum(map(len, self.left_out.values()))
        return (
            f"{len(self.groups):,} recordings share near-duplicates with others: each group stays in one split; "
            f"{segments:,} segments are left out"
        )

    def key_of(self, recording_id: str) -> str:
        """Changes with the marks of the recording."""
        return content_key([self.group_of(recording_id), sorted(self.left_out_of(recording_id))])


def read_marks(output: str, groups: str | None, leave_out: Iterable[LeaveOut]) -> Marks:
    """The marks in OUT/duplicates, if any; with groups from the Parquet file `groups` instead, if given.

    Raises SetupError if segments are to be left out, but `dedup` has not looked for them.
    """
    chosen = frozenset(leave_out)
    marker = read_marker(output)
    _check_looked_for(output, marker, chosen)
    found: dict[str, str] = {}
    left_out: dict[str, set[str]] = {}
    for row in read_duplicates(output):
        if row.group is not None:
            found[row.recording_id] = row.group
        if _is_left_out(row, chosen):
            left_out.setdefault(row.recording_id, set()).add(row.segment_id)
    return Marks(
        read_groups(groups) if groups else found,
        {recording_id: frozenset(segments) for recording_id, segments in left_out.items()},
    )


def are_outdated(output: str) -> bool:
    """Whether the corpus has changed since `dedup` ran."""
    marker = read_marker(output)
    if marker is None:
        return False
    return marker.segments_key != segments_key(segment_files(Corpus.load_present(output, [SEGMENTS_STAGE])))


def read_groups(uri: str) -> dict[str, str]:
    """Groups of near-duplicates from a Parquet file with columns recording_id and group."""
    try:
        with files.local_copy(uri) as path:
            table = pq.read_table(path, columns=["recording_id", "group"])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise SetupError(f"{uri} is not a Parquet file with columns recording_id and group: {error}") from error
    return {row["recording_id"]: row["group"] for row in table.to_pylist() if row["group"] is not None}


def _check_looked_for(output: str, marker: DuplicatesMarker | None, chosen: frozenset[LeaveOut]) -> None:
    if chosen and marker is None:
        raise SetupError(f"{output} has no marks of duplicates: run soundseam dedup {output} first")
    if LeaveOut.EVALUATION in chosen and marker is not None and not marker.against:
        raise SetupError(
            f"{output} was not compared with an evaluation set: run soundseam dedup {output} --against SET first"
        )


def _is_left_out(row: Duplicate, chosen: frozenset[LeaveOut]) -> bool:
    is_copy = LeaveOut.COPIES in chosen and not row.first
    return is_copy or (LeaveOut.EVALUATION in chosen and row.evaluation is not None)


def require_samples(output: str) -> None:
    """Raises SetupError if no samples were built."""
    if not any(stage.startswith(f"{SAMPLES_FOLDER}/") for stage in stages_in(output)):
        raise SetupError(f"{output} holds no samples: build them with soundseam sft {output}")


def source_stages(output: str) -> tuple[str, ...]:
    """The stages whose rows are used for samples, in order of name."""
    return tuple(
        stage
        for stage in stages_in(output)
        if stage in {SEGMENTS_STAGE, CAPTIONS_STAGE} or stage.startswith(ANNOTATIONS)
    )


def upstream_keys(corpus: Corpus) -> dict[str, str]:
    """recording_id → key of all its rows, for recordings with segments."""
    bears: dict[str, list[list[str]]] = {}
    for stage in sorted(corpus.commits):
        owners = corpus.owners(stage, {})
        keys = {id(commit): commit.content_keys for commit in corpus.commits[stage]}
        for recording_id, commit in owners.items():
            bears.setdefault(recording_id, []).append([stage, keys[id(commit)][recording_id]])
    return {
        recording_id: content_key(pairs)
        for recording_id, pairs in bears.items()
        if any(stage == SEGMENTS_STAGE for stage, _ in pairs)
    }


def long_keys(corpus: Corpus) -> dict[str, str]:
    """recording_id → key of its rows in the tables that `soundseam long` makes."""
    found: dict[str, list[str]] = {}
    for stage in LongTable:
        keys = {id(commit): commit.content_keys for commit in corpus.commits.get(stage, ())}
        for recording_id, commit in corpus.owners(stage, {}).items():
            found.setdefault(recording_id, []).append(keys[id(commit)][recording_id])
    return {recording_id: content_key(keys) for recording_id, keys in found.items()}


def read_recordings(output: str, shard: int, recording_ids: Collection[str]) -> list[RecordingMaterial]:
    """All committed rows of some recordings of one shard, without audio, in order of id."""
    corpus = Corpus.load(output, (*source_stages(output), *LongTable), shard)
    wanted = dict.fromkeys(recording_ids, "")
    recordings = {recording.recording_id: recording for recording in corpus.recordings(wanted)}
    annotations = corpus.annotations(
        {stage: wanted for stage in sorted(corpus.commits) if stage.startswith(ANNOTATIONS)}
    )
    captions, filtered = (_captions(corpus, table, wanted) for table in (Table.CAPTIONS, Table.FILTERED))
    windows = _windows(corpus, wanted)
    long_captions = {
        str(row["recording_id"]): RecordingCaption.model_validate(row)
        for row in corpus.rows(LongTable.RECORDING_CAPTIONS, None, wanted)
    }
    segments: dict[str, list[Segment]] = {recording_id: [] for recording_id in sorted(recording_ids)}
    for segment in corpus.segments(wanted):
        segments[segment.recording_id].append(segment)
    return [
        RecordingMaterial(
            recording_id,
            recordings.get(recording_id),
            tuple(
                Material(
                    segment,
                    annotations.get(segment.segment_id, ()),
                    captions.get(segment.segment_id),
                    filtered.get(segment.segment_id),
                )
                for segment in sorted(members, key=attrgetter("segment_id"))
            ),
            windows.get(recording_id, ()),
            long_captions.get(recording_id),
        )
        for recording_id, members in segments.items()
    ]


def _windows(corpus: Corpus, wanted: Mapping[str, str]) -> dict[str, tuple[Window, ...]]:
    """recording_id → its windows, in order."""
    found: dict[str, list[Window]] = {}
    for row in corpus.rows(LongTable.WINDOWS, None, wanted):
        window = Window.model_validate(row)
        found.setdefault(window.recording_id, []).append(window)
    return {name: tuple(sorted(members, key=attrgetter("window_id"))) for name, members in found.items()}


def _captions(corpus: Corpus, table: Table, wanted: Mapping[str, str]) -> dict[str, Caption]:
    """segment_id → its caption in `table`."""
    return {str(row["segment_id"]): Caption.model_validate(row) for row in corpus.rows(table, None, wanted)}


RowKey = tuple[str, str, str | None]
"""(table, segment_id, backend); no backend for segments and captions.

Windows have their window_id, recordings' captions their recording_id instead of the segment_id.
"""


@dataclass(frozen=True)
class Tables:
    """Rows of the corpus, without audio."""

    rows: Mapping[RowKey, Mapping[str, Any]]

    @cached_property
    def by_segment(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for (table, segment_id, _), row in self.rows.items():
            if table in set(LongTable):
                continue
            found.setdefault(segment_id, []).append(row)
        return found

    def filled(self) -> Iterator[str]:
        """TABLE:FIELD of every field of a row that has a value."""
        for (table, _, _), row in self.rows.items():
            yield from (f"{table}:{field}" for field, value in row.items() if value not in (None, [], ""))

    def value(self, evidence: Evidence) -> Any:
        """The value that evidence is about, as it is now. Raises LookupError if there is none."""
        return _at(self.rows[evidence.table, evidence.segment_id, evidence.backend], evidence.field.split("."))


def tables_of(corpus: Corpus) -> Tables:
    """All rows of a corpus, or of one of its shards, that samples are made from."""
    rows: dict[RowKey, Mapping[str, Any]] = {}
    for row in corpus.rows(Table.SEGMENTS, SEGMENT_COLUMNS, stage=SEGMENTS_STAGE):
        rows[str(Table.SEGMENTS), str(row["segment_id"]), None] = row
    for row in corpus.rows(Table.CAPTIONS):
        rows[str(Table.CAPTIONS), str(row["segment_id"]), None] = row
    for long_table, key in ((LongTable.WINDOWS, "window_id"), (LongTable.RECORDING_CAPTIONS, "recording_id")):
        for row in corpus.rows(long_table):
            rows[str(long_table), str(row[key]), None] = row
    for table in {stage.rpartition("/")[0] for stage in corpus.commits if stage.startswith(ANNOTATIONS)}:
        for row in corpus.rows(table):
            rows[table, str(row["segment_id"]), str(row["backend"])] = row
    return Tables(rows)


def _at(value: Any, path: Sequence[str]) -> Any:
    if not path:
        return value
    if value is None:
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        if path[0] == "*":
            return [_at(element, path[1:]) for element in value]
        return _at(value[int(path[0])], path[1:])
    return _at(value[path[0]], path[1:])

"""What `soundseam dedup` has marked, as samples heed it: groups that stay together, segments that are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.segment_fingerprints import segment_files, segments_key
from pipeline.dedup.store import DuplicatesMarker, read_duplicates, read_marker
from pipeline.errors import SetupError
from pipeline.storage import files
from pipeline.storage.commits import Corpus
from pipeline.work import SEGMENTS_STAGE
from schemas.duplicate import Duplicate, LeaveOut
from schemas.record import content_key


@dataclass(frozen=True)
class Marks:
    """Recordings and segments that are not marked need not be named."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """recording_id → the group of near-duplicates it belongs to."""
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """recording_id → those of its segments of which no sample is made."""

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
        """Changes with whatever is marked of the recording."""
        return content_key([self.group_of(recording_id), sorted(self.left_out_of(recording_id))])


def read_marks(output: str, groups: str | None, leave_out: Iterable[LeaveOut]) -> Marks:
    """The marks of OUT/duplicates, where there are any; groups from the Parquet file `groups` instead, if it is named.

    Raises SetupError for what is to be left out without having been looked for.
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
    """Whether the corpus has changed since duplicates were looked for."""
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
        raise SetupError(f"{uri} is no Parquet file with columns recording_id and group: {error}") from error
    return {row["recording_id"]: row["group"] for row in table.to_pylist() if row["group"] is not None}


def _check_looked_for(output: str, marker: DuplicatesMarker | None, chosen: frozenset[LeaveOut]) -> None:
    if chosen and marker is None:
        raise SetupError(f"duplicates were not looked for in {output}: soundseam dedup {output} marks them")
    if LeaveOut.EVALUATION in chosen and marker is not None and not marker.against:
        raise SetupError(
            f"{output} was compared with no evaluation set: soundseam dedup {output} --against SET marks what it has"
        )


def _is_left_out(row: Duplicate, chosen: frozenset[LeaveOut]) -> bool:
    is_copy = LeaveOut.COPIES in chosen and not row.first
    return is_copy or (LeaveOut.EVALUATION in chosen and row.evaluation is not None)

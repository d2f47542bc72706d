"""The captions of a corpus, including those filtered before, shard by shard: the input of the filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from soundseam.pipeline.stages.annotate import SEGMENT_COLUMNS
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import Commit, Corpus
from soundseam.pipeline.storage.tables import read_rows
from soundseam.pipeline.work import CAPTIONS_STAGE, FILTER_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

HOLDING = (Table.CAPTIONS, Table.FILTERED)
"""The tables with captions, kept and filtered ones."""


class CaptionText(NamedTuple):
    """A caption without its claims."""

    segment_id: str
    recording_id: str
    text: str


@dataclass(frozen=True)
class HeldCommit:
    """The content of one commit. Dead recordings, which another commit covers, are not decided on."""

    output: str
    commit: Commit
    live: frozenset[str]

    def captions(self) -> list[Caption]:
        """All captions, filtered or not, in order of segment."""
        rows = (row for table in HOLDING for row in self._rows(table))
        return sorted(map(Caption.model_validate, rows), key=attrgetter("segment_id"))

    def told(self) -> dict[Table, list[CaptionText]]:
        """The same without their claims, by table."""
        return {
            table: [
                CaptionText(str(row["segment_id"]), str(row["recording_id"]), str(row["caption"]))
                for row in self._rows(table, ("segment_id", "recording_id", "caption"))
            ]
            for table in HOLDING
        }

    def rejected(self) -> tuple[list[Rejected], list[Rejected]]:
        """The rejects of the stage captions, in its order, and those of the filters."""
        rows = [Rejected.model_validate(row) for row in self._rows(Table.REJECTED)]
        return [row for row in rows if row.stage != FILTER_STAGE], [row for row in rows if row.stage == FILTER_STAGE]

    def _rows(self, table: Table, columns: Sequence[str] | None = None) -> Iterator[Mapping[str, object]]:
        for entry in self.commit.files:
            if entry.table == table:
                with files.local_copy(files.join(self.output, table, entry.name)) as path:
                    yield from read_rows(path, columns)


def shards_of(corpus: Corpus) -> list[int]:
    return sorted({commit.shard for commit in corpus.commits[CAPTIONS_STAGE]})


def commits_of(corpus: Corpus, shard: int) -> list[HeldCommit]:
    """The commits of one shard's captions."""
    owners = corpus.owners(CAPTIONS_STAGE, {})
    return [
        HeldCommit(corpus.output, commit, frozenset(name for name in commit.recording_ids if owners[name] is commit))
        for commit in corpus.commits[CAPTIONS_STAGE]
        if commit.shard == shard
    ]


def segments_of(output: str, shard: int, held: Iterable[HeldCommit]) -> dict[str, Segment]:
    """segment_id → segment, without audio, of the live recordings in `held`."""
    wanted = {name: "" for one in held for name in one.live}
    corpus = Corpus.load(output, [SEGMENTS_STAGE], shard)
    rows = corpus.rows(SEGMENTS_STAGE, Table.SEGMENTS, wanted, SEGMENT_COLUMNS)
    return {segment.segment_id: segment for segment in map(Segment.model_validate, rows)}

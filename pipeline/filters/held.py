"""The captions of a corpus with what was filtered before, shard by shard: what filters decide about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from pipeline.annotate import SEGMENT_COLUMNS
from pipeline.storage import files
from pipeline.storage.commits import Commit, Corpus
from pipeline.storage.tables import read_rows
from pipeline.work import CAPTIONS_STAGE, FILTER_STAGE, SEGMENTS_STAGE
from schemas.caption import Caption
from schemas.rejected import Rejected
from schemas.segment import Segment
from schemas.tables import Table


@dataclass(frozen=True)
class HeldCommit:
    """One commit's rows, in order of segment; of dead recordings, which another commit covers, nothing is decided."""

    commit: Commit
    live: frozenset[str]
    captions: tuple[Caption, ...]
    """All of them, whether they are filtered now or not."""
    filtered: frozenset[str]
    """segment_ids of those that are."""
    rejected: tuple[Rejected, ...]
    """What the stage captions itself rejected, in its order."""
    filter_rejected: tuple[Rejected, ...]

    def live_captions(self) -> Iterator[Caption]:
        return (caption for caption in self.captions if caption.recording_id in self.live)


def shards_of(corpus: Corpus) -> list[int]:
    return sorted({commit.shard for commit in corpus.commits[CAPTIONS_STAGE]})


def read_shard(corpus: Corpus, shard: int) -> list[HeldCommit]:
    """The commits of one shard's captions: as much as is in memory at a time."""
    owners = corpus.owners(CAPTIONS_STAGE, {})
    return [
        _read(corpus.output, commit, frozenset(name for name in commit.recording_ids if owners[name] is commit))
        for commit in corpus.commits[CAPTIONS_STAGE]
        if commit.shard == shard
    ]


def read_segments_of(output: str, shard: int, held: Iterable[HeldCommit]) -> dict[str, Segment]:
    """segment_id → segment, without audio, of the live recordings in `held`."""
    wanted = {name: "" for one in held for name in one.live}
    corpus = Corpus.load(output, [SEGMENTS_STAGE], shard)
    rows = corpus.rows(SEGMENTS_STAGE, Table.SEGMENTS, wanted, SEGMENT_COLUMNS)
    return {segment.segment_id: segment for segment in map(Segment.model_validate, rows)}


def _read(output: str, commit: Commit, live: frozenset[str]) -> HeldCommit:
    rows = {table: list(_rows(output, commit, table)) for table in (Table.CAPTIONS, Table.FILTERED, Table.REJECTED)}
    kept, filtered = (list(map(Caption.model_validate, rows[table])) for table in (Table.CAPTIONS, Table.FILTERED))
    rejected = list(map(Rejected.model_validate, rows[Table.REJECTED]))
    return HeldCommit(
        commit=commit,
        live=live,
        captions=tuple(sorted((*kept, *filtered), key=attrgetter("segment_id"))),
        filtered=frozenset(caption.segment_id for caption in filtered),
        rejected=tuple(row for row in rejected if row.stage != FILTER_STAGE),
        filter_rejected=tuple(row for row in rejected if row.stage == FILTER_STAGE),
    )


def _rows(output: str, commit: Commit, table: Table) -> Iterator[Mapping[str, object]]:
    for entry in commit.files:
        if entry.table == table:
            with files.local_copy(files.join(output, table, entry.name)) as path:
                yield from read_rows(path)

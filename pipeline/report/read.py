"""Committed rows, shard by shard, and of these only the wanted ones: audio that is not shown is not read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

import pyarrow.parquet as pq

from pipeline.storage import files
from pipeline.storage.commits import Corpus
from pipeline.work import LIST_STAGE
from schemas.tables import Table

BATCH_ROWS = 32
"""Few rows at once: with audio they are some hundred kB each."""

Row = Mapping[str, object]


def shards_of(corpus: Corpus) -> list[int]:
    return sorted({commit.shard for commits in corpus.commits.values() for commit in commits})


def shard_corpus(corpus: Corpus, shard: int) -> Corpus:
    """What of `corpus` one shard committed: all rows of a recording are in one shard."""
    return Corpus(
        corpus.output,
        {
            stage: [commit for commit in commits if commit.shard == shard]
            for stage, commits in corpus.commits.items()
            if stage != LIST_STAGE
        },
    )


def segment_rows(corpus: Corpus, table: Table, segment_ids: Collection[str]) -> Iterator[Row]:
    """The committed rows of `table` about `segment_ids`, a few in memory at a time; other row groups stay unread."""
    for stage, commits in corpus.commits.items():
        owners = corpus.owners(stage, {})
        for commit in commits:
            live = {name for name in commit.recording_ids if owners[name] is commit}
            for entry in commit.files:
                if live and entry.table == table:
                    with files.open_read(files.join(corpus.output, table, entry.name)) as file:
                        rows = _wanted_rows(file, segment_ids)
                        yield from (row for row in rows if row["recording_id"] in live)


def _wanted_rows(file: BinaryIO, segment_ids: Collection[str]) -> Iterator[Row]:
    with pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            ids = parquet.read_row_group(group, columns=["segment_id"])["segment_id"].to_pylist()
            if not any(name in segment_ids for name in ids):
                continue
            start = 0
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
                places = [at for at in range(batch.num_rows) if ids[start + at] in segment_ids]
                start += batch.num_rows
                yield from batch.take(places).to_pylist() if places else ()

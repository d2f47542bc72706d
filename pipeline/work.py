"""What is to be done, as data: it travels to workers, on one machine or many."""

from __future__ import annotations

from schemas.record import Record
from schemas.source import Source


class StageWork(Record):
    """The recordings of a shard that one stage still has to do, each with the key its rows will bear."""

    stage: str
    """segments, annotations/<branch>/<backend> or captions."""
    keys: tuple[tuple[str, str], ...]
    """(recording_id, key), in order of recording_id."""


class ShardWork(Record):
    """Some recordings of one shard and, stage by stage, what of them is left to do: one task, one commit a stage."""

    shard: int
    sources: tuple[Source, ...]
    stages: tuple[StageWork, ...]

    @property
    def size_bytes(self) -> int:
        return sum(source.size_bytes for source in self.sources)

"""Tasks as data: sent to workers, on one machine or many."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from soundseam.schemas.record import Record, content_key
from soundseam.schemas.recording import Source
from soundseam.schemas.segment import Segment

SEGMENTS_STAGE = "segments"
CAPTIONS_STAGE = "captions"
LIST_STAGE = "list"
LEFT_OUT = "left_out_by_suffix"
"""Reason of the row for all files of a folder without an audio suffix."""
FILTER_STAGE = "filter"
"""The stage in rejects of filters; it has no commits of its own."""


class StageTask(Record):
    """The recordings of a shard that one stage still has to process, each with the key of its rows."""

    stage: str
    """segments, annotations/<branch>/<backend> or captions."""
    keys: tuple[tuple[str, str], ...]
    """(recording_id, key), in order of recording_id."""

    @property
    def recording_ids(self) -> frozenset[str]:
        return frozenset(recording_id for recording_id, _ in self.keys)


class Portion(Record):
    """Consecutive segments of a recording: part `number` (from 0) of `total` with equally many."""

    number: int
    total: int

    def of(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        count = len(segments)
        return segments[count * self.number // self.total : count * (self.number + 1) // self.total]


class ShardTask(Record):
    """Some recordings of one shard with the work left, stage by stage: one task gives one commit per stage."""

    shard: int
    sources: tuple[Source, ...]
    stages: tuple[StageTask, ...]
    portion: Portion | None = None
    """If given, the only recording's segments are annotated in part, and nothing is committed."""

    def __reduce__(self) -> tuple[Callable[[bytes], ShardTask], tuple[bytes]]:
        """Packed: tasks go from stage to stage, and millions of recordings are in them."""
        return _unpacked, (zlib.compress(self.model_dump_json().encode(), 1),)

    @property
    def work_id(self) -> str:
        return content_key([self.shard, [source.recording_id for source in self.sources]])

    @property
    def size_bytes(self) -> int:
        return sum(source.size_bytes for source in self.sources)

    def at(self, stage: str) -> StageTask | None:
        """The work left at `stage`; None if there is none."""
        return next((work for work in self.stages if work.stage == stage), None)

    def only(self, recording_ids: frozenset[str]) -> ShardTask:
        """The same task for some of the recordings."""
        stages = (
            StageTask(stage=work.stage, keys=tuple(pair for pair in work.keys if pair[0] in recording_ids))
            for work in self.stages
        )
        return ShardTask(
            shard=self.shard,
            sources=tuple(source for source in self.sources if source.recording_id in recording_ids),
            stages=tuple(work for work in stages if work.keys),
            portion=self.portion,
        )


def _unpacked(data: bytes) -> ShardTask:
    return ShardTask.model_validate_json(zlib.decompress(data))

"""What a run would do, stage by stage, before it does anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.config import RunConfig
from pipeline.keys import wanted_keys
from pipeline.storage.commits import Corpus, shard_of
from pipeline.work import ShardWork, StageWork
from schemas.record import Record
from schemas.source import Source

WORK_RECORDINGS = 200
WORK_BYTES = 256 * 2**20
"""A task ends at whichever comes first: what a killed worker loses at most."""


class StagePlan(Record):
    """How much of one stage is left."""

    stage: str
    todo: int
    """Recordings to do."""
    done: int
    """Recordings whose rows are there already, under the same key."""
    changed: int
    """Recordings among `todo` that have rows under another key: the configuration or the manifest has changed."""


class Plan(Record):
    """All that is left to do, as tasks, and why."""

    stages: tuple[StagePlan, ...]
    works: tuple[ShardWork, ...]
    kept: int
    """Recordings in OUT from earlier runs that are not among the inputs now; their rows stay."""

    @property
    def recordings(self) -> int:
        return sum(len(work.sources) for work in self.works)

    @property
    def is_empty(self) -> bool:
        return not self.works


def plan_run(sources: Sequence[Source], config: RunConfig, corpus: Corpus, shards: int) -> Plan:
    """Holds what `config` wants of `sources` against what `corpus` has committed."""
    wanted = wanted_keys(config, sources)
    stages, missing = [], {}
    for stage, keys in wanted.items():
        have = corpus.keys(stage)
        todo = {recording_id for recording_id, key in keys.items() if key not in have.get(recording_id, frozenset())}
        missing[stage] = todo
        stages.append(
            StagePlan(stage=stage, todo=len(todo), done=len(keys) - len(todo), changed=len(todo & have.keys()))
        )
    listed = {source.recording_id for source in sources}
    kept = {recording_id for stage in wanted for recording_id in corpus.keys(stage)} - listed
    return Plan(stages=tuple(stages), works=_works(sources, wanted, missing, shards), kept=len(kept))


def _works(
    sources: Sequence[Source],
    wanted: Mapping[str, Mapping[str, str]],
    missing: Mapping[str, set[str]],
    shards: int,
) -> tuple[ShardWork, ...]:
    left = set().union(*missing.values())
    by_shard: dict[int, list[Source]] = {}
    for source in sorted(sources, key=lambda source: source.recording_id):
        if source.recording_id in left:
            by_shard.setdefault(shard_of(source.recording_id, shards), []).append(source)
    return tuple(
        ShardWork(
            shard=shard,
            sources=tuple(chunk),
            stages=tuple(
                StageWork(stage=stage, keys=keys)
                for stage in wanted
                if (keys := _keys(chunk, wanted[stage], missing[stage]))
            ),
        )
        for shard, members in sorted(by_shard.items())
        for chunk in _chunks(members)
    )


def _keys(sources: Sequence[Source], keys: Mapping[str, str], missing: set[str]) -> tuple[tuple[str, str], ...]:
    ids = (source.recording_id for source in sources)
    return tuple((recording_id, keys[recording_id]) for recording_id in ids if recording_id in missing)


def _chunks(sources: Sequence[Source]) -> list[list[Source]]:
    chunks: list[list[Source]] = []
    size = 0
    for source in sources:
        if not chunks or len(chunks[-1]) >= WORK_RECORDINGS or size + source.size_bytes > WORK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(source)
        size += source.size_bytes
    return chunks

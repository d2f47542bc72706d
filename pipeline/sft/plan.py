"""What of the samples is left to build, as shard works."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from soundseam.pipeline.plan import Plan, StagePlan
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.read import Marks, upstream_keys
from soundseam.pipeline.sft.tasks import AnyTask
from soundseam.pipeline.storage.commits import Commit, Corpus, shard_of
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardWork, StageWork
from soundseam.schemas.record import content_key
from soundseam.schemas.recording import Source
from soundseam.schemas.tables import SAMPLES_FOLDER

WORK_SEGMENTS = 20_000
"""About so many segments' rows, without audio, are in a worker's memory at a time."""


def sft_stage(task: str) -> str:
    """The stage of a task, which is its table's name too."""
    return f"{SAMPLES_FOLDER}/{task}"


def sft_keys(task: AnyTask, config: SftConfig, upstream: Mapping[str, str], marks: Marks) -> dict[str, str]:
    """recording_id → the key that its samples of `task` bear."""
    task_key = config.task_key(task)
    return {
        recording_id: content_key([task_key, key, marks.key_of(recording_id)]) for recording_id, key in upstream.items()
    }


def plan_sft(corpus: Corpus, built: Corpus, config: SftConfig, shards: int, marks: Marks) -> Plan:
    """Holds what `config` wants of the rows in `corpus` against the samples in `built`."""
    upstream = upstream_keys(corpus)
    wanted = {sft_stage(task.task): sft_keys(task, config, upstream, marks) for task in config.tasks}
    stages, missing = [], {}
    for stage, keys in wanted.items():
        have = built.keys(stage)
        todo = {name for name, key in keys.items() if key not in have.get(name, frozenset())}
        missing[stage] = todo
        stages.append(
            StagePlan(stage=stage, todo=len(todo), done=len(keys) - len(todo), changed=len(todo & have.keys()))
        )
    left = set().union(*missing.values())
    works = tuple(
        ShardWork(
            shard=shard,
            sources=tuple(_source(recording_id, segments) for recording_id, segments in chunk),
            stages=tuple(
                StageWork(stage=stage, keys=pairs)
                for stage, keys in wanted.items()
                if (pairs := tuple((name, keys[name]) for name, _ in chunk if name in missing[stage]))
            ),
        )
        for shard, chunk in _chunks(corpus, left, shards)
    )
    return Plan(stages=tuple(stages), works=works, kept=0)


def _chunks(corpus: Corpus, left: set[str], shards: int) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """(shard, recordings with their number of segments, about), so that one task reads few files."""
    for commit in sorted(corpus.commits[SEGMENTS_STAGE], key=lambda commit: (commit.shard, commit.commit_id)):
        mine = [name for name, _ in commit.covers if name in left and shard_of(name, shards) == commit.shard]
        each = _segments_of(commit) // max(len(commit.covers), 1) + 1
        at_once = max(1, WORK_SEGMENTS // each)
        for start in range(0, len(mine), at_once):
            yield commit.shard, [(name, each) for name in mine[start : start + at_once]]
        left = left - set(mine)


def _segments_of(commit: Commit) -> int:
    return sum(entry.rows for entry in commit.files if entry.table == SEGMENTS_STAGE)


def _source(recording_id: str, segments: int) -> Source:
    # Works are laid out by size: a segment's rows are about this long.
    return Source(uri="", source_uri=recording_id, recording_id=recording_id, size_bytes=segments * 4096)

"""Plans the samples that are left to build, as shard tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from soundseam.pipeline.plan import Plan, StagePlan
from soundseam.pipeline.sft.ask import LongTask
from soundseam.pipeline.sft.balance import Asked, Balance, asked_of, held_out_below, thresholds_of
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.read import Marks, long_keys, upstream_keys
from soundseam.pipeline.sft.tasks import AnyTask
from soundseam.pipeline.storage.commits import Commit, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask, StageTask
from soundseam.schemas.record import content_key
from soundseam.schemas.recording import Source
from soundseam.schemas.sample import AnswerSpec
from soundseam.schemas.tables import SAMPLES_FOLDER, THINNED_FOLDER, LongTable, Table

WORK_SEGMENTS = 20_000
"""Approximate number of segments whose rows, without audio, are in a worker's memory at a time."""


def sft_stage(task: str) -> str:
    """The stage of a task, which is also its table's name."""
    return f"{SAMPLES_FOLDER}/{task}"


def thinned_table(task: str) -> str:
    """The table of the samples that balance leaves out."""
    return f"{THINNED_FOLDER}/{task}"


@dataclass(frozen=True)
class Decided:
    """The decisions about each recording from all samples: its side of the split, and its thinned samples."""

    balance: Balance
    thinned: Mapping[str, Mapping[str, str]]
    """task → recording_id → key of its thinned samples; only if there are any."""
    long: Mapping[str, str] = field(default_factory=dict)
    """recording_id → key of its windows and its caption."""


def decide(corpus: Corpus, config: SftConfig, marks: Marks) -> Decided:
    """From the samples that are committed for `corpus`, remaining and thinned ones alike."""
    rows = corpus.rows(Table.RECORDINGS, ["recording_id", "segment_count"])
    segments = {str(row["recording_id"]): int(str(row["segment_count"])) for row in rows}
    groups = {name: marks.group_of(name) for name in segments}
    below = held_out_below(segments, groups, config.seed, config.validation_share, config.validation_recordings)
    asked = list(_asked(corpus.output, config))
    balance = Balance(config.seed, below, thresholds_of(asked, config.seed, config.max_guessed, config.max_refusals))
    left_out: dict[tuple[str, str], list[str]] = {}
    for one in asked:
        if not balance.keeps(one):
            left_out.setdefault((one.task, one.recording_id), []).append(one.sample_id)
    thinned: dict[str, dict[str, str]] = {}
    for (task, recording_id), ids in left_out.items():
        thinned.setdefault(task, {})[recording_id] = content_key(sorted(ids))
    return Decided(balance, thinned, long_keys(Corpus.load_present(corpus.output, LongTable)))


def _asked(output: str, config: SftConfig) -> Iterator[Asked]:
    columns = ["recording_id", "sample_id", "task", "kind", "topic", "language", "answer_spec"]
    for task in config.tasks:
        built = Corpus.load_present(output, [sft_stage(task.task)])
        for table in (sft_stage(task.task), thinned_table(task.task)):
            for row in built.rows(table, columns):
                yield asked_of(str(row["sample_id"]), row, AnswerSpec.model_validate(row["answer_spec"]))


def sft_keys(
    task: AnyTask, config: SftConfig, upstream: Mapping[str, str], marks: Marks, decided: Decided
) -> dict[str, str]:
    """recording_id → the key of its samples of `task`."""
    task_key, thinned = config.task_key(task), decided.thinned.get(task.task, {})
    return {
        name: content_key(
            [
                task_key,
                key,
                marks.key_of(name),
                decided.balance.split_of(marks.group_of(name)),
                thinned.get(name, ""),
                *([decided.long.get(name, "")] if isinstance(task, LongTask) else ()),
            ]
        )
        for name, key in upstream.items()
    }


def wanted_keys(
    upstream: Mapping[str, str], config: SftConfig, marks: Marks, decided: Decided
) -> dict[str, dict[str, str]]:
    """stage → recording_id → the key of its samples, of every task."""
    return {sft_stage(task.task): sft_keys(task, config, upstream, marks, decided) for task in config.tasks}


def plan_sft(corpus: Corpus, built: Corpus, config: SftConfig, shards: int, marks: Marks, decided: Decided) -> Plan:
    """Compares what `config` needs for the rows in `corpus` with the samples in `built`."""
    return plan_derived(corpus, built, wanted_keys(upstream_keys(corpus), config, marks, decided), shards)


def plan_derived(corpus: Corpus, built: Corpus, wanted: Mapping[str, Mapping[str, str]], shards: int) -> Plan:
    """The work left for stages that are derived from the rows in `corpus` alone: `wanted` is stage → recording_id →
    key, `built` is what these stages have committed."""
    stages, missing = [], {}
    for stage, keys in wanted.items():
        have = built.keys(stage)
        todo = {name for name, key in keys.items() if key not in have.get(name, frozenset())}
        missing[stage] = todo
        stages.append(
            StagePlan(stage=stage, todo=len(todo), done=len(keys) - len(todo), changed=len(todo & have.keys()))
        )
    left: set[str] = set().union(*missing.values())
    shard_tasks = tuple(
        ShardTask(
            shard=shard,
            sources=tuple(_source(recording_id, segments) for recording_id, segments in chunk),
            stages=tuple(
                StageTask(stage=stage, keys=pairs)
                for stage, keys in wanted.items()
                if (pairs := tuple((name, keys[name]) for name, _ in chunk if name in missing[stage]))
            ),
        )
        for shard, chunk in _chunks(corpus, left, shards)
    )
    return Plan(stages=tuple(stages), tasks=shard_tasks, kept=0)


def _chunks(corpus: Corpus, left: set[str], shards: int) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """(shard, recordings with their approximate number of segments), so that one task reads few files."""
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
    # Tasks are formed by size: a segment's rows have about this length.
    return Source(uri="", source_uri=recording_id, recording_id=recording_id, size_bytes=segments * 4096)

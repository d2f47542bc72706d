"""What a job on a runner does with one shard before and after its tasks, and what it reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.input.sources import Listing
from soundseam.pipeline.inspection import CorpusCounts, Counts, count_corpus
from soundseam.pipeline.plan import Plan, estimate_durations, plan_run, stage_keys, wanted_keys
from soundseam.pipeline.retries import begin_retries, end_retries, find_lost
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.check import CHECK_BYTES, set_aside, without_altered
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.sweep import sweep_files
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask
from soundseam.schemas.record import Record


class Job(Record):
    """What a job carries besides its configuration: nothing that grows with the corpus."""

    inputs: tuple[str, ...]
    """As they were typed."""
    output: str
    shards: int
    max_retries: int
    name: str
    """No other job of OUT has it."""

    def report_uri(self, when: str) -> str:
        """Where the job leaves what it has `planned` or `done`."""
        return files.join(self.output, "_run", f"job-{self.name}-{when}.json")


class PlanCounts(Counts):
    """What a job has to do, in one shard or in all."""

    recordings: int = 0
    """Recordings among the inputs."""
    to_do: int = 0
    """Recordings with something left to do."""
    audio_ms: int = 0
    """Estimated length of these."""
    kept: int = 0
    tried_again: int = 0
    damaged: int = 0
    """Committed files that are missing, truncated or altered."""
    stage_commits: Mapping[str, int] = {}
    """stage → the commits that the job will make."""
    stage_to_do: Mapping[str, int] = {}
    stage_done: Mapping[str, int] = {}
    stage_changed: Mapping[str, int] = {}


class DoneCounts(Counts):
    """What a job leaves, in one shard or in all."""

    corpus: CorpusCounts = CorpusCounts()
    audio_ms: int = 0
    """Length of the recordings that had something left to do."""
    to_retry: int = 0
    retried_in_vain: int = 0


class ShardNote(Record):
    """What the end of a job has to know of the beginning, for one shard."""

    wanted: Mapping[str, Mapping[str, str]] = {}
    """stage → recording_id → key, for recordings that have rows under several keys by then."""
    unlisted: frozenset[str] = frozenset()
    """recording_ids in OUT that are not among the inputs."""
    to_do: frozenset[str] = frozenset()
    retried: bool = False


@dataclass(frozen=True)
class PlannedShard:
    tasks: tuple[ShardTask, ...]
    note: ShardNote
    counts: PlanCounts


Committed = tuple[Corpus, Sequence[FileStat]]
"""What all markers of a shard say, and the files of tables."""


def plan_shard(job: Job, config: RunConfig, shard: int, listing: Listing, committed: Committed) -> PlannedShard:
    """Compares what `config` needs with what the shard has committed, and makes way for what is to be done again."""
    corpus, stats = committed
    stages = list(stage_keys(config))
    names = frozenset(source.recording_id for source in listing.sources)
    mine = without_altered(corpus.of_stages(stages).present(stats), CHECK_BYTES // job.shards)
    lost = find_lost(mine, names, job.max_retries, shard)
    left = mine.without(lost.again)
    plan = plan_run(listing.sources, config, left, job.shards)
    if files.is_local(job.output):
        set_aside(job.output, (file.uri for file in mine.damaged if file.recording_ids <= names))
    if lost.to_retry:
        begin_retries(job.output, lost, corpus.present(stats))
    to_do = {source.recording_id: source for work in plan.tasks for source in work.sources}
    durations = estimate_durations(tuple(to_do.values()))
    note = ShardNote(
        wanted=_contested(plan, left, listing, config),
        unlisted=frozenset(name for stage in stages for name in left.keys(stage)) - names,
        to_do=frozenset(to_do),
        retried=bool(lost.to_retry),
    )
    counts = PlanCounts(
        recordings=len(names),
        to_do=len(to_do),
        audio_ms=sum(durations.values()),
        kept=plan.kept,
        tried_again=len(lost.to_retry),
        damaged=len({file.uri for file in mine.damaged}),
        stage_commits=Counter(stage.stage for work in plan.tasks for stage in work.stages),
        stage_to_do={stage.stage: stage.todo for stage in plan.stages},
        stage_done={stage.stage: stage.done for stage in plan.stages},
        stage_changed={stage.stage: stage.changed for stage in plan.stages},
    )
    return PlannedShard(plan.tasks, note, counts)


def _contested(plan: Plan, corpus: Corpus, listing: Listing, config: RunConfig) -> dict[str, dict[str, str]]:
    """stage → recording_id → key, for recordings with rows under another key."""
    have = {stage: corpus.keys(stage) for stage in stage_keys(config)}
    several = {name for keys in have.values() for name, found in keys.items() if len(found) > 1}
    wanted = wanted_keys(config, [source for source in listing.sources if source.recording_id in several])
    contested = {stage: dict(keys) for stage, keys in wanted.items()}
    for work in plan.tasks:
        for stage in work.stages:
            contested[stage.stage].update(pair for pair in stage.keys if pair[0] in have[stage.stage])
    return {stage: keys for stage, keys in contested.items() if keys}


def finish_shard(job: Job, stages: Collection[str], shard: int, note: ShardNote, committed: Committed) -> DoneCounts:
    """Removes what no marker lists or a newer commit replaced, then counts what is there."""
    corpus, stats = committed
    now, _ = sweep_files(corpus, stats, {stage: note.wanted.get(stage, {}) for stage in corpus.commits})
    mine = now.of_stages(stages)
    covered = frozenset(name for stage in stages for name in mine.keys(stage))
    lost = find_lost(mine, covered - note.unlisted, job.max_retries, shard)
    if note.retried or lost.to_retry or lost.left:
        end_retries(job.output, lost, shard)
    return DoneCounts(
        corpus=count_corpus(now, note.unlisted),
        audio_ms=_length_ms(now, note.to_do),
        to_retry=len(lost.to_retry),
        retried_in_vain=len(lost.left),
    )


def _length_ms(corpus: Corpus, recording_ids: Collection[str]) -> int:
    if not recording_ids or SEGMENTS_STAGE not in corpus.commits:
        return 0
    return sum(one.duration_ms for one in corpus.recordings() if one.recording_id in recording_ids)

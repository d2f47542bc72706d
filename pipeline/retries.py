"""Recordings that were lost to temporary faults: which ones a run tries again, and which are left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from pydantic import Field, ValidationError

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, read_layout, shard_of, stages_in
from soundseam.pipeline.storage.corpus import ANNOTATIONS, Corpus
from soundseam.pipeline.storage.sweep import forget
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.record import Record

MAX_RETRIES = 3
_FOLDER = "retries"


class Retries(Record):
    """`_run/retries/<shard>.json`: how often recordings lost to temporary faults have been tried again."""

    tries: dict[str, int] = Field(default={})
    """recording_id → number of retries."""


class Lost(Record):
    """The recordings lost to temporary faults."""

    again: dict[str, tuple[str, ...]]
    """stage → recording_ids to try again, including later stages of recordings lost at an earlier one."""
    to_retry: tuple[str, ...]
    """recording_ids in `again`."""
    left: tuple[str, ...]
    """recording_ids that were tried as often as allowed."""


def find_lost(corpus: Corpus, listed: Collection[str], max_retries: int, shard: int | None = None) -> Lost:
    """What `corpus`, loaded with its stages in order, lacks of the `listed` recordings because of temporary faults.

    `shard` is that of the corpus if it is of one.
    """
    names = frozenset(listed)
    passing = {stage: _passing_at(corpus, stage) & names for stage in corpus.commits}
    tries = read_retries(corpus.output, shard).tries if any(passing.values()) else {}
    stages = list(corpus.commits)
    again: defaultdict[str, set[str]] = defaultdict(set)
    lost: set[str] = set()
    for stage in stages:
        for name in passing[stage]:
            lost.add(name)
            if tries.get(name, 0) < max_retries:
                for later in (stage, *filter(lambda other: _rests_on(other, stage, stages), stages)):
                    again[later].add(name)
    to_retry = frozenset().union(*again.values())
    return Lost(
        again={stage: tuple(sorted(again[stage])) for stage in stages if stage in again},
        to_retry=tuple(sorted(to_retry)),
        left=tuple(sorted(lost - to_retry)),
    )


def begin_retries(output: str, lost: Lost, corpus: Corpus | None = None) -> None:
    """Counts the retries, then removes their commits. If killed in between, one retry too many is counted.

    `corpus` is the state of all stages, if it is known, of one shard or of all.
    """
    if not lost.to_retry:
        return
    shards = read_layout(output).shards
    for shard, names in _by_shard(lost.to_retry, shards).items():
        tries = read_retries(output, shard).tries
        _write(output, shard, {**tries, **{name: tries.get(name, 0) + 1 for name in names}})
    state = corpus or Corpus.load_present(output, stages_in(output))
    again = {stage: set(names) for stage, names in lost.again.items()}
    # Stages of other configurations committed that there was nothing to do: they must look again if they return.
    for stage in state.commits:
        if stage.startswith(ANNOTATIONS) or stage == CAPTIONS_STAGE:
            again.setdefault(stage, set()).update(lost.again.get(SEGMENTS_STAGE, ()))
    forget(state, again)


def end_retries(output: str, still_lost: Lost, shard: int | None = None) -> None:
    """Forgets the counts of recordings that are no longer lost, in one shard or in all."""
    lost = {*still_lost.to_retry, *still_lost.left}
    tries = read_retries(output, shard).tries
    if not tries.keys() - lost:
        return
    for number, names in _by_shard(tries, read_layout(output).shards).items():
        _write(output, number, {name: tries[name] for name in names if name in lost})


def read_retries(output: str, shard: int | None = None) -> Retries:
    """The counts of one shard, or of all."""
    folder = files.join(output, RUN_FOLDER, _FOLDER)
    uris = [_uri(output, shard)] if shard is not None else [stat.uri for stat in files.list_files(folder)]
    tries: dict[str, int] = {}
    for uri in uris:
        with suppress(FileNotFoundError, ValidationError):
            tries |= Retries.model_validate_json(files.read_bytes(uri)).tries
    return Retries(tries=tries)


def _by_shard(names: Iterable[str], shards: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name in names:
        found.setdefault(shard_of(name, shards), []).append(name)
    return found


def _write(output: str, shard: int, tries: Mapping[str, int]) -> None:
    if tries:
        files.write_atomically(
            _uri(output, shard), (Retries(tries=dict(tries)).model_dump_json(indent=1) + "\n").encode()
        )
    else:
        files.delete([_uri(output, shard)])
        files.remove_empty_folders(files.join(output, RUN_FOLDER), [_FOLDER])


def _uri(output: str, shard: int) -> str:
    return files.join(output, RUN_FOLDER, _FOLDER, f"{shard:04d}.json")


def _passing_at(corpus: Corpus, stage: str) -> frozenset[str]:
    wanted: Mapping[str, str] = {}
    return frozenset(name for name, commit in corpus.owners(stage, wanted).items() if name in commit.passing)


def _rests_on(stage: str, earlier: str, stages: Sequence[str]) -> bool:
    """Whether rows of `stage` may differ with those of `earlier`."""
    if earlier == SEGMENTS_STAGE or stage == CAPTIONS_STAGE:
        return stage != earlier
    same_branch = stage.rpartition("/")[0] == earlier.rpartition("/")[0] and stage.startswith(ANNOTATIONS)
    return same_branch and stages.index(stage) > stages.index(earlier)

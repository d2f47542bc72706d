"""Recordings that were lost to temporary faults: which ones a run tries again, and which are left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from pydantic import Field, ValidationError

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, stages_in
from soundseam.pipeline.storage.corpus import ANNOTATIONS, Corpus
from soundseam.pipeline.storage.sweep import forget
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.record import Record

MAX_RETRIES = 3
_FILE = "retries.json"


class Retries(Record):
    """`_run/retries.json`: how often recordings that were lost to temporary faults have been tried again."""

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


def find_lost(corpus: Corpus, listed: Collection[str], max_retries: int) -> Lost:
    """What `corpus`, loaded with its stages in order, lacks of the `listed` recordings because of temporary faults."""
    tries = read_retries(corpus.output).tries
    stages = list(corpus.commits)
    again: defaultdict[str, set[str]] = defaultdict(set)
    lost: set[str] = set()
    for stage in stages:
        for name in _passing_at(corpus, stage) & frozenset(listed):
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


def begin_retries(output: str, lost: Lost) -> None:
    """Counts the retries, then removes their commits. If killed in between, one retry too many is counted."""
    if not lost.to_retry:
        return
    tries = read_retries(output).tries
    counted = {**tries, **{name: tries.get(name, 0) + 1 for name in lost.to_retry}}
    _write(output, Retries(tries=counted))
    again = {stage: set(names) for stage, names in lost.again.items()}
    # Stages of other configurations committed that there was nothing to do: they must look again if they return.
    for stage in stages_in(output):
        if stage.startswith(ANNOTATIONS) or stage == CAPTIONS_STAGE:
            again.setdefault(stage, set()).update(lost.again.get(SEGMENTS_STAGE, ()))
    forget(output, again)


def end_retries(output: str, still_lost: Lost) -> None:
    """Forgets the counts of recordings that are no longer lost."""
    tries = read_retries(output).tries
    lost = {*still_lost.to_retry, *still_lost.left}
    if tries.keys() - lost:
        _write(output, Retries(tries={name: count for name, count in tries.items() if name in lost}))


def read_retries(output: str) -> Retries:
    uri = files.join(output, RUN_FOLDER, _FILE)
    if not files.exists(uri):
        return Retries()
    try:
        return Retries.model_validate_json(files.read_bytes(uri))
    except ValidationError:
        return Retries()


def _write(output: str, retries: Retries) -> None:
    data = (retries.model_dump_json(indent=1) + "\n").encode()
    files.write_atomically(files.join(output, RUN_FOLDER, _FILE), data)


def _passing_at(corpus: Corpus, stage: str) -> frozenset[str]:
    wanted: Mapping[str, str] = {}
    return frozenset(name for name, commit in corpus.owners(stage, wanted).items() if name in commit.passing)


def _rests_on(stage: str, earlier: str, stages: Sequence[str]) -> bool:
    """Whether rows of `stage` may differ with those of `earlier`."""
    if earlier == SEGMENTS_STAGE or stage == CAPTIONS_STAGE:
        return stage != earlier
    same_branch = stage.rpartition("/")[0] == earlier.rpartition("/")[0] and stage.startswith(ANNOTATIONS)
    return same_branch and stages.index(stage) > stages.index(earlier)

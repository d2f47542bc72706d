"""A plan holds what is wanted against what is committed, and lays the rest out as tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import load_config
from pipeline.keys import stage_keys, wanted_keys
from pipeline.plan import WORK_BYTES, WORK_RECORDINGS, Plan, plan_run
from pipeline.storage.commits import Commit, Corpus, shard_of
from pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from schemas.source import Source

CONFIG = load_config("embedded")
OTHER_CAPTIONS = load_config("embedded", ["captions.sentences=2"])
STAGES = list(stage_keys(CONFIG))
SHARDS = 4

names = st.integers(0, 2**32 - 1).map(lambda number: f"{number:08x}".ljust(32, "0"))


def a_source(recording_id: str, size_bytes: int = 1) -> Source:
    uri = f"{recording_id}.wav"
    return Source(uri=uri, source_uri=uri, recording_id=recording_id, size_bytes=size_bytes)


sources_of = st.lists(names, unique=True, max_size=12).map(lambda found: [a_source(name) for name in found])


def a_corpus(sources: Sequence[Source], stages: Sequence[str] = STAGES) -> Corpus:
    """One in which `CONFIG` has committed `sources` at `stages`."""
    wanted = wanted_keys(CONFIG, sources)
    return Corpus(
        "out",
        {
            stage: [Commit(stage=stage, shard=0, covers=tuple(wanted[stage].items()), files=())]
            if stage in stages
            else []
            for stage in STAGES
        },
    )


def planned(plan: Plan) -> Counter[tuple[str, str]]:
    """(stage, recording) → how often it is to be done."""
    return Counter(
        (stage.stage, recording_id) for work in plan.works for stage in work.stages for recording_id, _ in stage.keys
    )


@given(sources_of)
def test_a_new_output_needs_every_stage_of_every_recording_once(sources: list[Source]) -> None:
    plan = plan_run(sources, CONFIG, a_corpus([]), SHARDS)
    assert planned(plan) == Counter((stage, source.recording_id) for stage in STAGES for source in sources)
    assert plan.recordings == len(sources)
    assert all(shard_of(source.recording_id, SHARDS) == work.shard for work in plan.works for source in work.sources)


@given(sources_of)
def test_a_finished_output_needs_nothing(sources: list[Source]) -> None:
    plan = plan_run(sources, CONFIG, a_corpus(sources), SHARDS)
    assert plan.is_empty
    assert all((stage.todo, stage.done, stage.changed) == (0, len(sources), 0) for stage in plan.stages)


@given(sources_of, st.sets(st.sampled_from(STAGES)))
def test_only_missing_stages_are_done(sources: list[Source], there: set[str]) -> None:
    plan = plan_run(sources, CONFIG, a_corpus(sources, sorted(there)), SHARDS)
    assert planned(plan) == Counter(
        (stage, source.recording_id) for stage in STAGES if stage not in there for source in sources
    )


@given(sources_of, sources_of)
def test_more_recordings_leave_what_was_planned_for_the_others_as_it_was(
    some: list[Source], more: list[Source]
) -> None:
    both = list({source.recording_id: source for source in [*some, *more]}.values())
    plan = plan_run(both, CONFIG, a_corpus(some), SHARDS)
    new = {source.recording_id for source in both} - {source.recording_id for source in some}
    assert {recording_id for _, recording_id in planned(plan)} == new


@given(sources_of)
def test_the_order_of_the_inputs_does_not_matter(sources: list[Source]) -> None:
    there = a_corpus([])
    assert plan_run(sources, CONFIG, there, SHARDS) == plan_run(sources[::-1], CONFIG, there, SHARDS)


def test_a_changed_configuration_is_told_from_a_missing_row() -> None:
    sources = [a_source("0" * 32), a_source("1" * 32)]
    plan = plan_run(sources, OTHER_CAPTIONS, a_corpus(sources[:1]), SHARDS)
    by_stage = {stage.stage: (stage.todo, stage.done, stage.changed) for stage in plan.stages}
    assert by_stage[SEGMENTS_STAGE] == (1, 1, 0)
    assert by_stage[CAPTIONS_STAGE] == (2, 0, 1)


def test_recordings_that_are_not_asked_for_now_are_counted_as_kept() -> None:
    sources = [a_source("0" * 32), a_source("1" * 32)]
    assert plan_run(sources[:1], CONFIG, a_corpus(sources), SHARDS).kept == 1


def test_a_task_is_bounded_by_recordings_and_by_bytes() -> None:
    many = [a_source(f"{number:032x}") for number in range(WORK_RECORDINGS + 1)]
    assert [len(work.sources) for work in plan_run(many, CONFIG, a_corpus([]), 1).works] == [WORK_RECORDINGS, 1]
    large = [a_source(f"{number:032x}", WORK_BYTES // 2) for number in range(5)]
    assert [len(work.sources) for work in plan_run(large, CONFIG, a_corpus([]), 1).works] == [2, 2, 1]


def test_a_recording_larger_than_a_task_is_a_task_alone() -> None:
    sources = [a_source("0" * 32), a_source("1" * 32, 3 * WORK_BYTES), a_source("2" * 32)]
    assert [len(work.sources) for work in plan_run(sources, CONFIG, a_corpus([]), 1).works] == [1, 1, 1]

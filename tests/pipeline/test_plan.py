"""A plan holds what is wanted against what is committed, and lays the rest out as tasks."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundseam import annotators
from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.plan import (
    FEWEST_BYTES_A_SECOND,
    WORK_BYTES,
    WORK_RECORDINGS,
    Plan,
    annotation_stage,
    estimate_durations,
    plan_run,
    recording_keys,
    stage_keys,
    wanted_keys,
)
from soundseam.pipeline.storage.commits import Commit, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.recording import Source
from soundseam.schemas.timespan import TimeSpan
from tests.support.builders import recording_id_of
from tests.support.workloads import source_of

EMBEDDED = load_config("embedded")


def place_of(kind: str) -> str:
    """The path of a backend of the embedded profile, as `--set` takes it."""
    for branch, backends in EMBEDDED.branches.by_branch().items():
        for index, backend in enumerate(backends):
            if backend.kind == kind:
                return f"branches.{branch}.{index}"
    raise AssertionError(f"the embedded profile has no {kind}")


def changed_by(*overrides: str) -> set[str]:
    """The stages whose keys `overrides` change, appear or disappear."""
    return differing(load_config("embedded", overrides))


def differing(config: RunConfig) -> set[str]:
    before, after = stage_keys(EMBEDDED), stage_keys(config)
    return {stage for stage in before.keys() | after.keys() if before.get(stage) != after.get(stage)}


ALL = set(stage_keys(EMBEDDED))


@pytest.mark.parametrize(
    "override",
    ["decode.min_recording_ms=50", "segmentation.cut.target_ms=10000", "segmentation.route.prior=0.5"],
)
def test_what_changes_segments_changes_every_stage(override: str) -> None:
    assert changed_by(override) == ALL


def test_another_detector_changes_every_stage() -> None:
    (kind,) = {"embedded", "silero_vad"} - {EMBEDDED.detectors[0].kind}
    assert changed_by(f"detectors=[{{kind: {kind}}}]") == ALL


def test_a_backend_changes_itself_and_what_reads_it() -> None:
    assert changed_by(f"{place_of('structure')}.shortest_section_ms=7000") == {
        "annotations/music/structure",
        "annotations/music/music_caption",
        CAPTIONS_STAGE,
    }


def test_a_composer_changes_itself_and_the_captions() -> None:
    assert changed_by(f"{place_of('music_caption')}.sentences=2") == {
        "annotations/music/music_caption",
        CAPTIONS_STAGE,
    }


def test_what_is_said_of_captions_changes_captions_alone() -> None:
    assert changed_by("captions.sentences=2") == {CAPTIONS_STAGE}


def test_a_backend_left_out_leaves_the_other_branches_alone() -> None:
    general = tuple(backend for backend in EMBEDDED.branches.general if backend.kind != "acoustics")
    config = EMBEDDED.model_copy(update={"branches": EMBEDDED.branches.model_copy(update={"general": general})})
    assert differing(config) == {"annotations/general/acoustics", "annotations/general/general_caption", CAPTIONS_STAGE}


@pytest.mark.parametrize("option", ["batch_size=3", "optional=true", "accelerator=type:x"])
def test_how_a_backend_is_run_changes_nothing(option: str) -> None:
    assert changed_by(f"{place_of('voice')}.{option}") == set()


def test_two_stages_never_share_a_key() -> None:
    keys = stage_keys(EMBEDDED)
    assert len(set(keys.values())) == len(keys)


def test_stages_come_in_the_order_in_which_they_run() -> None:
    stages = list(stage_keys(EMBEDDED))
    assert stages[0] == SEGMENTS_STAGE
    assert stages[-1] == CAPTIONS_STAGE
    for backends in EMBEDDED.branches.by_branch().values():
        mine = [annotation_stage(backend) for backend in backends]
        assert [stage for stage in stages if stage in mine] == mine


def a_source(**changes: object) -> Source:
    fields = {"uri": "a.wav", "source_uri": "a.wav", "recording_id": recording_id_of("a"), "size_bytes": 1}
    return Source.model_validate({**fields, **changes})


def stages_changed_by(**changes: object) -> set[str]:
    before, after = wanted_keys(EMBEDDED, [a_source()]), wanted_keys(EMBEDDED, [a_source(**changes)])
    return {stage for stage in ALL if before[stage] != after[stage]}


@pytest.mark.parametrize("change", [{"license": "CC0-1.0"}, {"source_uri": "b.wav"}, {"metadata": '{"x": 1}'}])
def test_what_a_manifest_says_changes_the_rows_that_carry_it(change: dict[str, object]) -> None:
    assert stages_changed_by(**change) == {SEGMENTS_STAGE}


def test_a_transcript_in_a_manifest_changes_its_own_rows_and_what_rests_on_them() -> None:
    resting = {
        SEGMENTS_STAGE,
        "annotations/speech/manifest_transcript",
        "annotations/speech/speech_caption",
        "captions",
    }
    assert stages_changed_by(metadata='{"text": "Good morning."}') == resting
    lines = [{"span": [0, 9], "metadata": '{"text": "Good morning."}'}, {"span": [9, 20]}]
    assert stages_changed_by(lines=lines) == resting
    assert stages_changed_by(lines=[{"span": [0, 9], "metadata": '{"x": 1}'}]) == {SEGMENTS_STAGE}


def a_profile_with_recognisers() -> RunConfig:
    served = "{kind: openai_audio, name: asr, server: {model: m}}"
    recognisers = f"[{{kind: voice}}, {{kind: pocketsphinx}}, {served}, {{kind: pocketsphinx_alignment}}]"
    return load_config("embedded", [f"branches.speech={recognisers}"])


@pytest.mark.parametrize(
    "change", [{"language": "de"}, {"lines": [{"span": [0, 9], "language": "de"}, {"span": [9, 20]}]}]
)
def test_a_language_changes_the_recognisers_and_what_rests_on_them(change: dict[str, object]) -> None:
    config = a_profile_with_recognisers()
    before, after = (wanted_keys(config, [source]) for source in (a_source(), a_source(**change)))
    speech = {f"annotations/speech/{name}" for name in ("pocketsphinx", "asr", "pocketsphinx_alignment")}
    assert {stage for stage in before if before[stage] != after[stage]} == {SEGMENTS_STAGE, *speech, CAPTIONS_STAGE}


def test_what_reads_a_language_says_so() -> None:
    reading = re.compile(r"segment\.language|language_of\(")
    files = [path for path in Path(annotators.__path__[0]).rglob("*.py") if reading.search(path.read_text())]
    assert files
    silent = [path.name for path in files if "reads_language: ClassVar[bool] = True" not in path.read_text()]
    assert silent == ["transcripts.py"]  # it has `language_of`, and no backend


def test_an_interval_changes_every_stage() -> None:
    assert stages_changed_by(intervals=(TimeSpan(0, 5000),)) == ALL


def test_another_address_for_the_same_bytes_changes_nothing() -> None:
    assert stages_changed_by(uri="a.wav?signature=1") == set()


def test_a_recording_has_its_key_whatever_else_there_is() -> None:
    other = a_source(recording_id=recording_id_of("b"))
    together = recording_keys(EMBEDDED, "captions", [a_source(), other])
    alone = (recording_keys(EMBEDDED, "captions", [source]) for source in (other, a_source()))
    assert together == {recording_id: key for keys in alone for recording_id, key in keys.items()}
    assert len(set(together.values())) == 2


def source_at(path: Path, **changes: object) -> Source:
    source = source_of(path.name, size_bytes=path.stat().st_size)
    return source.model_copy(update={"uri": str(path), "source_uri": str(path), **changes})


def write_flac(path: Path, seconds: float) -> Path:
    samples = np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds))
    soundfile.write(path, samples, 16_000)
    return path


def test_headers_tell_the_length(tmp_path: Path) -> None:
    source = source_at(write_flac(tmp_path / "a.flac", 12.5))
    assert estimate_durations([source]) == {source.recording_id: 12_500}


def test_files_beyond_those_looked_into_count_by_their_size(tmp_path: Path) -> None:
    sources = [source_at(write_flac(tmp_path / f"{index}.flac", 1 + index % 3)) for index in range(60)]
    total_ms = sum(estimate_durations(sources).values())
    assert abs(total_ms - 120_000) < 6_000


def test_a_header_that_claims_far_too_much_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "liar.wav"
    soundfile.write(path, np.zeros(100), 16_000)
    data = bytearray(path.read_bytes())
    data[40:44] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    (duration_ms,) = estimate_durations([source_at(path)]).values()
    assert duration_ms <= 1000 * len(data) / FEWEST_BYTES_A_SECOND


def test_a_file_that_is_no_audio_is_guessed_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_bytes(b"not audio" * 1000)
    (duration_ms,) = estimate_durations([source_at(path)]).values()
    assert duration_ms > 0


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"take.raw", b"take.RAW"])
def test_no_name_stops_the_estimate(tmp_path: Path, name: bytes) -> None:
    if sys.platform == "darwin" and not name.isascii():
        pytest.skip("file names are UTF-8 there")
    path = write_flac(tmp_path / "a.flac", 3).rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    source = source_of("odd", size_bytes=path.stat().st_size).model_copy(update={"uri": path.as_uri()})
    assert list(estimate_durations([source]).values()) == [3000]


def test_only_the_asked_intervals_count(tmp_path: Path) -> None:
    spans = (TimeSpan(0, 1000), TimeSpan(2000, 2500))
    source = source_at(write_flac(tmp_path / "a.flac", 60), intervals=spans)
    assert list(estimate_durations([source]).values()) == [1500]


def test_a_remote_file_is_not_opened() -> None:
    source = source_of("far").model_copy(update={"uri": "gs://bucket/far.mp3", "source_uri": "gs://bucket/far.mp3"})
    assert next(iter(estimate_durations([source]).values())) > 0


CONFIG = load_config("embedded")
OTHER_CAPTIONS = load_config("embedded", ["captions.sentences=2"])
STAGES = list(stage_keys(CONFIG))
SHARDS = 4

names = st.integers(0, 2**32 - 1).map(lambda number: f"{number:08x}".ljust(32, "0"))


def a_planned_source(recording_id: str, size_bytes: int = 1) -> Source:
    uri = f"{recording_id}.wav"
    return Source(uri=uri, source_uri=uri, recording_id=recording_id, size_bytes=size_bytes)


sources_of = st.lists(names, unique=True, max_size=12).map(lambda found: [a_planned_source(name) for name in found])


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
        (stage.stage, recording_id) for work in plan.tasks for stage in work.stages for recording_id, _ in stage.keys
    )


@given(sources_of)
def test_a_new_output_needs_every_stage_of_every_recording_once(sources: list[Source]) -> None:
    plan = plan_run(sources, CONFIG, a_corpus([]), SHARDS)
    assert planned(plan) == Counter((stage, source.recording_id) for stage in STAGES for source in sources)
    assert plan.recordings == len(sources)
    assert all(shard_of(source.recording_id, SHARDS) == work.shard for work in plan.tasks for source in work.sources)


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
    sources = [a_planned_source("0" * 32), a_planned_source("1" * 32)]
    plan = plan_run(sources, OTHER_CAPTIONS, a_corpus(sources[:1]), SHARDS)
    by_stage = {stage.stage: (stage.todo, stage.done, stage.changed) for stage in plan.stages}
    assert by_stage[SEGMENTS_STAGE] == (1, 1, 0)
    assert by_stage[CAPTIONS_STAGE] == (2, 0, 1)


def test_recordings_that_are_not_asked_for_now_are_counted_as_kept() -> None:
    sources = [a_planned_source("0" * 32), a_planned_source("1" * 32)]
    assert plan_run(sources[:1], CONFIG, a_corpus(sources), SHARDS).kept == 1


def test_a_task_is_bounded_by_recordings_and_by_bytes() -> None:
    many = [a_planned_source(f"{number:032x}") for number in range(WORK_RECORDINGS + 1)]
    assert [len(work.sources) for work in plan_run(many, CONFIG, a_corpus([]), 1).tasks] == [WORK_RECORDINGS, 1]
    large = [a_planned_source(f"{number:032x}", WORK_BYTES // 2) for number in range(5)]
    assert [len(work.sources) for work in plan_run(large, CONFIG, a_corpus([]), 1).tasks] == [2, 2, 1]


def test_a_recording_larger_than_a_task_is_a_task_alone() -> None:
    sources = [a_planned_source("0" * 32), a_planned_source("1" * 32, 3 * WORK_BYTES), a_planned_source("2" * 32)]
    assert [len(work.sources) for work in plan_run(sources, CONFIG, a_corpus([]), 1).tasks] == [1, 1, 1]

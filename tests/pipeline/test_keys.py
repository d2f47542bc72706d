"""A changed configuration or manifest changes the keys of exactly the stages it affects."""

from __future__ import annotations

import pytest

from pipeline.config import RunConfig, load_config
from pipeline.keys import annotation_stage, recording_keys, stage_keys, wanted_keys
from pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from schemas.source import Source
from schemas.timespan import TimeSpan
from tests.builders import recording_id_of

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


def test_an_interval_changes_every_stage() -> None:
    assert stages_changed_by(intervals=(TimeSpan(0, 5000),)) == ALL


def test_another_address_for_the_same_bytes_changes_nothing() -> None:
    assert stages_changed_by(uri="a.wav?signature=1") == set()


def test_a_recording_has_its_key_whatever_else_there_is() -> None:
    other = a_source(recording_id=recording_id_of("b"))
    together = recording_keys("captions", "k", [a_source(), other])
    assert together == {**recording_keys("captions", "k", [other]), **recording_keys("captions", "k", [a_source()])}
    assert len(set(together.values())) == 2

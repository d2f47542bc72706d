"""What was lost to a fault that may pass is tried again by later runs, as often as it may be, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from soundseam.pipeline.retries import Lost, begin_retries, end_retries, find_lost, read_retries
from soundseam.pipeline.storage.commits import Commit, commit_rejection, new_commit, prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.recording import PASSING_REASONS, Rejected
from soundseam.schemas.tables import Table
from tests.support.builders import a_caption, a_segment, recording_id_of

VOICE, WORDS, MUSIC = "annotations/speech/voice", "annotations/speech/words", "annotations/music/mir"
STAGES = [SEGMENTS_STAGE, VOICE, WORDS, MUSIC, CAPTIONS_STAGE]
A, B = recording_id_of("a"), recording_id_of("b")


def a_run(
    output: Path, lost: Mapping[str, str], reason: str = "missing_file", names: tuple[str, ...] = ("a", "b")
) -> str:
    """Every stage commits the recordings; `lost` (stage → name) says where which one is lost."""
    prepare_output(str(output))
    for stage in STAGES:
        covers = tuple((recording_id_of(name), "key") for name in names)
        with new_commit(str(output), Commit(stage=stage, shard=0, covers=covers, files=())) as writer:
            for name in names:
                if lost.get(stage) == name:
                    writer.append(Table.REJECTED, a_loss(name, stage, reason))
                elif stage == CAPTIONS_STAGE:
                    writer.append(Table.CAPTIONS, a_caption(a_segment(name, 0, 1000)))
    return str(output)


def a_loss(name: str, stage: str, reason: str) -> Rejected:
    recording_id = recording_id_of(name)
    return Rejected(recording_id=recording_id, source_uri=name, stage=stage, reason=reason, detail="")


def lost_in(output: str, max_retries: int = 3, listed: tuple[str, ...] = (A, B)) -> Lost:
    return find_lost(Corpus.load_present(output, STAGES), listed, max_retries)


def done_in(output: str) -> dict[str, set[str]]:
    corpus = Corpus.load_present(output, STAGES)
    return {stage: set(corpus.keys(stage)) for stage in STAGES}


@pytest.mark.parametrize("reason", sorted(PASSING_REASONS))
def test_a_recording_lost_to_a_fault_that_may_pass_is_done_again_with_all_that_rests_on_it(
    reason: str, tmp_path: Path
) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"}, reason)
    lost = lost_in(output)
    assert (lost.to_retry, lost.left) == ((A,), ())
    begin_retries(output, lost)
    assert done_in(output) == {stage: {B} for stage in STAGES}


@pytest.mark.parametrize("reason", ["not_audio", "damaged", "worker_crashed", "no_events"])
def test_a_fault_of_the_bytes_stays(reason: str, tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"}, reason)
    assert lost_in(output) == Lost(again={}, to_retry=(), left=())


@pytest.mark.parametrize(
    ("stage", "again"),
    [
        (VOICE, {VOICE, WORDS, CAPTIONS_STAGE}),
        (WORDS, {WORDS, CAPTIONS_STAGE}),
        (MUSIC, {MUSIC, CAPTIONS_STAGE}),
        (CAPTIONS_STAGE, {CAPTIONS_STAGE}),
    ],
)
def test_stages_that_do_not_rest_on_what_was_lost_are_not_done_again(
    stage: str, again: set[str], tmp_path: Path
) -> None:
    output = a_run(tmp_path, {stage: "a"})
    begin_retries(output, lost_in(output))
    assert done_in(output) == {name: {B} if name in again else {A, B} for name in STAGES}


def test_a_plan_changes_nothing(tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"})
    corpus = Corpus.load_present(output, STAGES)
    assert A not in corpus.without(lost_in(output).again).keys(SEGMENTS_STAGE)
    assert done_in(output) == {stage: {A, B} for stage in STAGES}


def test_tries_are_counted_and_end(tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"})
    for _ in range(2):
        assert lost_in(output, max_retries=2).to_retry == (A,)
        begin_retries(output, lost_in(output, max_retries=2))
        a_run(tmp_path, {SEGMENTS_STAGE: "a"}, names=("a",))
        sweep(output, {})
        end_retries(output, lost_in(output, max_retries=2))
    assert lost_in(output, max_retries=2) == Lost(again={}, to_retry=(), left=(A,))
    assert lost_in(output, max_retries=3).to_retry == (A,)
    assert lost_in(output, max_retries=0).left == (A,)


def test_a_recording_that_was_done_is_no_longer_lost_and_its_count_is_forgotten(tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"})
    begin_retries(output, lost_in(output))
    assert read_retries(output).tries == {A: 1}
    a_run(tmp_path, {}, names=("a",))
    sweep(output, {})
    assert lost_in(output) == Lost(again={}, to_retry=(), left=())
    end_retries(output, lost_in(output))
    assert read_retries(output).tries == {}
    assert done_in(output) == {stage: {A, B} for stage in STAGES}


def test_recordings_that_are_not_among_the_inputs_stay_as_they_are(tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"})
    assert lost_in(output, listed=(B,)) == Lost(again={}, to_retry=(), left=())


def test_samples_and_exports_notice_that_a_recording_came_back(tmp_path: Path) -> None:
    output = a_run(tmp_path, {SEGMENTS_STAGE: "a"})
    (before,) = Corpus.load(output, [SEGMENTS_STAGE]).commits[SEGMENTS_STAGE]
    begin_retries(output, lost_in(output))
    a_run(tmp_path, {}, names=("a",))
    after = Corpus.load(output, [SEGMENTS_STAGE]).owners(SEGMENTS_STAGE, {})
    assert after[A].content_keys[A] != before.content_keys[A]
    assert after[B].content_keys[B] == before.content_keys[B]


def test_what_a_parent_gives_up_is_tried_again(tmp_path: Path) -> None:
    prepare_output(str(tmp_path))
    commit = Commit(stage=SEGMENTS_STAGE, shard=0, covers=((A, "key"),), files=())
    commit_rejection(str(tmp_path), commit, [a_loss("a", SEGMENTS_STAGE, "worker_died")])
    assert lost_in(str(tmp_path)).to_retry == (A,)

"""What a commit covers can be taken out of it, filtered, or lost to a fault that may pass; its rows are its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.storage.commits import (
    DEFAULT_SHARDS,
    Commit,
    new_commit,
    prepare_output,
    read_commits,
    read_layout,
    renewed_commit,
    stages_in,
)
from soundseam.pipeline.storage.corpus import Corpus, Damaged
from soundseam.schemas.recording import PASSING_REASONS
from soundseam.schemas.tables import Table
from tests.pipeline.storage.test_commits import STAGE, an_output, commit_recordings, files_in, ids
from tests.support.builders import a_caption, a_reject, a_segment, recording_id_of

NAMES = st.sets(st.sampled_from("abcdef"))
PASSING = min(PASSING_REASONS)


@pytest.fixture
def output(tmp_path: Path) -> str:
    return an_output(tmp_path / "out")


def a_commit(*names: str, filtered: tuple[str, ...] = (), passing: tuple[str, ...] = ()) -> Commit:
    return Commit(
        stage=STAGE,
        shard=3,
        covers=tuple((name, f"key of {name}") for name in sorted(names)),
        files=(),
        filtered=tuple((name, f"filter of {name}") for name in sorted(filtered)),
        passing=tuple(sorted(passing)),
    )


@given(NAMES, NAMES, NAMES, NAMES)
def test_what_is_taken_out_of_a_commit_is_out_of_all_of_it_and_the_rest_stays(
    names: set[str], filtered: set[str], passing: set[str], out: set[str]
) -> None:
    filtered, passing = filtered & names, passing & names
    whole = a_commit(*names, filtered=tuple(filtered), passing=tuple(passing))
    assert whole.without(out) == a_commit(*names - out, filtered=tuple(filtered - out), passing=tuple(passing - out))


def test_a_recordings_content_key_is_its_key_until_something_of_it_is_missing() -> None:
    plain = a_commit("a", "b").content_keys
    assert plain == {"a": "key of a", "b": "key of b"}
    variants = [
        a_commit("a", "b"),
        a_commit("a", "b", filtered=("a",)),
        a_commit("a", "b", passing=("a",)),
        a_commit("a", "b", filtered=("a",), passing=("a",)),
    ]
    assert len({commit.content_keys["a"] for commit in variants}) == len(variants)
    assert {commit.content_keys["b"] for commit in variants} == {"key of b"}
    other = variants[1].model_copy(update={"filtered": (("a", "another filter"),)})
    assert other.content_keys["a"] != variants[1].content_keys["a"]


def test_a_commit_is_known_by_its_stage_its_shard_and_what_it_covers_under_which_key() -> None:
    commit = a_commit("a", "b")
    others = [
        commit.model_copy(update={"stage": "other"}),
        commit.model_copy(update={"shard": 4}),
        commit.model_copy(update={"covers": (("a", "key of a"), ("b", "another"))}),
        a_commit("a"),
    ]
    assert len({one.commit_id for one in (commit, *others)}) == len(others) + 1
    assert a_commit("a", "b", passing=("a",)).commit_id == commit.commit_id


def test_a_reject_for_a_passing_fault_marks_its_recording_and_no_other(output: str) -> None:
    covers = tuple((recording_id_of(name), "1") for name in sorted("abc", key=recording_id_of))
    with new_commit(output, Commit(stage=STAGE, shard=0, covers=covers, files=())) as writer:
        writer.append(Table.REJECTED, a_reject("a", STAGE).model_copy(update={"reason": PASSING}))
        writer.append(Table.REJECTED, a_reject("b", STAGE))
        # Of a recording that this commit does not cover, and of no recording at all.
        writer.append(Table.REJECTED, a_reject("z", STAGE).model_copy(update={"reason": PASSING}))
        writer.append(Table.REJECTED, a_reject("c", STAGE).model_copy(update={"reason": PASSING, "recording_id": None}))
    (commit,) = read_commits(output, STAGE)
    assert commit.passing == (recording_id_of("a"),)


def test_what_was_passing_before_stays_so_in_a_renewed_commit(output: str) -> None:
    covers = tuple((recording_id_of(name), "1") for name in sorted("ab", key=recording_id_of))
    given_up = (recording_id_of("b"),)
    with new_commit(output, Commit(stage=STAGE, shard=0, covers=covers, files=(), passing=given_up)) as writer:
        writer.append(Table.REJECTED, a_reject("a", STAGE).model_copy(update={"reason": PASSING}))
    (commit,) = read_commits(output, STAGE)
    assert commit.passing == tuple(sorted([recording_id_of("a"), *given_up]))


def test_a_filter_leaves_one_marker_that_names_what_is_left(output: str) -> None:
    commit_recordings(output, {"a": "1", "b": "1"})
    (before,) = read_commits(output, STAGE)
    old = {f"{entry.table}/{entry.name}" for entry in before.files}
    with renewed_commit(output, before, {recording_id_of("b"): "f", recording_id_of("a"): "e"}) as writer:
        writer.append(Table.CAPTIONS, a_caption(a_segment("a", 0, 1, config_key="1"), text="left"))
    (after,) = read_commits(output, STAGE)
    assert after.filtered == tuple(sorted([(recording_id_of("a"), "e"), (recording_id_of("b"), "f")]))
    assert (after.covers, after.commit_id) == (before.covers, before.commit_id)
    assert [(entry.table, entry.rows) for entry in after.files] == [(Table.CAPTIONS, 1)]
    named = {f"{entry.table}/{entry.name}" for entry in after.files}
    assert not files_in(output) & old
    assert named <= files_in(output)
    assert [row["caption"] for row in rows(output, {"a": "1"})] == ["left"]


def test_a_filter_that_takes_nothing_out_deletes_nothing(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    (before,) = read_commits(output, STAGE)
    wanted = rows(output, {"a": "1"})
    rejects = list(Corpus.load(output, [STAGE]).rows(Table.REJECTED, None, ids({"a": "1"}), STAGE))
    with renewed_commit(output, before, {}) as writer:
        for start_ms in range(3):
            segment = a_segment("a", start_ms, start_ms + 1, config_key="1")
            writer.append(Table.CAPTIONS, a_caption(segment, text="a 1"))
        writer.append(Table.REJECTED, a_reject("a", STAGE, detail="a 1"))
    assert read_commits(output, STAGE) == [before]
    assert rows(output, {"a": "1"}) == wanted
    assert list(Corpus.load(output, [STAGE]).rows(Table.REJECTED, None, ids({"a": "1"}), STAGE)) == rejects


def rows(output: str, keys: dict[str, str], columns: list[str] | None = None) -> list[dict[str, object]]:
    return list(Corpus.load(output, [STAGE]).rows(Table.CAPTIONS, columns, ids(keys), STAGE))


def test_rows_hold_the_columns_that_are_asked_for_and_their_recording(output: str) -> None:
    commit_recordings(output, {"a": "1", "b": "1"})
    for columns in (["caption"], ["caption", "recording_id"], ["recording_id", "caption"]):
        found = rows(output, {"a": "1"}, columns)
        assert [{**row} for row in found] == [{"caption": "a 1", "recording_id": recording_id_of("a")}] * 3
    assert len(rows(output, {"a": "1"})[0]) > 2


def test_of_two_commits_the_one_with_the_wanted_key_counts_else_the_last(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    commit_recordings(output, {"a": "2"})
    corpus = Corpus.load(output, [STAGE])
    assert corpus.keys(STAGE) == {recording_id_of("a"): frozenset("12")}
    for key in ("1", "2"):
        assert {row["caption"] for row in rows(output, {"a": key})} == {f"a {key}"}
    last = corpus.commits[STAGE][-1]
    assert corpus.owners(STAGE, {}) == {recording_id_of("a"): last}
    assert corpus.owners(STAGE, ids({"a": "3"})) == {recording_id_of("a"): last}
    assert corpus.owners("another stage", {}) == {}


def test_a_corpus_without_some_recordings_of_a_stage_never_had_them_there(output: str) -> None:
    commit_recordings(output, {"a": "1", "b": "1"})
    commit_recordings(output, {"a": "1"}, stage="other")
    left = Corpus.load(output, [STAGE, "other"]).without({STAGE: {recording_id_of("a")}})
    assert left.keys(STAGE) == ids_as_keys("b")
    assert left.keys("other") == ids_as_keys("a")
    assert left.damaged == ()


def ids_as_keys(*names: str) -> dict[str, frozenset[str]]:
    return {recording_id_of(name): frozenset("1") for name in names}


def test_a_file_that_is_cut_off_or_gone_is_named_with_the_recordings_of_its_commit(output: str) -> None:
    for name in "abc":
        commit_recordings(output, {name: "1"})
    assert Corpus.load_present(output, [STAGE]).damaged == ()
    commits = {name: Corpus.load(output, [STAGE]).owners(STAGE, {})[recording_id_of(name)] for name in "ab"}
    cut, gone = (
        Path(output, entry.table, entry.name)
        for name, table in (("a", Table.CAPTIONS), ("b", Table.REJECTED))
        for entry in commits[name].files
        if entry.table == table
    )
    cut.write_bytes(cut.read_bytes()[:-1])
    gone.unlink()
    present = Corpus.load_present(output, [STAGE])
    assert set(present.damaged) == {
        Damaged(str(cut), frozenset([recording_id_of("a")])),
        Damaged(str(gone), frozenset([recording_id_of("b")])),
    }
    assert present.keys(STAGE) == ids_as_keys("c")
    assert present.without({}).damaged == present.damaged


def test_a_stage_and_a_shard_are_read_by_themselves(output: str) -> None:
    for stage, shard, name in (("captions", 0, "a"), ("captions", 1, "b"), ("moss/model", 1, "c")):
        covers = ((recording_id_of(name), "1"),)
        with new_commit(output, Commit(stage=stage, shard=shard, covers=covers, files=())):
            pass
    assert [commit.recording_ids for commit in read_commits(output, "captions", 1)] == [{recording_id_of("b")}]
    assert len(read_commits(output, "captions")) == 2
    assert read_commits(output, "moss/model", 0) == []
    assert stages_in(output) == ["captions", "moss/model"]
    ordered = [commit.commit_id for commit in read_commits(output, "captions")]
    shards = [commit.shard for commit in read_commits(output, "captions")]
    assert (shards, len(ordered)) == ([0, 1], 2)


def test_reading_a_layout_writes_nothing_and_preparing_keeps_the_shards_that_were_begun(tmp_path: Path) -> None:
    output = str(tmp_path / "new")
    assert read_layout(output).shards == DEFAULT_SHARDS
    assert not Path(output).exists()
    assert prepare_output(output) == DEFAULT_SHARDS
    layout = Path(output, "_run", "layout.json")
    layout.write_text(read_layout(output).model_copy(update={"shards": 7}).model_dump_json())
    assert prepare_output(output) == 7

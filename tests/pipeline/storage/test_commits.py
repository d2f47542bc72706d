"""A corpus is what its markers name: all of a commit or nothing of it, each recording once, whatever was killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copytree

import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.storage.commits import (
    Commit,
    commit_listing,
    new_commit,
    prepare_output,
    read_commits,
    shard_of,
)
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import LIST_STAGE
from soundseam.schemas.tables import Table, table_schema
from tests.support.builders import a_caption, a_reject, a_segment, recording_id_of
from tests.support.crashes import killed_everywhere

STAGE = "captions"
ROWS_A_RECORDING = 3


def commit_recordings(output: str, keys: Mapping[str, str], stage: str = STAGE) -> None:
    """Three captions and one reject for each recording; each row bears the recording's key."""
    covers = tuple(sorted((recording_id_of(name), key) for name, key in keys.items()))
    with new_commit(output, Commit(stage=stage, shard=0, covers=covers, files=())) as writer:
        for name, key in keys.items():
            for start_ms in range(ROWS_A_RECORDING):
                segment = a_segment(name, start_ms, start_ms + 1, config_key=key)
                writer.append(Table.CAPTIONS, a_caption(segment, text=f"{name} {key}"))
            writer.append(Table.REJECTED, a_reject(name, stage, detail=f"{name} {key}"))


def commit_rows(output: str, table: Table, rows: Sequence[BaseModel]) -> None:
    commit = Commit(stage=STAGE, shard=0, covers=((recording_id_of("a"), "1"),), files=())
    with new_commit(output, commit) as writer:
        for row in rows:
            writer.append(table, row)


def ids(keys: Mapping[str, str]) -> dict[str, str]:
    return {recording_id_of(name): key for name, key in keys.items()}


def expected(keys: Mapping[str, str]) -> tuple[Counter[object], Counter[object]]:
    names = [f"{name} {key}" for name, key in keys.items()]
    return Counter(names * ROWS_A_RECORDING), Counter(names)


def as_the_pipeline_reads(output: str, keys: Mapping[str, str]) -> tuple[Counter[object], Counter[object]]:
    """Captions and rejects by what they say, through the markers, for the keys that are wanted."""
    corpus = Corpus.load(output, [STAGE])
    wanted = ids(keys)
    return (
        Counter(row["caption"] for row in corpus.rows(Table.CAPTIONS, None, wanted)),
        Counter(row["detail"] for row in corpus.rows(Table.REJECTED, None, wanted)),
    )


def as_a_stranger_reads(output: str) -> tuple[Counter[object], Counter[object]]:
    """The same from the tables' folders alone."""
    captions = ds.dataset(f"{output}/captions").to_table(columns=["caption"])["caption"]
    rejects = ds.dataset(f"{output}/rejected").to_table(columns=["detail"])["detail"]
    return Counter(captions.to_pylist()), Counter(rejects.to_pylist())


def files_in(output: str) -> set[str]:
    return {path.relative_to(output).as_posix() for path in Path(output).rglob("*") if path.is_file()}


@pytest.fixture
def output(tmp_path: Path) -> str:
    return an_output(tmp_path / "out")


def an_output(path: Path) -> str:
    prepare_output(str(path))
    return str(path)


def test_a_commit_can_be_read_by_the_pipeline_and_by_strangers(output: str) -> None:
    keys = {"a": "1", "b": "1"}
    commit_recordings(output, keys)
    assert as_the_pipeline_reads(output, keys) == as_a_stranger_reads(output) == expected(keys)
    assert Corpus.load(output, [STAGE]).keys(STAGE) == {name: frozenset("1") for name in ids(keys)}


def test_an_exception_commits_nothing(output: str) -> None:
    before = files_in(output)
    segment_of_another_table = a_segment("a")
    with pytest.raises(TypeError, match="a row of captions"):
        commit_rows(output, Table.CAPTIONS, [a_caption(a_segment("a")), segment_of_another_table])
    assert files_in(output) == before


def test_a_marker_names_each_file_with_its_rows_and_hash(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    (commit,) = read_commits(output, STAGE, 0)
    assert {entry.table: entry.rows for entry in commit.files} == {Table.CAPTIONS: ROWS_A_RECORDING, Table.REJECTED: 1}
    for entry in commit.files:
        path = Path(output, entry.table, entry.name)
        assert path.stat().st_size == entry.bytes
        assert entry.sha256[:16] in path.name


def test_committing_the_same_again_changes_nothing(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    before = files_in(output)
    commit_recordings(output, {"a": "1"})
    assert files_in(output) == before


def test_a_commit_killed_at_any_point_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    old, new = {"a": "1"}, {"b": "1", "c": "1"}

    before = an_output(tmp_path / "before")
    commit_recordings(before, old)

    def fresh(point: int) -> tuple[object, ...]:
        return str(copytree(before, tmp_path / str(point))), new

    points = list(killed_everywhere(commit_recordings, fresh))
    assert len(points) >= 5
    for point in points:
        output = str(tmp_path / str(point))
        assert as_the_pipeline_reads(output, old) == expected(old)
        assert as_the_pipeline_reads(output, new) in (expected({}), expected(new))
        sweep(output, {STAGE: ids(old | new)})
        survivors = as_a_stranger_reads(output)
        assert survivors in (expected(old), expected(old | new))
        commit_recordings(output, new)
        sweep(output, {STAGE: ids(old | new)})
        assert as_a_stranger_reads(output) == expected(old | new)
        assert files_in(output) == files_in(str(tmp_path / str(len(points) + 1)))


def test_a_sweep_killed_at_any_point_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    now = {"a": "2", "b": "1", "c": "2"}

    before = an_output(tmp_path / "before")
    commit_recordings(before, {"a": "1", "b": "1"})
    commit_recordings(before, {"c": "1"})
    commit_recordings(before, {"a": "2", "c": "2"})

    def fresh(point: int) -> tuple[object, ...]:
        return str(copytree(before, tmp_path / str(point))), {STAGE: ids(now)}

    points = list(killed_everywhere(sweep, fresh))
    assert len(points) >= 8
    for point in points:
        output = str(tmp_path / str(point))
        assert as_the_pipeline_reads(output, now) == expected(now)
        sweep(output, {STAGE: ids(now)})
        assert as_the_pipeline_reads(output, now) == as_a_stranger_reads(output) == expected(now)
        assert files_in(output) == files_in(str(tmp_path / str(len(points) + 1)))


def test_a_sweep_leaves_nothing_behind_that_no_marker_names(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    clean = files_in(output)
    for stray in (
        f"captions/0000-{'0' * 16}-{'0' * 16}.parquet",
        f"captions/.tmp-{'1' * 32}",
        f"_run/commits/captions/0000/.tmp-{'2' * 32}",
        "_run/scratch/s/x",
    ):
        Path(output, stray).parent.mkdir(parents=True, exist_ok=True)
        Path(output, stray).write_bytes(b"half")
    assert sweep(output, {STAGE: ids({"a": "1"})}) == 4
    assert files_in(output) == clean
    assert sweep(output, {STAGE: ids({"a": "1"})}) == 0


@pytest.mark.parametrize("name", ["s0.wav", "notes.txt", ".tmp-mine", "0000-x.parquet", "deep/train.parquet"])
def test_a_sweep_leaves_what_somebody_else_put_into_a_table(name: str, output: str) -> None:
    commit_recordings(output, {"a": "1"})
    mine = [Path(output, folder, name) for folder in (*Table, "sft", "duplicates", "_run")]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    sweep(output, {STAGE: ids({"a": "1"})})
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)


def test_what_a_task_has_committed_is_found_without_reading_the_markers_of_others(output: str) -> None:
    commit_recordings(output, {"a": "1", "b": "1"})
    commit_recordings(output, {"c": "1"})
    found = Corpus.load_for(output, {STAGE: ids({"a": "1", "b": "1"})}, 0)
    assert [commit.recording_ids for commit in found.commits[STAGE]] == [frozenset(ids({"a": "", "b": ""}))]
    assert len(Corpus.load_for(output, {STAGE: ids({"a": "1"})}, 0).commits[STAGE]) == 2


def test_rows_of_recordings_that_are_no_longer_asked_for_stay(output: str) -> None:
    commit_recordings(output, {"a": "1", "b": "1"})
    sweep(output, {STAGE: ids({"a": "1"})})
    assert as_a_stranger_reads(output) == expected({"a": "1", "b": "1"})


def test_a_commit_whose_file_is_gone_has_to_be_done_again(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    commit_recordings(output, {"b": "1"})
    lost = Corpus.load(output, [STAGE]).owners(STAGE, {})[recording_id_of("a")]
    Path(output, "captions", next(entry.name for entry in lost.files if entry.table == Table.CAPTIONS)).unlink()
    assert Corpus.load_present(output, [STAGE]).keys(STAGE) == {recording_id_of("b"): frozenset("1")}
    commit_recordings(output, {"a": "1"})
    sweep(output, {STAGE: ids({"a": "1", "b": "1"})})
    assert as_a_stranger_reads(output) == expected({"a": "1", "b": "1"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), min_size=1), max_size=5))
def test_after_any_history_each_recording_is_there_once(
    history: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    output = an_output(tmp_path_factory.mktemp("history"))
    wanted: dict[str, str] = {}
    for keys in history:
        commit_recordings(output, keys)
        wanted |= keys
    sweep(output, {STAGE: ids(wanted)})
    assert as_the_pipeline_reads(output, wanted) == as_a_stranger_reads(output) == expected(wanted)


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1), st.integers(1, 64))
def test_a_recording_keeps_its_shard_whatever_else_there_is(names: Sequence[bytes], shards: int) -> None:
    for name in names:
        assert shard_of(name.hex(), shards) == int.from_bytes(name[:4], "big") % shards


def test_what_listing_rejected_replaces_what_it_rejected_before(output: str) -> None:
    for detail in ("gone", "still gone"):
        wanted = commit_listing(output, ["in?token=secret"], [a_reject("a", "list", detail)])
        sweep(output, {LIST_STAGE: wanted})
    assert as_a_stranger_reads(output)[1] == Counter(["still gone"])
    assert commit_listing(output, ["in?token=secret"], [a_reject("a", "list", "still gone")]) == wanted
    assert not [path for path in files_in(output) if b"secret" in Path(output, path).read_bytes()]


def test_two_listings_keep_their_own_rejects(output: str) -> None:
    first = commit_listing(output, ["x"], [a_reject("a", "list", "one")])
    second = commit_listing(output, ["y"], [a_reject("b", "list", "two")])
    sweep(output, {LIST_STAGE: first})
    sweep(output, {LIST_STAGE: second})
    assert as_a_stranger_reads(output)[1] == Counter(["one", "two"])


def test_preparing_twice_changes_nothing(output: str) -> None:
    before = {name: Path(output, name).read_bytes() for name in files_in(output)}
    prepare_output(output)
    assert {name: Path(output, name).read_bytes() for name in files_in(output)} == before


@pytest.mark.parametrize("table", list(Table), ids=str)
def test_a_new_output_has_every_table_empty(table: Table, output: str) -> None:
    empty = ds.dataset(f"{output}/{table}").to_table()
    assert empty.num_rows == 0
    assert empty.schema.names == table_schema(table).names


def test_an_output_of_other_columns_is_refused_with_the_remedy(output: str) -> None:
    layout = Path(output, "_run", "layout.json")
    layout.write_text(layout.read_text().replace('"captions": "', '"captions": "0'))
    with pytest.raises(SetupError, match=r"columns differ in captions\): choose another --output"):
        prepare_output(output)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"shards": 64}'])
def test_a_layout_that_is_none_is_refused_with_the_remedy(content: str, output: str) -> None:
    Path(output, "_run", "layout.json").write_text(content)
    with pytest.raises(SetupError, match="choose another --output"):
        prepare_output(output)


def test_a_marker_that_is_none_is_refused_with_the_remedy(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    (marker,) = Path(output, "_run", "commits").rglob("*.json")
    marker.write_text("{}")
    with pytest.raises(SetupError, match="choose another --output, or delete the file"):
        read_commits(output, STAGE)


def test_a_marker_cannot_name_a_file_elsewhere(output: str) -> None:
    commit_recordings(output, {"a": "1"})
    (marker,) = Path(output, "_run", "commits").rglob("*.json")
    content = json.loads(marker.read_text())
    content["files"][0]["name"] = "../../../elsewhere.parquet"
    marker.write_text(json.dumps(content))
    with pytest.raises(SetupError, match="choose another --output, or delete the file"):
        read_commits(output, STAGE)

"""Samples are committed shard by shard, done once, and done again exactly where something has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.sft.launch import prepare_sft, run_sft
from soundseam.pipeline.sft.read import Marks, read_groups
from soundseam.pipeline.sft.summary import read_priors
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.sweep import sweep
from soundseam.schemas.sample import Sample, Split
from soundseam.schemas.tables import arrow_schema
from tests.pipeline.sft.builders import CONFIG, a_rich_recording, samples
from tests.pipeline.sft.corpora import Silent, build_samples, commit_corpus, planned
from tests.support.builders import recording_id_of
from tests.support.memory_files import MemoryFileSystem

NAMES = ("a", "b", "c", "d")
TASKS = CONFIG.only(("caption", "tempo", "presence")).model_copy(update={"max_guessed": 1.0})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    commit_corpus(tmp_path / "out", [a_rich_recording(name) for name in NAMES])
    return tmp_path / "out"


def rows(corpus: Path, task: str) -> list[dict[str, object]]:
    found = pq.read_table(corpus / "sft" / task).to_pylist()
    return sorted(found, key=lambda row: str(row["sample_id"]))


def tables(corpus: Path) -> dict[str, list[dict[str, object]]]:
    return {task.task: rows(corpus, task.task) for task in TASKS.tasks}


def test_committed_samples_are_those_of_the_rows(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    wanted = [sample for name in NAMES for sample in samples(a_rich_recording(name), TASKS)]
    found = [Sample.model_validate(row) for task in tables(corpus).values() for row in task]
    assert in_train(found) == in_train(wanted)


def in_train(made: list[Sample]) -> list[Sample]:
    """In order of id, and as if nothing were held out."""
    trained = [sample.model_copy(update={"split": Split.TRAIN}) for sample in made]
    return sorted(trained, key=lambda sample: sample.sample_id)


def test_what_can_be_guessed_is_left_out_and_stays_out(tmp_path: Path) -> None:
    commit_corpus(tmp_path / "out", [a_rich_recording(f"n{index}") for index in range(12)])
    config = CONFIG.only(("meter", "refusal", "caption")).model_copy(update={"languages": {"en": 1.0}})
    build_samples(tmp_path / "out", config)
    assert pq.read_table(tmp_path / "out" / "sft" / "meter").num_rows == 0
    assert pq.read_table(tmp_path / "out" / "thinned" / "meter").num_rows == 24
    captions, refusals = (pq.read_table(tmp_path / "out" / "sft" / name).num_rows for name in ("caption", "refusal"))
    assert 0 < refusals <= 0.03 * (captions + refusals) or captions < 33
    assert planned(tmp_path / "out", config) == []


def test_a_table_without_samples_has_its_columns(corpus: Path) -> None:
    build_samples(corpus, CONFIG.only(("refusal", "chords")))
    assert pq.read_table(corpus / "sft" / "chords").schema.names == arrow_schema(Sample).names


def test_what_is_done_is_not_done_again(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    assert planned(corpus, TASKS) == []
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("sft*/**/*.parquet")}
    build_samples(corpus, TASKS)
    assert before == {path: path.stat().st_mtime_ns for path in corpus.rglob("sft*/**/*.parquet")}


def test_what_was_left_is_finished_with_the_same_result(corpus: Path, tmp_path: Path) -> None:
    build_samples(corpus, TASKS, tasks=1)
    half = sum(len(task) for task in tables(corpus).values())
    build_samples(corpus, TASKS)
    commit_corpus(tmp_path / "other", [a_rich_recording(name) for name in NAMES])
    build_samples(tmp_path / "other", TASKS)
    assert tables(corpus) == tables(tmp_path / "other")
    assert half < sum(len(task) for task in tables(corpus).values())


def test_only_what_a_change_affects_is_built_again(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    tempo = next(task for task in TASKS.tasks if task.task == "tempo")
    other = tuple(task.model_copy(update={"tolerance_share": 0.08}) if task is tempo else task for task in TASKS.tasks)
    assert planned(corpus, TASKS.model_copy(update={"tasks": other})) == [("sft/tempo", 4)]
    commit_corpus(corpus, [a_rich_recording("b")], key="2")
    sweep(str(corpus), {"segments": {recording_id_of("b"): "2"}, "captions": {recording_id_of("b"): "2"}})
    assert {count for _, count in planned(corpus, TASKS)} == {1}


def test_samples_of_changed_rows_replace_the_old_ones(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    before = tables(corpus)
    build_samples(corpus, TASKS.model_copy(update={"seed": 5}))
    after = tables(corpus)
    assert {name: len(found) for name, found in after.items()} == {name: len(found) for name, found in before.items()}
    assert after != before
    assert planned(corpus, TASKS.model_copy(update={"seed": 5})) == []


def test_sweeping_a_corpus_keeps_its_samples(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    before = tables(corpus)
    sweep(str(corpus), {})
    assert tables(corpus) == before


def test_the_summary_counts_what_is_there(corpus: Path) -> None:
    summary = build_samples(corpus, TASKS)
    assert summary.samples == sum(len(found) for found in tables(corpus).values())
    written = json.loads((corpus / "_run" / "sft.json").read_text())
    assert [task["task"] for task in written["tasks"]] == [task.task for task in TASKS.tasks]


def test_answer_priors_tell_what_can_be_guessed(tmp_path: Path) -> None:
    config = CONFIG.only(("tempo",)).model_copy(update={"languages": {"en": 1.0}})
    commit_corpus(tmp_path, [a_rich_recording(f"{number:03d}") for number in range(12)])
    build_samples(tmp_path, config)
    # Two tempi in every recording: either answer is right half the time.
    assert read_priors(str(tmp_path)) == {
        (("tempo", "bpm", "", "en"), "120"): 0.5,
        (("tempo", "bpm", "", "en"), "160"): 0.5,
    }


def test_local_workers_build_the_same(corpus: Path) -> None:
    summary = run_sft(prepare_sft(str(corpus), TASKS, Marks()), 1, Silent())
    assert summary.samples == sum(len(samples(a_rich_recording(name), TASKS)) for name in NAMES)


def test_samples_of_a_remote_corpus_are_the_same(corpus: Path) -> None:
    MemoryFileSystem.clear()
    remote = "mem://bucket/out"
    commit_corpus(remote, [a_rich_recording(name) for name in NAMES])
    assert build_samples(remote, TASKS) == build_samples(corpus, TASKS)
    data = [stat for stat in files.list_files(f"{remote}/sft") if "schema" not in stat.uri]
    assert len(data) == len([path for path in (corpus / "sft").rglob("*.parquet") if path.name != "schema.parquet"])


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no corpus"):
        prepare_sft(str(tmp_path), TASKS, Marks())


def test_groups_are_read_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "groups.parquet"
    pq.write_table(pa.table({"recording_id": ["a", "b", "c"], "group": ["g", "g", None]}), path)
    assert read_groups(str(path)) == {"a": "g", "b": "g"}
    (tmp_path / "not.parquet").write_text("no")
    with pytest.raises(SetupError, match="not a Parquet file with columns"):
        read_groups(str(tmp_path / "not.parquet"))

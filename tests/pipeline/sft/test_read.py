"""Samples heed what `soundseam dedup` has marked: near-duplicates stay together, and what is told is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from soundseam.pipeline.commands import cli
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.launch import DedupRequest, find_duplicates
from soundseam.pipeline.sft.balance import Balance, held_out_below
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.read import Marks, are_outdated, read_marks
from soundseam.schemas.duplicate import LeaveOut
from tests.pipeline.dedup.sounds import BEAT, MELODY, NOISE, OTHER_BEAT, OTHER_NOISE, commit_sounds, flac, segment_of
from tests.pipeline.sft.builders import CONFIG, a_rich_recording, samples
from tests.pipeline.sft.corpora import build_samples, planned
from tests.support.builders import recording_id_of

TASKS = CONFIG.only(("refusal",)).model_copy(update={"validation_share": 0.5})
"""A task that asks of any segment."""
SHARED = {"a": [MELODY, BEAT], "b": [MELODY], "c": [OTHER_BEAT], "d": [BEAT, NOISE], "e": [OTHER_NOISE]}
IDS = {name: recording_id_of(name) for name in SHARED}


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, three of whose recordings share sounds, compared with a set that has another of its sounds."""
    folder = tmp_path_factory.mktemp("marks")
    commit_sounds(folder / "out", SHARED)
    (folder / "set").mkdir()
    (folder / "set" / "x.flac").write_bytes(flac(OTHER_NOISE))
    find_duplicates(DedupRequest(output=str(folder / "out"), against=(str(folder / "set"),)), lambda done, parts: None)
    return folder / "out"


@pytest.fixture
def corpus(marked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(marked, tmp_path / "out"))


def splits(corpus: Path, marks: Marks, config: SftConfig = TASKS) -> dict[str, set[str]]:
    build_samples(corpus, config, marks=marks)
    rows = pq.read_table(corpus / "sft" / "refusal", columns=["recording_id", "split"]).to_pylist()
    return {name: {row["split"] for row in rows if row["recording_id"] == IDS[name]} for name in IDS}


def segments_asked(corpus: Path) -> set[str]:
    rows = pq.read_table(corpus / "sft" / "refusal", columns=["segment_ids"]).to_pylist()
    return {name for row in rows for name in row["segment_ids"]}


def test_groups_come_from_the_table_of_duplicates(corpus: Path) -> None:
    marks = read_marks(str(corpus), None, ())
    assert marks.groups == {IDS["a"]: IDS["a"], IDS["b"]: IDS["a"], IDS["d"]: IDS["a"]}
    assert marks.left_out == {}
    assert marks.group_of(IDS["c"]) == IDS["c"]


def test_near_duplicates_lie_on_one_side_of_the_split(corpus: Path) -> None:
    rows = pq.read_table(corpus / "recordings", columns=["recording_id", "segment_count"]).to_pylist()
    segments = {row["recording_id"]: row["segment_count"] for row in rows}

    def is_torn(config: SftConfig) -> bool:
        below = held_out_below(segments, {}, config.seed, config.validation_share, config.validation_recordings)
        return len({Balance(config.seed, below).split_of(IDS[name]) for name in "abd"}) == 2

    torn = next(filter(is_torn, (TASKS.model_copy(update={"seed": seed}) for seed in range(99))))
    sides = splits(corpus, read_marks(str(corpus), None, ()), torn)
    assert sides["a"] == sides["b"] == sides["d"]
    assert len(sides["a"]) == 1
    sides = splits(corpus, Marks(), torn)
    assert not sides["a"] == sides["b"] == sides["d"]


def test_a_named_table_of_groups_comes_first(corpus: Path, tmp_path: Path) -> None:
    table = pa.table({"recording_id": [IDS["c"], IDS["e"]], "group": ["g", "g"]})
    pq.write_table(table, tmp_path / "groups.parquet")
    marks = read_marks(str(corpus), str(tmp_path / "groups.parquet"), ())
    assert marks.groups == {IDS["c"]: "g", IDS["e"]: "g"}


def test_copies_are_left_out_where_that_is_asked_for(corpus: Path) -> None:
    build_samples(corpus, TASKS, marks=read_marks(str(corpus), None, ()))
    assert {segment_of("b"), segment_of("d"), segment_of("e")} <= segments_asked(corpus)
    marks = read_marks(str(corpus), None, [LeaveOut.COPIES])
    assert marks.left_out == {IDS["b"]: {segment_of("b")}, IDS["d"]: {segment_of("d")}}
    build_samples(corpus, TASKS, marks=marks)
    left = segments_asked(corpus)
    assert not left & {segment_of("b"), segment_of("d")}
    assert {segment_of("a"), segment_of("a", 1), segment_of("d", 1), segment_of("e")} <= left


def test_what_an_evaluation_set_has_is_left_out_where_that_is_asked_for(corpus: Path) -> None:
    marks = read_marks(str(corpus), None, [LeaveOut.EVALUATION])
    build_samples(corpus, TASKS, marks=marks)
    assert segment_of("e") not in segments_asked(corpus)
    assert segment_of("b") in segments_asked(corpus)


def test_only_marked_recordings_are_built_again(corpus: Path) -> None:
    build_samples(corpus, TASKS)
    assert planned(corpus, TASKS, read_marks(str(corpus), None, [LeaveOut.EVALUATION])) == [("sft/refusal", 3)]
    # `a` is its group's name: nothing changes for it.


def test_samples_of_a_recording_without_some_segments_name_none_of_them() -> None:
    rich = a_rich_recording()
    gone = rich.segments[1].segment_id
    left = samples(rich.without({gone}))
    assert left
    assert not [sample for sample in left if gone in sample.segment_ids]
    assert rich.without(()) is rich


def test_what_was_not_looked_for_cannot_be_left_out(tmp_path: Path) -> None:
    commit_sounds(tmp_path, {"a": [MELODY]})
    with pytest.raises(SetupError, match=r"has no marks of duplicates.*soundseam dedup"):
        read_marks(str(tmp_path), None, [LeaveOut.COPIES])
    find_duplicates(DedupRequest(output=str(tmp_path)), lambda done, parts: None)
    read_marks(str(tmp_path), None, [LeaveOut.COPIES])
    with pytest.raises(SetupError, match=r"not compared with an evaluation set.*--against"):
        read_marks(str(tmp_path), None, [LeaveOut.EVALUATION])


def test_it_is_told_where_the_corpus_has_changed_since(corpus: Path) -> None:
    assert not are_outdated(str(corpus))
    commit_sounds(corpus, {"f": [MELODY]})
    assert are_outdated(str(corpus))


def test_the_commands_tell_what_they_found(tmp_path: Path) -> None:
    commit_sounds(tmp_path / "out", SHARED)
    (tmp_path / "set.flac").write_bytes(flac(OTHER_NOISE))
    told = text_of(invoke("dedup", tmp_path / "out", "--against", tmp_path / "set.flac", "--workers", "1"))
    assert "4 of 7 segments are duplicates, in 2 clusters" in told
    assert "Segments that are also in an evaluation set: 1" in told
    told = text_of(invoke("dedup", tmp_path / "out", "--against", tmp_path / "set.flac", "--workers", "1"))
    assert "is up to date" in told
    assert "4 of 7 segments" in told
    arguments = ("sft", tmp_path / "out", "--task", "refusal", "--workers", "1")
    told = text_of(invoke(*arguments, "--leave-out", "copies", "--leave-out", "evaluation"))
    assert "3 recordings share near-duplicates" in told
    assert "3 segments are left out" in told
    commit_sounds(tmp_path / "out", {"f": [MELODY]})
    assert "run it again" in text_of(invoke(*arguments))
    wrong = invoke(*arguments, "--leave-out", "everything")
    assert wrong.exit_code == 2
    assert "copies" in text_of(wrong)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def text_of(result: Result) -> str:
    return " ".join((result.output + result.stderr).split())

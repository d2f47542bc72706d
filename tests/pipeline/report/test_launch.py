"""A report is one folder, written whole, of the whole corpus and of as many segments as are asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseam.annotators.flac import read_flac
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.launch import DedupRequest, find_duplicates
from soundseam.pipeline.inspection import inspect_corpus
from soundseam.pipeline.report import launch
from soundseam.pipeline.report.launch import MARK, Reported, ReportRequest, make_report, script_of
from tests.pipeline.dedup.sounds import BEAT, MELODY, NOISE, commit_sounds, flac, segment_of
from tests.pipeline.export.exports import audio_in
from tests.pipeline.report.corpora import HOSTILE, SENTENCES, commit_rejects, make_corpus, make_large_corpus
from tests.pipeline.sft.builders import CONFIG, a_rich_recording
from tests.pipeline.sft.corpora import build_samples, commit_corpus
from tests.support.memory_files import MemoryFileSystem

SEGMENTS = 150


def report(output: Path | str, **options: object) -> Reported:
    return make_report(ReportRequest.model_validate({"output": str(output), **options}))


def data_of(made: Reported, name: str) -> Any:
    """What a data file hands to the page."""
    text = (made.page.parent / "data" / f"{name}.js").read_text(encoding="utf-8")
    handed = text.removeprefix("soundseam.receive(").removesuffix(");\n")
    told, value = json.loads(f"[{handed}]")
    assert told == name
    return value


def tiles_of(made: Reported) -> dict[str, str]:
    return {tile["name"]: tile["value"] for tile in data_of(made, "summary")["tiles"]}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus") / "out")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_large_corpus(tmp_path_factory.mktemp("large") / "out", SEGMENTS)


def test_a_segment_is_shown_with_all_that_is_known_of_it(corpus: Path, tmp_path: Path) -> None:
    made = report(corpus, target=str(tmp_path / "r"))
    first = data_of(made, "list-0")[0]
    detail = data_of(made, f"detail-{first['chunk']}")[first["place"]]
    assert [lane["name"] for lane in detail["lanes"]] == ["events · events", "words · asr", "turns · turns"]
    assert [claim["text"] for claim in detail["captions"][0]["claims"]] == list(SENTENCES)
    assert [claim["verdict"] for claim in detail["captions"][0]["claims"]] == ["confirmed", "unsure", "dropped"]
    assert detail["captions"][0]["claims"][0]["evidence"] == [{"name": "segments › start_ms", "value": "0"}]
    assert {"name": "license", "value": "CC-BY-4.0"} in detail["origin"]
    assert (first["branches"], first["classes"]) == (["speech", "general"], ["object", "speech"])
    assert "Good morning" in first["text"]


def test_its_audio_is_the_segment_s_own(corpus: Path, tmp_path: Path) -> None:
    made = report(corpus, target=str(tmp_path / "r"))
    for segment_id, samples in audio_in(corpus).items():
        copied, rate_hz = read_flac((made.page.parent / "media" / f"{segment_id}.flac").read_bytes())
        assert rate_hz == 16_000
        assert np.array_equal(np.round(copied * 32768).astype(np.int16), samples)
        assert (made.page.parent / "media" / f"{segment_id}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [0, 10, 5000])
def test_as_many_segments_are_shown_as_asked_and_the_numbers_are_of_all(
    large: Path, tmp_path: Path, count: int
) -> None:
    made = report(large, target=str(tmp_path / "r"), segments=count)
    assert (made.segments, made.of) == (min(count, SEGMENTS), SEGMENTS)
    assert tiles_of(made)["segments"] == f"{SEGMENTS}"
    assert len(list((made.page.parent / "media").glob("*.flac"))) == min(count, SEGMENTS)
    listed = [
        item for chunk in range(data_of(made, "summary")["list_chunks"]) for item in data_of(made, f"list-{chunk}")
    ]
    assert len(listed) == min(count, SEGMENTS)
    for item in listed:
        assert data_of(made, f"detail-{item['chunk']}")[item["place"]]["id"] == item["id"]


def test_equal_corpora_and_seeds_give_equal_reports(large: Path, tmp_path: Path) -> None:
    one, again, other = (
        report(large, target=str(tmp_path / name), segments=10, seed=seed)
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert content(one.page.parent) == content(again.page.parent)
    assert content(one.page.parent) != content(other.page.parent)


def test_medians_are_those_of_inspect(large: Path, corpus: Path, tmp_path: Path) -> None:
    for number, output in enumerate((large, corpus)):
        summary = data_of(report(output, target=str(tmp_path / f"{number}"), segments=0), "summary")
        lengths = next(one for one in summary["histograms"] if one["title"] == "Segment lengths")
        assert lengths["median"] == inspect_corpus(str(output)).median_ms / 1000


def test_rejects_that_have_no_segment_are_listed_and_counted(corpus: Path, tmp_path: Path) -> None:
    made = report(corpus, target=str(tmp_path / "r"))
    assert [item["rejects"] for item in data_of(made, "list-0")[3:]] == [["not_audio"], ["truncated"]]
    assert sorted(data_of(made, "summary")["rejected"]) == [["segments", "not_audio", 1], ["segments", "truncated", 1]]


def test_training_samples_are_counted_by_task(tmp_path: Path) -> None:
    commit_corpus(tmp_path, [a_rich_recording()])
    summary = build_samples(tmp_path, CONFIG)
    made = report(tmp_path)
    assert tiles_of(made)["training samples"] == f"{summary.samples}"
    (tasks,) = (bars["bars"] for bars in data_of(made, "summary")["bars"] if bars["title"] == "Tasks")
    assert {bar["name"].replace(" ", "_"): bar["value"] for bar in tasks} == {
        task.task: task.train + task.validation for task in summary.tasks if task.train + task.validation
    }


def test_duplicates_are_marked_where_they_were_looked_for(tmp_path: Path) -> None:
    output = tmp_path / "out"
    commit_sounds(output, {"a": [MELODY], "b": [MELODY], "c": [BEAT], "d": [NOISE]})
    assert "duplicates" not in tiles_of(report(output))
    (tmp_path / "set.flac").write_bytes(flac(BEAT))
    find_duplicates(DedupRequest(output=str(output), against=(str(tmp_path / "set.flac"),)), lambda done, parts: None)
    made = report(output)
    assert tiles_of(made)["duplicates"] == "2"
    marks = {item["id"]: item["duplicates"] for item in data_of(made, "list-0")}
    assert marks == {
        segment_of("a"): ["has copies"],
        segment_of("b"): ["a copy"],
        segment_of("c"): ["in an evaluation set"],
        segment_of("d"): [],
    }
    facts = {fact["name"]: fact["value"] for detail in data_of(made, "detail-0")[:2] for fact in detail["origin"]}
    assert facts["like segment"] in {f"{segment_of(name)}: the same samples" for name in "ab"}


def test_a_report_is_replaced_whole(corpus: Path, large: Path, tmp_path: Path) -> None:
    report(large, target=str(tmp_path / "r"))
    report(corpus, target=str(tmp_path / "r"))
    report(corpus, target=str(tmp_path / "fresh"))
    assert content(tmp_path / "r") == content(tmp_path / "fresh")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "r"]


def test_a_report_that_fails_leaves_the_earlier_one(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(corpus, target=str(tmp_path / "r"))
    before = content(tmp_path / "r")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(launch, "summary_of", fail)
    with pytest.raises(OSError, match="no space"):
        report(corpus, target=str(tmp_path / "r"), segments=1)
    assert content(tmp_path / "r") == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_what_a_killed_report_left_is_in_nobodys_way(corpus: Path, tmp_path: Path) -> None:
    report(corpus, target=str(tmp_path / "fresh"))
    for left in (".tmp-report-r", ".tmp-report-r-earlier"):
        (tmp_path / left / "data").mkdir(parents=True)
        (tmp_path / left / "data" / "old.js").write_text("old")
    report(corpus, target=str(tmp_path / "r"))
    assert content(tmp_path / "r") == content(tmp_path / "fresh")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "r"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_report_is_never_replaced(corpus: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "precious"
    if kind == "folder":
        target.mkdir()
        (target / "thesis.txt").write_text("years of work")
    else:
        target.write_text("years of work")
    with pytest.raises(SetupError, match="is not a report: choose another --output"):
        report(corpus, target=str(target))
    assert (target if kind == "file" else target / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_may_become_a_report(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    assert (report(corpus, target=str(tmp_path / "r")).page.parent / MARK).is_file()


def test_a_corpus_of_rejects_alone_has_a_report(tmp_path: Path) -> None:
    commit_rejects(tmp_path, "x", ["truncated"])
    made = report(tmp_path)
    assert (made.segments, made.of) == (0, 0)
    assert tiles_of(made)["rejected"] == "1"


def test_there_must_be_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no folder"):
        report(tmp_path / "missing")
    with pytest.raises(SetupError, match="holds no corpus"):
        report(tmp_path)


def test_a_remote_corpus_has_the_same_report(corpus: Path, tmp_path: Path) -> None:
    MemoryFileSystem.clear()
    remote = "mem://bucket/out"
    shutil.rmtree(tmp_path / "local", ignore_errors=True)
    for output in (remote, tmp_path / "local"):
        commit_corpus(output, [a_rich_recording()])
    with pytest.raises(SetupError, match="give it with --output"):
        report(remote)
    one, other = report(remote, target=str(tmp_path / "a"), title="x"), report(tmp_path / "local", title="x")
    assert content(one.page.parent) == content(other.page.parent)


@pytest.mark.parametrize("text", HOSTILE)
def test_data_cannot_end_its_script(text: str) -> None:
    script = script_of("list-0", [{"caption": text, text: 1}])
    assert "<" not in script
    assert script.isascii()
    assert json.loads(f"[{script.removeprefix('soundseam.receive(').removesuffix(');' + chr(10))}]")[1] == [
        {"caption": text, text: 1}
    ]

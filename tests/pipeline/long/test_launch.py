"""The long tables are committed shard by shard, done once, and done again exactly where something has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soundseam.pipeline.api import open_corpus
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.long.build import LongShardBuilder
from soundseam.pipeline.long.config import LongConfig, load_long_config
from soundseam.pipeline.long.launch import (
    LongGroup,
    LongSummary,
    check_long,
    prepare_long,
    read_recording_captions,
    read_windows,
    run_long,
)
from soundseam.pipeline.sft.read import Marks
from soundseam.pipeline.stages.context import StageContext
from soundseam.pipeline.storage.sweep import sweep
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.record import Record
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.corpora import Silent, commit_corpus
from tests.support.builders import recording_id_of
from tests.support.crashes import killed_everywhere

NAMES = ("a", "b", "c")
CONFIG = LongConfig()


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("long") / "out"
    commit_corpus(output, [a_rich_recording(name) for name in NAMES])
    return output


@pytest.fixture
def corpus(committed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "out"))


def build(output: Path, config: LongConfig = CONFIG, marks: Marks = Marks()) -> LongSummary:  # noqa: B008 - frozen
    return run_long(prepare_long(str(output), config, marks), 1, Silent(), runner="InProcess")


def left(output: Path, config: LongConfig = CONFIG, marks: Marks = Marks()) -> dict[str, int]:  # noqa: B008 - frozen
    return {stage.stage: stage.todo for stage in prepare_long(str(output), config, marks).plan.stages if stage.todo}


def rows(output: Path) -> list[Record]:
    captions: list[RecordingCaption] = sorted(read_recording_captions(str(output)), key=lambda row: row.recording_id)
    windows: list[Window] = sorted(read_windows(str(output)), key=lambda row: row.window_id)
    return [*captions, *windows]


def files_in(output: Path) -> dict[str, bytes]:
    tables = ("windows", "recording_captions", "_run/commits/windows", "_run/commits/recording_captions")
    return {str(path): path.read_bytes() for table in tables for path in (output / table).rglob("*") if path.is_file()}


def test_every_recording_gets_a_caption_and_what_is_done_is_not_done_again(corpus: Path) -> None:
    summary = build(corpus)
    assert summary.recordings == len(NAMES)
    assert summary.windows == sum(1 for _ in read_windows(str(corpus)))
    assert left(corpus) == {}
    before = files_in(corpus)
    build(corpus)
    assert files_in(corpus) == before


def test_a_second_build_gives_the_same_bytes(corpus: Path, committed: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(committed, tmp_path / "other"))
    build(corpus)
    build(other)
    assert list(files_in(corpus).values()) == list(files_in(other).values())


def test_what_was_left_is_finished_with_the_same_result(corpus: Path, committed: Path, tmp_path: Path) -> None:
    job = prepare_long(str(corpus), CONFIG, Marks())
    LongGroup(job.made_with, None)(job.plan.tasks[:1], ProgressLog())
    assert 0 < sum(1 for _ in read_recording_captions(str(corpus))) < len(NAMES)
    build(corpus)
    other = Path(shutil.copytree(committed, tmp_path / "other"))
    build(other)
    assert rows(corpus) == rows(other)


def build_in_this_process(output: str) -> None:
    """The first recording that is left, as a worker does, without Beam around it."""
    job = prepare_long(output, CONFIG, Marks())
    if len(job.plan.tasks) == len(NAMES):
        list(LongShardBuilder(job.made_with, StageContext(output)).build(job.plan.tasks[0]))


def test_a_build_may_be_killed_anywhere(committed: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(committed, tmp_path / "whole"))
    build(whole)
    output = Path(shutil.copytree(committed, tmp_path / "out"))
    # Each run goes on where the one before it died: the same folder sees every death.
    assert sum(1 for _ in killed_everywhere(build_in_this_process, lambda _: (str(output),))) > 5
    build(output)
    assert rows(output) == rows(whole)
    assert left(output) == {}


def test_other_windows_leave_the_captions_alone(corpus: Path) -> None:
    build(corpus)
    other = load_long_config(None, ["windows.tolerance=0.1"])
    assert left(corpus, other) == {"windows": len(NAMES)}


def test_only_a_changed_recording_is_done_again(corpus: Path) -> None:
    build(corpus)
    commit_corpus(corpus, [a_rich_recording("b")], key="2")
    sweep(str(corpus), {"segments": {recording_id_of("b"): "2"}, "captions": {recording_id_of("b"): "2"}})
    assert left(corpus) == {"windows": 1, "recording_captions": 1}


def test_marked_segments_are_in_no_window(corpus: Path) -> None:
    name = recording_id_of("a")
    segment_id = next(row for row in read_windows_of(corpus) if row.recording_id == name).segment_ids[0]
    marks = Marks(left_out={name: frozenset({segment_id})})
    assert left(corpus, marks=marks) == {"windows": 1}
    build(corpus, marks=marks)
    assert all(segment_id not in window.segment_ids for window in read_windows(str(corpus)))


def read_windows_of(output: Path) -> list[Window]:
    build(output)
    return list(read_windows(str(output)))


def test_sweeping_a_corpus_keeps_its_long_tables(corpus: Path) -> None:
    build(corpus)
    before = rows(corpus)
    sweep(str(corpus), {})
    assert rows(corpus) == before


def test_the_check_derives_every_text_again(corpus: Path) -> None:
    build(corpus)
    assert list(check_long(str(corpus))) == []
    commit_corpus(corpus, [a_rich_recording("b", shift_ms=1000)], key="2")
    sweep(str(corpus), {stage: {recording_id_of("b"): "2"} for stage in ("segments", "captions")})
    assert {one.recording_id for one in check_long(str(corpus))} == {recording_id_of("b")}


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no corpus"):
        prepare_long(str(tmp_path), CONFIG, Marks())


@pytest.mark.parametrize(
    ("override", "problem"), [("windows.tolerance=2", "windows.tolerance"), ("writer={}", "model")]
)
def test_a_wrong_option_is_named(override: str, problem: str) -> None:
    with pytest.raises(SetupError, match=problem):
        load_long_config(None, [override])


def test_the_python_api_reads_what_was_built(corpus: Path) -> None:
    build(corpus)
    view = open_corpus(corpus)
    assert [*view.recording_captions()] == [*read_recording_captions(str(corpus))]
    window = next(view.windows())
    audio = sum(len(chunk.samples) for chunk in view.window_audio(window))
    assert audio == window.span.duration_ms * 16
    assert view.inspect().recording_captions == len(NAMES)
    assert view.inspect().windows == sum(1 for _ in view.windows())

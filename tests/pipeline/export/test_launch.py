"""An export is written part by part: done once, resumed after a kill, made again only where something changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions, Item, PartWriter
from soundseam.pipeline.export.formats import FORMATS, format_named
from soundseam.pipeline.export.launch import run_export
from soundseam.pipeline.export.lines import LinesWriter
from soundseam.pipeline.export.plan import plan_export
from soundseam.pipeline.export.shards import WebDatasetWriter
from soundseam.pipeline.export.tokens import audio_tokens, text_tokens
from soundseam.pipeline.storage import files
from tests.pipeline.export.exports import HALF, audio_in, export, make_corpus, samples_in, tree
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.corpora import build_samples, commit_corpus
from tests.support.memory_files import MemoryFileSystem


@pytest.fixture(autouse=True)
def _a_part_for_each_shard() -> Iterator[None]:
    """Small parts, so that a small corpus has several; a patch of its own, which a test's `undo` leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soundseam.pipeline.export.plan.PART_BYTES", 1)
        yield


every_format = pytest.mark.parametrize("to", list(FORMATS))


@every_format
def test_what_is_written_is_not_written_again(corpus: Path, tmp_path: Path, to: str) -> None:
    first = export(corpus, tmp_path, to)
    before = tree(tmp_path)
    second = export(corpus, tmp_path, to)
    # Equal shards are parts of their own: clips and pairs of two splits.
    assert first.parts_written == first.plan_parts == (4 if format_named(to).equal_shards else 5)
    assert second.parts_written == 0
    assert second.counts == first.counts
    assert tree(tmp_path) == before


@every_format
def test_equal_samples_give_equal_files(corpus: Path, tmp_path: Path, to: str) -> None:
    export(corpus, tmp_path / "one", to, audio_root="")
    export(corpus, tmp_path / "other", to, audio_root="")
    assert tree(tmp_path / "one") == tree(tmp_path / "other")


@pytest.mark.parametrize("to", ["moss", "webdataset"])
def test_an_export_that_was_cut_off_is_finished_with_the_same_result(
    corpus: Path, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, cut_off_at = 0, len(samples_in(corpus)) * 3 // 4

    class CutOffError(Exception):
        pass

    def cut_off(self: PartWriter, item: Item) -> str | None:
        nonlocal written
        written += 1
        if written == cut_off_at:
            raise CutOffError
        return original(self, item)

    target: type[PartWriter] = {"moss": LinesWriter, "webdataset": WebDatasetWriter}[to]
    original = target.write
    monkeypatch.setattr(target, "write", cut_off)
    with pytest.raises(CutOffError):
        export(corpus, tmp_path / "cut", to, audio_root="")
    assert not (tmp_path / "cut" / "README.md").exists()
    monkeypatch.undo()
    rest = export(corpus, tmp_path / "cut", to, audio_root="")
    assert 0 < rest.parts_written < rest.plan_parts
    export(corpus, tmp_path / "whole", to, audio_root="")
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")


def test_workers_write_the_same(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path / "one", "webdataset")
    export(corpus, tmp_path / "two", "webdataset", workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_only_parts_whose_samples_changed_are_written_again(tmp_path: Path) -> None:
    unbalanced = HALF.model_copy(update={"max_guessed": 1.0, "validation_share": 0.0})
    corpus = make_corpus(tmp_path / "corpus", unbalanced)
    export(corpus, tmp_path / "out", "moss")
    commit_corpus(corpus, [a_rich_recording("rec9")])
    build_samples(corpus, unbalanced)
    assert export(corpus, tmp_path / "out", "moss").parts_written == 1
    assert len(list((tmp_path / "out" / "audio").iterdir())) == 6


def test_another_choice_is_refused_unless_it_may_replace_what_was_there(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path / "out", "llamafactory")
    before = tree(tmp_path / "out")
    for options in ({"tasks": ["key"]}, {"audio_root": "/data"}):
        with pytest.raises(SetupError, match=r"made with other options .* or give --replace"):
            export(corpus, tmp_path / "out", "llamafactory", **options)
    with pytest.raises(SetupError, match="made with other options"):
        export(corpus, tmp_path / "out", "webdataset", tasks=["key"])
    assert tree(tmp_path / "out") == before
    export(corpus, tmp_path / "out", "webdataset", tasks=["key"], replace=True)
    export(corpus, tmp_path / "fresh", "webdataset", tasks=["key"])
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in (tmp_path / "fresh").iterdir()
    )


def test_an_export_of_another_corpus_is_not_replaced(corpus: Path, tmp_path: Path) -> None:
    commit_corpus(tmp_path / "other", [a_rich_recording("rec9")])
    build_samples(tmp_path / "other", HALF)
    export(corpus, tmp_path / "out", "moss")
    before = tree(tmp_path / "out")
    with pytest.raises(SetupError, match="another corpus"):
        export(tmp_path / "other", tmp_path / "out", "moss")
    assert tree(tmp_path / "out") == before


@every_format
def test_files_that_no_export_wrote_are_never_overwritten(corpus: Path, tmp_path: Path, to: str) -> None:
    for name in ("README.md", *format_named(to).indexes):
        target = tmp_path / name.replace("/", "-")
        (target / name).parent.mkdir(parents=True)
        (target / name).write_text("mine")
        for replace in (False, True):
            with pytest.raises(
                SetupError, match=rf"{name} in .* was not written by an export: choose another --output"
            ):
                export(corpus, target, to, replace=replace)
        assert [path for path in target.rglob("*") if path.is_file()] == [target / name]
        assert (target / name).read_text() == "mine"


def test_files_of_somebody_else_beside_an_export_stay(corpus: Path, tmp_path: Path) -> None:
    mine = [tmp_path / name for name in ("tables/mine/a.txt", "audio/mine.wav", "data/key/notes.txt", "notes.md")]
    for path in mine:
        path.parent.mkdir(parents=True) if not path.parent.exists() else None
        path.write_text("mine")
    export(corpus, tmp_path, "hf")
    export(corpus, tmp_path, "moss", replace=True)
    export(corpus, tmp_path, "hf", replace=True, tables=False)
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)


def test_a_readme_that_somebody_edited_is_not_overwritten(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "moss")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(SetupError, match="was changed since it was exported"):
        export(corpus, tmp_path, "moss")
    assert (tmp_path / "README.md").read_text() == "mine"


@every_format
def test_every_file_beside_the_parts_is_known_beforehand(corpus: Path, tmp_path: Path, to: str) -> None:
    summary = export(corpus, tmp_path, to)
    assert set(summary.indexes) <= {"README.md", *format_named(to).indexes}
    beside = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert beside <= {"README.md", *format_named(to).indexes}


@pytest.mark.parametrize("damage", ["gone", "cut off", "lines cut off"])
def test_an_export_of_which_files_are_lost_is_completed(corpus: Path, tmp_path: Path, damage: str) -> None:
    export(corpus, tmp_path / "out", "moss")
    before = tree(tmp_path / "out")
    audio = next((tmp_path / "out" / "audio").rglob("*.wav"))
    if damage == "gone":
        audio.unlink()
    elif damage == "cut off":
        audio.write_bytes(audio.read_bytes()[:100])
    else:
        (tmp_path / "out" / "train.jsonl").write_text("{")
    assert export(corpus, tmp_path / "out", "moss").parts_written == (0 if damage == "lines cut off" else 1)
    assert tree(tmp_path / "out") == before


def test_nothing_to_export_is_an_error_and_leaves_an_earlier_export_alone(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    export(corpus, tmp_path / "out", "moss")
    before = tree(tmp_path / "out")
    for path in (corpus / "_run" / "commits" / "segments").rglob("*.json"):
        path.unlink()
    commit_corpus(corpus, [a_rich_recording("rec1", shift_ms=60_000)], key="2")
    with pytest.raises(SetupError, match="whose segments are gone: run soundseam sft"):
        export(corpus, tmp_path / "out", "moss")
    assert tree(tmp_path / "out") == before
    with pytest.raises(SetupError, match="no sample of"):
        export(corpus, tmp_path / "new", "moss")
    assert not (tmp_path / "new").exists()


def test_an_export_without_any_part_says_that_there_is_no_sample_and_leaves_nothing(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    for path in (corpus / "_run" / "commits" / "segments").rglob("*.json"):
        path.unlink()
    for made_before in (False, True):
        target = tmp_path / f"new-{made_before}"
        if made_before:
            target.mkdir()
        with pytest.raises(SetupError, match="no sample of"):
            export(corpus, target, "moss")
        assert target.exists() == made_before
        assert not made_before or not list(target.iterdir())


def test_nothing_unfinished_is_left_behind(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "hf")
    assert not (tmp_path / "_export" / "scratch").exists()
    assert not list(tmp_path.rglob(".tmp-*"))


def test_hours_and_tokens_are_counted(corpus: Path, tmp_path: Path) -> None:
    counts = export(corpus, tmp_path, "llamafactory").counts
    samples = samples_in(corpus).values()
    assert counts.amount.audio_ms == sum(sample.audio_ms for sample in samples)
    assert counts.clips_ms == sum(len(audio) // 16 for audio in audio_in(corpus).values())
    assert counts.amounts["key"].audio_ms == sum(sample.audio_ms for sample in samples if sample.task == "key")
    assert set(counts.amounts) == {sample.task for sample in samples}
    assert counts.total == len(samples)
    assert sum(counts.languages.values()) == counts.total
    assert counts.amount.text_tokens > 10 * counts.total


def test_a_clip_is_frames_and_the_digits_of_times() -> None:
    # 12 s: 150 frames, and 2, 4, 6, 8, 10, 12.
    assert audio_tokens(12_000) == 150 + 4 + 2 * 2
    assert audio_tokens(0) == 0
    assert text_tokens("四个字。") == 4
    assert text_tokens("fourteen chars") == 3


def test_a_corpus_without_samples_is_refused(tmp_path: Path) -> None:
    commit_corpus(tmp_path, [a_rich_recording()])
    with pytest.raises(SetupError, match="build them with soundseam sft"):
        plan_export(str(tmp_path), str(tmp_path / "out"), ExportOptions(to="moss"))


def test_a_corpus_is_not_written_into(corpus: Path) -> None:
    before = sorted(corpus.iterdir())
    with pytest.raises(SetupError, match="is a corpus"):
        export(corpus, corpus, "moss")
    assert sorted(corpus.iterdir()) == before


def test_names_that_are_none_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no format csv \(one of moss"):
        format_named("csv")
    with pytest.raises(SetupError, match="no samples of dance"):
        export(corpus, tmp_path, "moss", tasks=["dance"])


def test_the_audio_of_a_segment_is_written_once(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "swift")
    names = [path.stem for path in (tmp_path / "audio").rglob("*.flac")]
    assert sorted(names) == sorted(audio_in(corpus))


@pytest.mark.parametrize("to", ["moss", "webdataset", "hf"])
def test_a_remote_folder_gets_the_same_files(corpus: Path, tmp_path: Path, to: str) -> None:
    MemoryFileSystem.clear()
    target = "mem://bucket/export"
    plan = plan_export(str(corpus), target, ExportOptions(to=to, audio_root="", tasks=("key", "comparison")))
    assert run_export(plan, 1, lambda done, parts: None).parts_written == len(plan.parts)
    export(corpus, tmp_path, to, audio_root="", tasks=["key", "comparison"])
    written = {
        files.relative_to(stat.uri, target): files.read_bytes(stat.uri)
        for stat in files.list_files(target)
        if not stat.uri.endswith(("export.json", "layout.json"))
    }
    assert written == tree(tmp_path)
    assert run_export(plan, 1, lambda done, parts: None).parts_written == 0

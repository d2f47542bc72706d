"""What is not ours stays as it is: folders with other things are refused, and what we wrote is never read as audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.launch import output_in_use
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.ownership import check_output, require_corpus
from soundseam.schemas.tables import Table


def a_file(path: Path, content: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def names_listed(inputs: Path | str, output: Path) -> list[str]:
    return sorted(Path(source.uri).name for source in list_sources([str(inputs)], None, str(output)).sources)


@pytest.mark.parametrize("folder", [*Table, "windows", "sft", "sft/asr", "duplicates", "_run", "_run/commits"])
def test_a_folder_with_files_where_tables_would_go_is_refused(folder: str, tmp_path: Path) -> None:
    mine = a_file(tmp_path / folder / "mine.txt")
    with pytest.raises(SetupError, match=r"mine\.txt is in the way: .* Choose another --output"):
        check_output(str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_tables_without_their_markers_are_not_taken_for_a_new_corpus(tmp_path: Path) -> None:
    a_file(tmp_path / "segments" / f"0001-{'0' * 16}-{'1' * 16}.parquet")
    with pytest.raises(SetupError, match="is in the way"):
        check_output(str(tmp_path))


def test_a_new_folder_an_empty_one_and_one_with_other_things_are_fine(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    a_file(tmp_path / "segments" / ".gitkeep")
    a_file(tmp_path / "notes" / "mine.txt")
    a_file(tmp_path / "song.wav")
    for output in (tmp_path, tmp_path / "new", tmp_path / "new" / "deep"):
        check_output(str(output))
    assert not (tmp_path / "new").exists()


def test_a_corpus_is_continued_whatever_somebody_put_beside_its_files(tmp_path: Path) -> None:
    prepare_output(str(tmp_path))
    a_file(tmp_path / "captions" / "notes.txt")
    check_output(str(tmp_path))


@pytest.mark.parametrize("output", ["", " ", "\n"])
def test_an_empty_name_is_no_folder(output: str) -> None:
    for check in (check_output, require_corpus):
        with pytest.raises(SetupError, match="is empty"):
            check(output)


@pytest.mark.parametrize("below", ["", "/out", "/deep/out"])
def test_a_file_is_no_folder(below: str, tmp_path: Path) -> None:
    mine = a_file(tmp_path / "a.wav")
    with pytest.raises(SetupError, match=r"a\.wav is a file: choose another --output"):
        check_output(f"{mine}{below}")
    assert mine.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    with (
        pytest.raises(SetupError, match=r"/proc/out cannot be written to: .*Choose another --output"),
        output_in_use("/proc/out"),
    ):
        raise AssertionError


@pytest.mark.parametrize("name", ["mistyped", "mistyped/deep", "there"])
def test_a_folder_without_a_corpus_is_refused_and_stays_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(SetupError, match=r"there is no folder|holds no corpus"):
        require_corpus(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["there"]


@pytest.mark.parametrize("existing", [(), ("out",), ("out", "out/_run")])
def test_a_launch_that_begins_nothing_leaves_nothing_behind(existing: tuple[str, ...], tmp_path: Path) -> None:
    for name in existing:
        (tmp_path / name).mkdir()
    with pytest.raises(SetupError), output_in_use(str(tmp_path / "out")):
        raise SetupError("nothing to read")
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == set(existing)


@pytest.mark.parametrize(
    "inputs", ["{out}", "{out}/recordings", "{out}/recordings/a.wav", "{out}/*.wav", "{out}/../out/recordings"]
)
def test_inputs_in_the_output_are_refused(inputs: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    a_file(out / "recordings" / "a.wav")
    a_file(out / "b.wav")
    (tmp_path / "link").symlink_to(out, target_is_directory=True)
    for name in (out, tmp_path / "link"):
        with pytest.raises(SetupError, match=r"is inside --output|Files written by Soundseam"):
            list_sources([inputs.format(out=name)], None, str(out))


def test_a_manifest_that_names_something_in_the_output_is_refused(tmp_path: Path) -> None:
    a_file(tmp_path / "out" / "a.wav")
    manifest = a_file(tmp_path / "m.csv", "uri\nout/a.wav\n")
    with pytest.raises(SetupError, match=r"out/a\.wav is inside --output"):
        list_sources([str(manifest)], None, str(tmp_path / "out"))


def test_a_manifest_may_lie_in_the_output(tmp_path: Path) -> None:
    audio = a_file(tmp_path / "a.wav")
    manifest = a_file(tmp_path / "out" / "m.csv", f"uri\n{audio}\n")
    assert names_listed(manifest, tmp_path / "out") == ["a.wav"]


@pytest.mark.parametrize("pattern", ["", "/**/*.flac", "/*", "/*/*/*.flac"])
def test_what_we_wrote_is_not_read_again(pattern: str, tmp_path: Path) -> None:
    a_file(tmp_path / "in" / "mine.flac", "1")
    a_file(tmp_path / "in" / "more" / "too.flac", "2")
    for name, mark, audio in (
        ("out", "_run/layout.json", "report/media/x.flac"),
        ("other/page", "soundseam-report.json", "media/x.flac"),
        ("moss", "_export/layout.json", "audio/part/x.flac"),
        ("old", "_export/export.json", "audio/part/x.flac"),
    ):
        a_file(tmp_path / "in" / name / mark, "{}")
        a_file(tmp_path / "in" / name / audio, name)
    expected = {"/*/*/*.flac": None, "/**/*.flac": ["mine.flac", "too.flac"]}.get(pattern, ["mine.flac", "too.flac"])
    if expected is None:
        with pytest.raises(SetupError, match="Files written by Soundseam"):
            names_listed(f"{tmp_path}/in{pattern}", tmp_path / "in" / "out")
    else:
        assert names_listed(f"{tmp_path}/in{pattern}", tmp_path / "in" / "out") == expected


def test_audio_of_somebody_else_beside_an_export_is_read(tmp_path: Path) -> None:
    a_file(tmp_path / "project" / "_export" / "layout.json", "{}")
    a_file(tmp_path / "project" / "audio" / "part" / "ours.flac", "1")
    a_file(tmp_path / "project" / "recordings" / "mine.flac", "2")
    assert names_listed(tmp_path / "project", tmp_path / "out") == ["mine.flac"]

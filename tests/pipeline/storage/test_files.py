from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat, UnsupportedSchemeError
from tests.support.memory_files import CLOCK_S, MemoryFileSystem

ODD_NAMES = ("-rf", "a b", "née [1].*?.wav", "line\nbreak", "ö" * 127, "日本語.wav", "%41", "?#;=@")


@pytest.fixture(params=["local", "beam", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder of each kind: what holds for one holds for the others."""
    MemoryFileSystem.clear()
    if request.param == "s3":
        yield request.getfixturevalue("bucket")
    else:
        yield str(tmp_path) if request.param == "local" else "mem://bucket/folder"
    MemoryFileSystem.clear()


def test_what_is_written_is_read(folder: str) -> None:
    uri = files.join(folder, "a", "b.json")
    assert not files.exists(uri)
    files.write_atomically(uri, b"one")
    files.write_atomically(uri, b"two")
    assert files.exists(uri)
    assert files.read_bytes(uri) == b"two"


def test_a_listing_has_every_file_below_in_order(folder: str) -> None:
    for name in ("b", "a/c", "a/b/d"):
        files.write_atomically(files.join(folder, name), name.encode())
    files.write_atomically(folder + "-beside/x", b"")
    found = files.list_files(folder)
    assert [files.relative_to(stat.uri, folder) for stat in found] == ["a/b/d", "a/c", "b"]
    assert [stat.size_bytes for stat in found] == [5, 3, 1]
    assert files.list_files(folder + "/") == found


def test_a_folder_that_is_not_there_lists_nothing(folder: str) -> None:
    assert files.list_files(files.join(folder, "nowhere")) == []


def test_nothing_unfinished_is_left(folder: str, tmp_path: Path) -> None:
    source = tmp_path / "finished"
    source.write_bytes(b"data")
    files.write_atomically(files.join(folder, "out", "x"), b"data")
    files.publish(source, files.join(folder, "out", "y"))
    assert [files.name_of(stat.uri) for stat in files.list_files(files.join(folder, "out"))] == ["x", "y"]
    assert not source.exists()


def test_publishing_replaces_what_was_there(folder: str, tmp_path: Path) -> None:
    uri = files.join(folder, "out", "x")
    files.write_atomically(uri, b"old")
    source = tmp_path / "finished"
    source.write_bytes(b"new")
    files.publish(source, uri)
    assert files.read_bytes(uri) == b"new"


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second disk at hand")
def test_a_file_from_another_disk_is_published_too(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        source = Path(elsewhere, "finished")
        source.write_bytes(b"data")
        if source.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("one disk for both")
        files.publish(source, str(tmp_path / "x"))
        assert not source.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_deleting_what_is_gone_is_no_error(folder: str) -> None:
    uri = files.join(folder, "x")
    files.write_atomically(uri, b"data")
    files.delete([uri, uri])
    assert not files.exists(uri)


def test_a_local_copy_has_the_bytes(folder: str) -> None:
    uri = files.join(folder, "x.gz")
    files.write_atomically(uri, b"not compressed")
    with files.local_copy(uri) as path:
        assert path.read_bytes() == b"not compressed"
    assert path.exists() == files.is_local(uri)


def test_a_missing_file_is_an_error_of_the_operating_system(folder: str) -> None:
    uri = files.join(folder, "x")
    with pytest.raises(FileNotFoundError):
        files.read_bytes(uri)
    with pytest.raises(FileNotFoundError):
        files.stat_file(uri)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(folder: str, name: str) -> None:
    if folder.startswith("s3://") and "\n" in name:
        with pytest.raises(OSError, match="illegal character"):
            files.write_atomically(files.join(folder, "sub", name), b"data")
        return
    uri = files.join(folder, "sub", name)
    files.write_atomically(uri, b"data")
    assert files.read_bytes(uri) == b"data"
    assert [stat.uri for stat in files.list_files(files.join(folder, "sub"))] == [uri]


def test_a_folder_with_glob_characters_is_taken_literally(folder: str) -> None:
    files.write_atomically(files.join(folder, "[ab]*", "x"), b"")
    files.write_atomically(files.join(folder, "a", "y"), b"")
    assert [files.name_of(stat.uri) for stat in files.list_files(files.join(folder, "[ab]*"))] == ["x"]


def test_a_remote_file_shows_when_it_changed() -> None:
    uri = MemoryFileSystem.put("mem://bucket/x", b"abc")
    assert files.stat_file(uri) == FileStat(uri, 3, CLOCK_S)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    # A folder in the file's place: the rename at the end fails.
    (tmp_path / "x" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="x"):
        files.write_atomically(str(tmp_path / "x"), b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "x")
    (tmp_path / "a" / "broken").symlink_to(tmp_path / "gone")
    assert [files.name_of(stat.uri) for stat in files.list_files(str(tmp_path))] == ["link", "x"]


def test_only_regular_files_are_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert files.list_files(str(tmp_path)) == []
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(IsADirectoryError):
            files.stat_file(str(path))


def test_a_file_uri_is_a_local_path(tmp_path: Path) -> None:
    path = tmp_path / "a b%.wav"
    path.write_bytes(b"data")
    assert files.local_path(path.as_uri()) == path
    assert files.read_bytes(path.as_uri()) == b"data"


@pytest.mark.parametrize("part", ["../x", "a/../../x", "/etc/passwd", "..", "", "a\0b"])
def test_a_part_never_leads_out_of_its_folder(part: str) -> None:
    for base in ("out", "mem://bucket/out"):
        with pytest.raises(ValueError, match="does not stay inside"):
            files.join(base, "a", part)


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_joined_parts_come_back(parts: list[str]) -> None:
    if ".." in parts:
        return
    for base in ("out", "/", "mem://bucket/out/"):
        assert files.relative_to(files.join(base, *parts), base) == "/".join(parts)


def test_an_unknown_scheme_is_named_without_its_secrets() -> None:
    with pytest.raises(UnsupportedSchemeError, match="gopher://") as caught:
        files.read_bytes("gopher://key:secret@h.example/x?sig=secret")
    assert "secret" not in str(caught.value)


def test_an_error_of_a_remote_filesystem_tells_no_secret() -> None:
    with pytest.raises(OSError, match="mem://bucket/x") as caught:
        files.read_bytes("mem://key:secret@bucket/x?sig=secret")
    assert "secret" not in str(caught.value)


def test_scratch_space_lies_on_the_disk_of_a_local_output(tmp_path: Path) -> None:
    scratch = files.scratch_folder(str(tmp_path))
    assert scratch is not None
    assert Path(scratch).is_relative_to(tmp_path)
    assert files.scratch_folder("mem://bucket/out") is None


@given(st.lists(st.sampled_from(["a", "b.wav", ".hidden", ".", "..", ""]), max_size=5).map("/".join))
def test_a_plain_path_is_spelled_as_pathlib_spells_it(name: str) -> None:
    path = f"/{name}"
    assert not files.is_plain_path(path) or str(Path(path).absolute()) == path
    assert files.is_plain_path("/a/b.wav")
    assert not files.is_plain_path("a/b.wav")

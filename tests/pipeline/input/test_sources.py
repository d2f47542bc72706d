"""From inputs to sources: what is found, what is joined, what is left out and why."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.input.index import SourceIndex
from soundseam.pipeline.input.inputs import source_uri_of
from soundseam.pipeline.input.sources import Part, list_sources
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.files import FileStat
from tests.pipeline.input.builders import manifest, names, put, reasons
from tests.support.memory_files import MemoryFileSystem


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    MemoryFileSystem.clear()
    yield
    MemoryFileSystem.clear()


def test_a_folder_gives_the_audio_and_video_below_it(tmp_path: Path) -> None:
    for name in (
        "b.wav",
        "sub/deep/a.MP3",
        "sub/film.mkv",
        "README.txt",
        "m.jsonl",
        ".hidden.wav",
        ".git/x.wav",
        "wav",
    ):
        put(tmp_path / name)
    listing = list_sources([str(tmp_path)])
    assert names(listing) == ["b.wav", "a.MP3", "film.mkv"]
    (left_out,) = listing.rejected
    assert left_out.reason == "left_out_by_suffix"
    assert left_out.detail == (
        "3 files of the folder were skipped because of their suffix: 1 .jsonl, 1 .txt, 1 without one"
    )


def test_a_folder_of_which_everything_is_left_out_names_no_recording(tmp_path: Path) -> None:
    put(tmp_path / "README.txt")
    with pytest.raises(SetupError, match="matches no recording"):
        list_sources([str(tmp_path)])


def test_rare_suffixes_of_audio_are_read(tmp_path: Path) -> None:
    suffixes = ["sph", "3gpp", "weba", "mpga", "awb", "bwf", "m4r", "nist", "rf64", "mp1", "qt"]
    for suffix in suffixes:
        put(tmp_path / f"x.{suffix}")
    assert names(list_sources([str(tmp_path)])) == sorted(f"x.{suffix}" for suffix in suffixes)


def test_a_folder_with_links_in_a_circle_comes_to_an_end(tmp_path: Path) -> None:
    put(tmp_path / "sub" / "a.wav")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    assert names(list_sources([str(tmp_path)])) == ["a.wav"]


def test_a_hidden_folder_is_read_when_it_is_named(tmp_path: Path) -> None:
    put(tmp_path / ".data" / "a.wav")
    assert names(list_sources([str(tmp_path / ".data")])) == ["a.wav"]


def test_a_glob_gives_what_fits_whatever_the_suffix(tmp_path: Path) -> None:
    for name in ("a1.raw", "a2.wav", "b.wav", "sub/a3.wav"):
        put(tmp_path / name)
    assert names(list_sources([f"{tmp_path}/a*"])) == ["a1.raw", "a2.wav"]
    assert names(list_sources([f"{tmp_path}/**/a*"])) == ["a1.raw", "a2.wav", "a3.wav"]


def test_a_name_with_glob_characters_that_exists_is_taken_literally(tmp_path: Path) -> None:
    put(tmp_path / "a[1]*.wav")
    put(tmp_path / "a1x.wav")
    assert names(list_sources([str(tmp_path / "a[1]*.wav")])) == ["a[1]*.wav"]


@pytest.mark.parametrize("name", ["née 日本.wav", "-rf.wav", "a\nb.wav", "x?y=1#z.wav", "ö" * 125 + ".wav"])
def test_any_name_is_listed(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    (source,) = list_sources([str(tmp_path)]).sources
    assert Path(source.uri) == tmp_path / name
    assert source.source_uri == f"{tmp_path}/{name}"


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_name_that_is_not_utf8_is_written_so_that_it_is(tmp_path: Path) -> None:
    path = put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")))
    (source,) = list_sources([str(tmp_path)]).sources
    assert source.uri == path.as_uri()
    assert source.source_uri == f"{tmp_path}/caf\\xe9.wav"
    assert source.recording_id == hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def test_a_path_stays_relative_or_absolute_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in" / "a.wav")
    monkeypatch.chdir(tmp_path)
    assert list_sources(["in"]).sources[0].source_uri == "in/a.wav"
    assert list_sources(["./in//"]).sources[0].source_uri == "in/a.wav"
    assert list_sources([str(tmp_path / "in")]).sources[0].source_uri == f"{tmp_path}/in/a.wav"
    assert source_uri_of((tmp_path / "in" / "a.wav").as_uri()) == f"{tmp_path}/in/a.wav"


def test_the_id_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", b"bytes")
    (source,) = list_sources([str(tmp_path)]).sources
    assert source.recording_id == hashlib.sha256(b"bytes").hexdigest()[:32]
    assert source.size_bytes == 5


def test_of_equal_files_the_first_by_name_is_kept(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav", "c.wav"):
        put(tmp_path / name, b"same")
    listing = list_sources([str(tmp_path / "c.wav"), str(tmp_path)])
    assert names(listing) == ["a.wav"]
    assert reasons(listing) == {"b.wav": "duplicate", "c.wav": "duplicate"}
    assert {row.detail for row in listing.rejected} == {f"the same bytes as {tmp_path}/a.wav"}


def test_a_file_that_is_named_twice_is_one_source(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    listing = list_sources([str(tmp_path), str(tmp_path / "a.wav"), f"{tmp_path}/*.wav"])
    assert (names(listing), listing.rejected) == (["a.wav"], ())


def test_an_empty_file_a_missing_one_and_a_folder_are_rejected(tmp_path: Path) -> None:
    put(tmp_path / "empty.wav", b"")
    put(tmp_path / "good.wav")
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    rows = [{"uri": f"{name}.wav"} for name in ("empty", "gone", "good", "folder", "pipe")]
    listing = list_sources([manifest(tmp_path, *rows, {"uri": "good.wav/x"}, {"uri": "long" * 99})])
    assert names(listing) == ["good.wav"]
    assert reasons(listing) == {
        "empty.wav": "empty_file",
        "gone.wav": "missing_file",
        "folder.wav": "not_a_file",
        "pipe.wav": "not_a_file",
        "x": "unreadable",
        "long" * 99: "unreadable",
    }
    assert {row.stage for row in listing.rejected} == {"list"}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Permissions hold inside, also for root: this thread and those it starts look at files as nobody."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may read everything here")
    libc = ctypes.CDLL(None)
    libc.setfsuid(65534)
    try:
        yield
    finally:
        libc.setfsuid(0)


def test_a_file_without_permission_is_rejected(tmp_path: Path) -> None:
    # Not below tmp_path, which belongs to root where root runs the tests.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        put(folder / "good.wav")
        put(folder / "secret.wav").chmod(0)
        put(folder / "closed" / "x.wav")
        (folder / "closed").chmod(0)
        with without_privileges():
            listing = list_sources([name])
        (folder / "closed").chmod(0o755)
    assert names(listing) == ["good.wav"]
    assert reasons(listing) == {"secret.wav": "unreadable", "closed": "unreadable"}
    assert {row.detail for row in listing.rejected} == {
        "Permission denied",
        "the folder cannot be listed: Permission denied",
    }


def test_remote_folders_globs_files_and_manifests_are_inputs(tmp_path: Path) -> None:
    for name in ("in/a.wav", "in/sub/b.flac", "in/notes.txt", "in/.hidden.wav", "other/c.wav"):
        MemoryFileSystem.put(f"mem://bucket/{name}", name.encode())
    MemoryFileSystem.put("mem://bucket/m.csv", b"uri,license\nin/a.wav,CC0-1.0\nother/c.wav,\n")
    assert names(list_sources(["mem://bucket/in"])) == ["a.wav", "b.flac"]
    assert names(list_sources(["mem://bucket/in/"])) == ["a.wav", "b.flac"]
    assert names(list_sources(["mem://bucket/*/*.wav"])) == [".hidden.wav", "a.wav", "c.wav"]
    assert names(list_sources(["mem://bucket/in/notes.txt"])) == ["notes.txt"]
    assert names(list_sources(["mem://bucket/m.csv"])) == ["a.wav", "c.wav"]


def test_the_same_audio_has_the_same_id_wherever_it_lies(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", b"bytes")
    MemoryFileSystem.put("mem://bucket/b.wav", b"bytes")
    (local,) = list_sources([str(tmp_path)]).sources
    (remote,) = list_sources(["mem://bucket/b.wav"]).sources
    assert local.recording_id == remote.recording_id
    assert local.content_key == remote.content_key


def test_a_scheme_that_nothing_reads_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    rows: list[dict[str, str | int]] = [{"uri": "https://u:secret@h.example/x.wav?sig=secret"}, {"uri": "a.wav"}]
    listing = list_sources([manifest(tmp_path, *rows)])
    assert names(listing) == ["a.wav"]
    (row,) = listing.rejected
    assert (row.reason, row.source_uri) == ("unsupported_scheme", "https://h.example/x.wav")
    assert "copy the files to a local folder" in row.detail
    assert "secret" not in row.detail


def test_no_secret_reaches_what_is_written(tmp_path: Path) -> None:
    MemoryFileSystem.put("mem://key:secret@bucket/a.wav?sig=secret", b"bytes")
    index = SourceIndex(str(tmp_path / "index.parquet"))
    listing = list_sources(["mem://key:secret@bucket/a.wav?sig=secret"], index)
    index.save()
    (source,) = listing.sources
    assert source.source_uri == "mem://bucket/a.wav"
    assert b"secret" not in (tmp_path / "index.parquet").read_bytes()


@pytest.mark.parametrize("item", ["nowhere", "*.wav", "https://h.example/x.wav", "mem://bucket/nowhere"])
def test_an_input_that_names_nothing_is_a_wrong_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError) as caught:
        list_sources([item])
    assert "\n" not in str(caught.value)


def test_a_folder_without_audio_is_a_wrong_set_up(tmp_path: Path) -> None:
    put(tmp_path / "README.txt")
    with pytest.raises(SetupError, match="matches no recording: give a folder with audio"):
        list_sources([str(tmp_path)])


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), max_size=20), st.integers(1, 7))
def test_each_file_is_in_exactly_one_part(names: list[str], total: int) -> None:
    parts = [Part(number=number, total=total) for number in range(1, total + 1)]
    for name in names:
        assert sum(part.holds(name) for part in parts) == 1


def test_parts_have_together_what_the_whole_has(tmp_path: Path) -> None:
    for name in "abcdef":
        put(tmp_path / f"{name}.wav", name.encode())
    put(tmp_path / "empty.wav", b"")
    whole = list_sources([str(tmp_path)])
    parts = [list_sources([str(tmp_path)], part=Part.parse(f"{number}/3")) for number in (1, 2, 3)]
    assert sorted(source.uri for part in parts for source in part.sources) == [source.uri for source in whole.sources]
    assert [row for part in parts for row in part.rejected] == list(whole.rejected)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/1000000", "٣/٤"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="is not K/N"):
        Part.parse(text)


def test_an_index_takes_in_those_of_parts(tmp_path: Path) -> None:
    path = put(tmp_path / "in" / "a.wav", b"before")
    of_part, whole = str(tmp_path / "part.parquet"), str(tmp_path / "whole.parquet")
    index = SourceIndex(of_part)
    list_sources([str(path)], index)
    index.save()
    SourceIndex(whole, [of_part, str(tmp_path / "gone.parquet")]).save()
    assert SourceIndex(whole).recording_id(files.stat_file(str(path))) == index.recording_id(files.stat_file(str(path)))


def test_the_index_spares_reading_what_has_not_changed(tmp_path: Path) -> None:
    path = put(tmp_path / "in" / "a.wav", b"before")
    index_path = str(tmp_path / "index.parquet")
    first = SourceIndex(index_path)
    before = list_sources([str(tmp_path / "in")], first)
    first.save()
    # Other bytes of the same length at the same time: only who reads them can tell.
    times = path.stat()
    path.write_bytes(b"after!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert list_sources([str(tmp_path / "in")], SourceIndex(index_path)) == before
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000_000))
    assert list_sources([str(tmp_path / "in")], SourceIndex(index_path)) != before


def test_a_damaged_index_is_an_empty_one(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    put(tmp_path / "index.parquet", b"not parquet")
    index = SourceIndex(str(tmp_path / "index.parquet"))
    before = list_sources([str(tmp_path / "a.wav")], index)
    index.save()
    assert list_sources([str(tmp_path / "a.wav")], SourceIndex(str(tmp_path / "index.parquet"))) == before


def test_an_index_that_learned_nothing_is_not_written(tmp_path: Path) -> None:
    index = SourceIndex(str(tmp_path / "index.parquet"))
    index.save()
    assert not (tmp_path / "index.parquet").exists()


def test_adding_a_recording_changes_no_other(tmp_path: Path) -> None:
    put(tmp_path / "b.wav")
    (before,) = list_sources([str(tmp_path)]).sources
    put(tmp_path / "a.wav")
    put(tmp_path / "c.wav")
    assert before in list_sources([str(tmp_path)]).sources


def test_a_file_with_the_checksum_of_its_store_is_known_whenever_it_was_written(tmp_path: Path) -> None:
    index = SourceIndex(str(tmp_path / "index.parquet"))
    index.remember(FileStat("s3://bucket/a.wav", 9, 1.0, "etag"), "f" * 32)
    assert index.recording_id(FileStat("s3://bucket/a.wav", 9, 2.0, "etag")) == "f" * 32
    assert index.recording_id(FileStat("s3://bucket/a.wav", 9, 1.0, "other")) is None
    assert index.recording_id(FileStat("s3://bucket/b.wav", 9, 1.0, "etag")) is None

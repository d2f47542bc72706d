"""What is read of a source are the bytes that were hashed, or a reject that may pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.input.source_file import open_source
from soundseam.pipeline.input.sources import list_sources
from soundseam.schemas.recording import PASSING_REASONS, Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "a.wav").write_bytes(b"these bytes")
    (source,) = list_sources([str(tmp_path / "a.wav")]).sources
    return source


def reason_of(source: Source) -> str:
    with pytest.raises(DecodeError) as raised, open_source(source):
        pass
    assert raised.value.reason in PASSING_REASONS
    return raised.value.reason


def test_a_file_that_is_as_it_was_listed_is_opened(source: Source) -> None:
    with open_source(source) as file:
        assert file.path.read_bytes() == b"these bytes"
        file.check()


@pytest.mark.parametrize("content", [b"other bytes", b"", b"these bytes and more"])
def test_a_file_that_was_replaced_since_it_was_listed_is_not_read(source: Source, content: bytes) -> None:
    Path(source.uri).write_bytes(content)
    assert reason_of(source) == "changed_since_listed"


def test_other_bytes_of_the_same_size_and_time_are_noticed(source: Source) -> None:
    path = Path(source.uri)
    times = (path.stat().st_atime, path.stat().st_mtime)
    path.write_bytes(b"THESE BYTES")
    os.utime(path, times)
    assert reason_of(source) == "changed_since_listed"


def test_a_file_that_is_away_is_a_reject(source: Source) -> None:
    Path(source.uri).unlink()
    assert reason_of(source) == "missing_file"


def test_a_folder_in_the_place_of_a_file_is_a_reject(source: Source) -> None:
    Path(source.uri).unlink()
    Path(source.uri).mkdir()
    assert reason_of(source) == "unreadable"


@pytest.mark.parametrize("change", ["replaced", "written to", "removed"])
def test_a_change_while_it_is_read_is_noticed(source: Source, change: str) -> None:
    path = Path(source.uri)
    with open_source(source) as file:
        if change == "replaced":
            path.with_suffix(".new").write_bytes(b"these bytes")
            path.with_suffix(".new").replace(path)
        elif change == "written to":
            path.write_bytes(b"more")
        else:
            path.unlink()
        with pytest.raises(DecodeError) as raised:
            file.check()
    assert raised.value.reason == ("missing_file" if change == "removed" else "changed_since_listed")

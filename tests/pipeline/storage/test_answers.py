"""Answers kept in OUT are found again, whichever process kept them and whatever became of some of the files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.chat.questions import Answer, TimedWord
from soundseam.pipeline.storage import answers as storage
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.answers import AnswerCacheFiles
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.sweep import sweep
from tests.support.memory_files import MemoryFileSystem
from tests.support.workloads import recording_id_of

WHOLE = Answer(
    text="A dog barks. Ein Hund bellt. 狗叫。\u2028\n\\",
    thinking="I hear barking.",
    probabilities={"yes": 0.75, "no": 0.25},
    words=(TimedWord("dog", 0.1, 0.5),),
    language="en",
    prompt_tokens=500,
    cached_tokens=384,
    answer_tokens=9,
)


@pytest.fixture(params=["local", "remote"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    MemoryFileSystem.clear()
    folder = str(tmp_path / "out") if request.param == "local" else "mem://bucket/out"
    prepare_output(folder)
    yield folder
    MemoryFileSystem.clear()


def pieces(output: str) -> list[str]:
    return [stat.uri for stat in files.list_files(files.join(output, "_run", "answers"))]


def keep(output: str, *names: str, key: str = "k") -> None:
    with AnswerCacheFiles(output) as store:
        for name in names:
            store.keep(recording_id_of(name), key, Answer(f"about {name}"))


def found(output: str, name: str, key: str = "k") -> str | None:
    answer = AnswerCacheFiles(output).find(recording_id_of(name), key)
    return answer and answer.text


def test_an_answer_comes_back_as_it_was(output: str) -> None:
    with AnswerCacheFiles(output) as store:
        assert store.find(recording_id_of("a"), "k") is None
        store.keep(recording_id_of("a"), "k", WHOLE)
    assert AnswerCacheFiles(output).find(recording_id_of("a"), "k") == WHOLE
    assert AnswerCacheFiles(output).find(recording_id_of("a"), "other") is None
    assert AnswerCacheFiles(output).find(recording_id_of("b"), "k") is None


@given(st.text(max_size=20), st.none() | st.text(max_size=20))
def test_any_text_comes_back_as_it_was(text: str, thinking: str | None) -> None:
    MemoryFileSystem.clear()
    prepare_output("mem://bucket/any")
    with AnswerCacheFiles("mem://bucket/any") as store:
        store.keep(recording_id_of("a"), "k", Answer(text, thinking))
    assert AnswerCacheFiles("mem://bucket/any").find(recording_id_of("a"), "k") == Answer(text, thinking)


def test_what_several_wrote_is_read_together(output: str) -> None:
    keep(output, "a", "b")
    keep(output, "c")
    keep(output, "a", key="second")
    assert [found(output, name) for name in "abc"] == ["about a", "about b", "about c"]
    assert found(output, "a", "second") == "about a"


def test_answers_are_written_in_pieces_while_they_come(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PIECE_ANSWERS", 3)
    store = AnswerCacheFiles(output)
    for number in range(7):
        store.keep(recording_id_of("a"), str(number), Answer(str(number)))
    assert len(pieces(output)) == 2
    store.write()
    assert [found(output, "a", str(number)) for number in range(7)] == [str(number) for number in range(7)]


def test_a_piece_that_is_broken_is_asked_for_again_and_the_others_are_not(
    output: str, caplog: pytest.LogCaptureFixture
) -> None:
    keep(output, "a")
    (first,) = pieces(output)
    whole = files.read_bytes(first)
    keep(output, "b")
    for broken in (whole[: len(whole) // 2], b"", whole[:-4] + b"0000", b"{}"):
        files.write_atomically(first, broken)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            assert found(output, "a") is None
        assert found(output, "b") == "about b"
    assert "asked again" in caplog.text


def test_files_that_are_none_of_ours_are_left_alone(output: str) -> None:
    keep(output, "a")
    folder = pieces(output)[0].rpartition("/")[0]
    files.write_atomically(f"{folder}/notes.txt", b"mine")
    files.write_atomically(f"{folder}/{files.TEMPORARY_PREFIX}half", b"half")
    assert found(output, "a") == "about a"
    sweep(output, {})
    assert found(output, "a") == "about a"
    assert {files.name_of(uri) for uri in pieces(output)} >= {"notes.txt"}


def test_only_what_may_hold_a_recording_is_read(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"recording {number}" for number in range(300)]
    for name in names:
        keep(output, name)
    read: list[str] = []
    read_bytes = files.read_bytes
    monkeypatch.setattr(files, "read_bytes", lambda uri: read.append(uri) or read_bytes(uri))
    store = AnswerCacheFiles(output)
    read.clear()
    assert store.find(recording_id_of(names[7]), "k") == Answer(f"about {names[7]}")
    assert len(read) == 1


def test_memory_holds_a_few_recordings_whatever_is_asked_about(output: str) -> None:
    names = [f"recording {number}" for number in range(50)]
    keep(output, *names)
    store = AnswerCacheFiles(output)
    assert all(store.find(recording_id_of(name), "k") for name in names)
    assert len(store._recordings) <= storage.RECORDINGS_IN_MEMORY

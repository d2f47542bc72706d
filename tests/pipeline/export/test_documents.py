"""What a pretraining mix is made of: documents of samples, of consecutive segments, and of text alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.documents import document_tokens, documents_in, documents_of
from soundseam.pipeline.export.recipe import Kind, PretrainRecipe
from soundseam.pipeline.export.tokens import audio_tokens, text_tokens
from soundseam.schemas.sample import Message, MessageKind, Role, Sample
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.export.items import QUESTION, a_sample

RECIPE = PretrainRecipe(context=64, min_text_tokens=3)


def said(number: int, text: str = "and so it goes", **changes: object) -> Sample:
    """The transcript of a segment."""
    sample = a_sample(f"s{number}-asr", (f"s{number}",), "asr", **changes)  # type: ignore[arg-type]
    answer = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=text)
    return sample.model_copy(update={"messages": (*sample.messages[:-1], answer)})


def spans_of(count: int, gap_ms: int = 0) -> dict[str, TimeSpan]:
    return {
        f"s{number}": TimeSpan(number * 1_000 + number * gap_ms, 1_000 + number * (1_000 + gap_ms))
        for number in range(count)
    }


def made(
    kind: Kind, samples: list[Sample], spans: dict[str, TimeSpan], recipe: PretrainRecipe = RECIPE
) -> list[Sample]:
    return [one for one in documents_of(samples, spans, recipe, text_tokens) if one.task == kind]


def parts(document: Sample) -> list[str]:
    return [message.content for message in document.messages]


def test_a_sample_is_its_clip_its_question_and_its_answer() -> None:
    (document,) = made(Kind.ASR, [said(0)], spans_of(1))
    assert parts(document) == ["s0", f"{QUESTION}\nand so it goes"]
    assert {message.role for message in document.messages} == {Role.ASSISTANT}
    caption = a_sample("c", ("s0",), "caption")
    assert [one.task for one in documents_of([caption], spans_of(1), RECIPE, text_tokens)] == ["caption"]


def test_consecutive_segments_are_audio_and_text_in_turn() -> None:
    samples = [said(number, f"text {number}") for number in range(5)]
    (document,) = made(Kind.INTERLEAVED, samples, spans_of(5))
    assert parts(document) == ["s0", "text 1", "s2", "text 3"]
    assert document.segment_ids == ("s0", "s1", "s2", "s3")
    assert document.audio_ids == ("s0", "s2")
    assert document.audio_ms == 2_000


def test_what_does_not_follow_does_not_continue() -> None:
    two = [said(0), said(1)]
    assert len(made(Kind.INTERLEAVED, two, spans_of(2, gap_ms=2_000))) == 1
    assert not made(Kind.INTERLEAVED, two, spans_of(2, gap_ms=2_001))
    assert not made(Kind.INTERLEAVED, [said(0), said(2)], spans_of(3))
    assert not made(Kind.INTERLEAVED, [said(0), said(1, license="CC0-1.0")], spans_of(2))
    assert not made(Kind.INTERLEAVED, [said(0), said(1, "\u4eca\u5929\u5929\u6c14\u597d")], spans_of(2))
    timed = [said(0), said(1).model_copy(update={"task": "asr_words"})]
    assert not made(Kind.INTERLEAVED, timed, spans_of(2))


def test_text_alone_is_what_was_said_one_after_the_other() -> None:
    samples = [said(number, f"this is number {number}") for number in range(3)]
    (document,) = made(Kind.TEXT, samples, spans_of(3))
    assert parts(document) == ["this is number 0 this is number 1 this is number 2"]
    assert document.segment_ids == ("s0", "s1", "s2")
    assert (document.audio_ids, document.audio_ms) == ((), 0)
    assert not made(Kind.TEXT, [said(0, "hm")], spans_of(1))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(64, 90))
def test_no_document_of_text_is_longer_than_a_context(lengths: list[int], context: int) -> None:
    samples = [said(number, " ".join(["word"] * length)) for number, length in enumerate(lengths)]
    recipe = PretrainRecipe(context=context, min_text_tokens=1)
    documents = made(Kind.TEXT, samples, spans_of(len(samples)), recipe)
    assert max(document_tokens(document, (), text_tokens) for document in documents) <= context
    words = sum(len(part.split()) for document in documents for part in parts(document))
    assert words == sum(lengths)


def test_the_length_of_a_document_counts_all_that_a_model_gets() -> None:
    (document,) = made(Kind.INTERLEAVED, [said(0), said(1, "one two")], spans_of(2))
    assert document_tokens(document, [1_000], text_tokens) == audio_tokens(1_000) + 2 + 2 + 1


def test_files_of_text_give_a_document_for_each_text(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("A whole file of text.")
    lines = [{"text": "The first text."}, {"text": "The second text.", "license": "CC0-1.0"}, {"text": "hm"}]
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    pq.write_table(pa.Table.from_pylist([{"text": "In a table.", "other": 1}]), tmp_path / "table.parquet")

    def read(name: str) -> list[tuple[str, str | None]]:
        found = documents_in(str(tmp_path / name), RECIPE, text_tokens)
        return [(parts(document)[0], document.license) for document in found]

    assert read("one.txt") == [("A whole file of text.", None)]
    assert read("more.jsonl") == [("The first text.", None), ("The second text.", "CC0-1.0")]
    assert read("table.parquet") == [("In a table.", None)]


@given(st.lists(st.sampled_from(["a", "longer", "\u4eca\u5929", "0.25", "x" * 900]), min_size=1, max_size=80))
def test_a_long_text_is_cut_at_spaces_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    path = tmp_path_factory.mktemp("text") / "long.txt"
    path.write_text(" ".join(words), encoding="utf-8")
    recipe = PretrainRecipe(context=64, min_text_tokens=1)
    documents = list(documents_in(str(path), recipe, text_tokens))
    assert all(document_tokens(document, (), text_tokens) <= 64 for document in documents)
    assert "".join("".join(parts(document)) for document in documents).replace(" ", "") == "".join(words)
    assert len({document.sample_id for document in documents}) == len(documents)


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("a.csv", "text\nhello", "is no .txt, .jsonl or .parquet file"),
        ("a.jsonl", '{"words": "hello"}', "each row needs a column text"),
        ("a.jsonl", "hello", "cannot read"),
        ("a.parquet", "hello", "cannot read"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, name: str, content: str, remedy: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SetupError, match=r"^text: ") as caught:
        list(documents_in(str(tmp_path / name), RECIPE, text_tokens))
    assert remedy in str(caught.value)

"""A language model's texts replace the grammar's only if they say no more; the check judges both."""

from __future__ import annotations

import json

import pytest

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question
from soundseam.pipeline.captions.caption_config import WriterConfig
from soundseam.pipeline.long.caption import caption_recording
from soundseam.pipeline.long.check import check_recording
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.writing import write_captions
from soundseam.schemas.long import RecordingCaption
from tests.pipeline.long.test_caption import DAY
from tests.support.scripted_client import ScriptedClient

WRITER = WriterConfig(server=Endpoint(model="writer", revision="1"))
CONFIG = LongConfig(writer=WRITER)
GRAMMAR = caption_recording(DAY, CONFIG, "k")


def written(client: ScriptedClient) -> RecordingCaption:
    (row,) = write_captions([GRAMMAR], WRITER, client)
    return row


def says(text: str) -> ScriptedClient:
    """Answers with `text` for the first chapter's title alone."""
    return ScriptedClient(say=lambda _: json.dumps({"texts": [{"id": "t0", "text": text}]}))


def again(question: Question) -> str:
    """Answers every text with the statement that it replaces, in other words where that is easy."""
    content = json.loads(question.text)
    held = {one["id"]: one["says"] for one in content["statements"]}
    texts = [{"id": one["id"], "text": held[one["from"][0]].replace(" talk", " speak")} for one in content["write"]]
    return json.dumps({"texts": texts})


def test_a_text_that_says_no_more_is_taken_with_the_rows_behind_it() -> None:
    row = written(says("Speaker 1 and Speaker 2 speak"))
    assert row.chapters[0].title == "Speaker 1 and Speaker 2 speak"
    assert row.composer == row.chapters[0].claims[0].rule == "writer@1"
    assert set(row.chapters[0].claims[0].evidence) >= set(GRAMMAR.chapters[0].claims[0].evidence)
    assert row.chapters[0].sentence == GRAMMAR.chapters[0].sentence
    assert row.timeline == GRAMMAR.timeline
    assert list(check_recording(row, DAY, CONFIG)) == []


@pytest.mark.parametrize(
    "text", ["Speaker 1 and Speaker 3 talk", "Speaker 1 talks for 99 seconds", "Anna and Speaker 2 talk", "A quarrel"]
)
def test_a_text_that_says_more_is_refused_and_the_grammars_stays(text: str) -> None:
    assert written(says(text)) == GRAMMAR


@pytest.mark.parametrize("answer", ["", "no JSON", '{"texts": 3}', '{"texts": [{"id": "t999", "text": "Talk"}]}'])
def test_an_answer_that_is_none_leaves_the_grammars(answer: str) -> None:
    assert written(ScriptedClient(say=lambda _: answer)) == GRAMMAR


def test_a_server_that_refuses_leaves_the_grammars() -> None:
    client = ScriptedClient(fails=lambda _: AnnotationError("refused", "by the server"))
    assert written(client) == GRAMMAR


def test_whatever_a_writer_says_the_check_accepts_what_was_taken() -> None:
    row = written(ScriptedClient(say=again))
    assert row.composer == "writer@1"
    assert list(check_recording(row, DAY, CONFIG)) == []


def test_a_written_text_that_was_changed_is_noticed() -> None:
    row = written(says("Speaker 1 and Speaker 2 speak"))
    first = row.chapters[0]
    claims = (first.claims[0].model_copy(update={"text": "Anna speaks"}), *first.claims[1:])
    changed = first.model_copy(update={"title": "Anna speaks", "claims": claims})
    assert list(check_recording(row.model_copy(update={"chapters": (changed, *row.chapters[1:])}), DAY, CONFIG))

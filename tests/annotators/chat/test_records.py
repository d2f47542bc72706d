"""Answers that are records: validated, repaired once, then rejected as they came."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Literal

import pytest
from pydantic import Field

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question
from soundseam.annotators.chat.served import Parsed, ask_records
from soundseam.schemas.record import Record
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer, Fault


class Speaker(Record):
    """How somebody sounds."""

    gender: Literal["female", "male"]
    age: int = Field(ge=0, le=120)


GOOD = '{"gender": "female", "age": 30}'


def ask(model: Scripted, count: int = 1, faults: object = None) -> list[Parsed[Speaker] | AnnotationError]:
    nothing = lambda number, asked: None  # noqa: E731
    with ChatServer(model, faults or nothing, latency_s=0.05) as server:  # type: ignore[arg-type]
        endpoint = Endpoint(urls=(server.url,), model="tiny", in_flight=16)
        with closing(ServerClient(endpoint)) as client:
            groups = ((number, [Question(f"Who speaks in {number}?", (b"fLaC",))]) for number in range(count))
            return [told for _, (told,) in ask_records(client, groups, Speaker)]


@pytest.mark.parametrize("text", [GOOD, f"```json\n{GOOD}\n```", f"  {GOOD}\n"])
def test_an_answer_becomes_a_record(text: str) -> None:
    model = Scripted(lambda asked: text)
    (told,) = ask(model)
    assert isinstance(told, Parsed)
    assert told.record == Speaker(gender="female", age=30)
    assert told.answer.text == text
    (asked,) = model.asked
    assert asked.json_schema == Speaker.model_json_schema()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("She is thirty.", "JSON"),
        ('{"gender": "female", "age": 300}', "age: Input should be less than or equal to 120"),
        ('{"gender": "female"}', "age: Field required"),
        ('{"gender": "female", "age": 30, "name": "Ann"}', "name: Extra"),
        (GOOD[:-5], "JSON"),
        ("[" * 2_000, "JSON"),
    ],
)
def test_an_answer_that_is_none_is_asked_for_once_more_with_what_is_wrong(text: str, problem: str) -> None:
    model = Scripted(lambda asked: GOOD if "You have answered" in asked.text else text)
    (told,) = ask(model)
    assert isinstance(told, Parsed)
    first, second = model.asked
    assert second.text.startswith(first.text)
    assert second.audio == first.audio
    assert second.json_schema == first.json_schema
    assert problem in second.text
    assert len(second.text) < 6_000


def test_an_answer_that_stays_wrong_is_rejected_with_what_was_answered() -> None:
    model = Scripted(lambda asked: "She is thirty.")
    (told,) = ask(model)
    assert isinstance(told, AnnotationError)
    assert told.reason == "bad_answer"
    assert "She is thirty." in told.detail
    assert len(model.asked) == 2


def test_many_records_come_in_order_whichever_had_to_be_repaired() -> None:
    def say(asked: Asked) -> str:
        number = int(asked.text.split("?")[0].split()[-1])
        return json.dumps({"gender": "male", "age": number if number % 3 or "answered" in asked.text else 999})

    told = ask(Scripted(say), 60)
    assert [one.record.age for one in told if isinstance(one, Parsed)] == list(range(60))


def test_a_question_that_was_refused_is_not_repaired() -> None:
    model = Scripted(lambda asked: GOOD)
    (told,) = ask(model, faults=lambda number, asked: Fault(400))
    assert isinstance(told, AnnotationError)
    assert told.reason == "refused_by_server"
    assert not model.asked

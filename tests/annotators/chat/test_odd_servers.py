"""Servers that answer 200 without an answer, take another dialect, no sound, or send the key back."""

from __future__ import annotations

import pytest

from soundseam.annotators.chat.questions import Answer, Question
from tests.annotators.chat.clients import TONE, a_question, ask_all, client_of, echo, reasons_of
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault

ERRORS_WITH_200 = [
    b'{"object": "error", "message": "audio decoding failed", "code": 400}',
    b'{"error": {"message": "overloaded", "code": 500}}',
    b"<html><body>Bad Gateway</body></html>",
    b"[]",
]


@pytest.mark.parametrize("body", ERRORS_WITH_200)
def test_a_success_without_an_answer_ends_the_run_and_rejects_nothing(body: bytes) -> None:
    with (
        ChatServer(Scripted(), lambda number, asked: Fault(body=body)) as server,
        client_of(server, attempts=2) as client,
        pytest.raises(ConnectionError, match="success without an answer"),
    ):
        ask_all(client, [a_question(str(number)) for number in range(3)])


@pytest.mark.parametrize("body", ERRORS_WITH_200)
def test_one_question_whose_success_holds_no_answer_is_rejected_alone(body: bytes) -> None:
    bad = lambda number, asked: Fault(body=body) if asked.text == "1" else None  # noqa: E731
    with ChatServer(Scripted(), bad) as server, client_of(server, attempts=2) as client:
        replies = ask_all(client, [a_question(str(number)) for number in range(4)])
    assert reasons_of(replies) == ["", "no_answer", "", ""]


def test_a_server_that_takes_another_dialect_alone_ends_the_run_with_its_name() -> None:
    fail = lambda number, asked: Fault(500) if asked.json_schema or asked.choices else None  # noqa: E731
    schema = '{"type":"object"}'
    with (
        ChatServer(Scripted(), fail) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match=r"a question with a JSON schema .*set server.dialect=plain"),
    ):
        ask_all(client, [Question(str(number), json_schema=schema) for number in range(200)])


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_takes_no_sound_at_all_ends_the_run_and_says_so(status: int) -> None:
    fail = lambda number, asked: Fault(status) if asked.audio else None  # noqa: E731
    with (
        ChatServer(Scripted(), fail) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match=r"answers questions, but not a question about a sound, in no dialect"),
    ):
        ask_all(client, [Question(str(number), (TONE,)) for number in range(200)])


def test_a_server_that_refuses_one_sound_and_takes_others_rejects_that_one_alone() -> None:
    fail = lambda number, asked: Fault(400) if asked.text == "too long" else None  # noqa: E731
    with ChatServer(Scripted(), fail) as server, client_of(server) as client:
        replies = ask_all(client, [Question("too long", (TONE,)), Question("fine", (TONE,))])
    assert reasons_of(replies) == ["refused_by_server", ""]


def test_a_server_that_cannot_transcribe_ends_the_run_at_once() -> None:
    with (
        ChatServer(Scripted(), lambda number, asked: Fault(501)) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match="HTTP 501"),
    ):
        ask_all(client, [Question("", (TONE,), interface="transcriptions")])


def test_a_plain_server_is_sent_no_format_and_words_alone_as_a_string() -> None:
    with ChatServer(Scripted(echo)) as server, client_of(server, dialect="plain") as client:
        ask_all(client, [Question("hello", json_schema='{"type":"object"}')])
    (received,) = server.received
    assert "response_format" not in received.json
    assert received.json["messages"] == [{"role": "user", "content": "hello"}]


def test_a_server_that_sends_our_key_back_in_an_answer_has_told_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-secret-1234")
    repeat = Scripted(lambda asked: "Authorization: Bearer sk-secret-1234")
    with ChatServer(repeat) as server, client_of(server, api_key_variable="THE_KEY") as client:
        (answer,) = ask_all(client, [a_question()])
    assert isinstance(answer, Answer)
    assert answer.text == "Authorization: Bearer [key]"

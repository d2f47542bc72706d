"""Servers that answer 200 without an answer, take another dialect, no sound, or send the key back."""

from __future__ import annotations

import gzip

import pytest
from pydantic import ValidationError

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Answer, Question
from soundseam.pipeline.config import first_problem
from tests.annotators.chat.clients import TONE, a_question, ask_all, client_of, echo, reasons_of
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault

ERRORS_WITH_200 = [
    b'{"object": "error", "message": "audio decoding failed", "code": 400}',
    b'{"error": {"message": "overloaded", "code": 500}}',
    b"<html><body>Bad Gateway</body></html>",
    b"[]",
    b'{"detail": "the engine is dead"}',
    b'{"choices": []}',
    b'{"choices": null}',
    b'{"choices": [{"text": "as for completions"}]}',
    b'{"choices": [{"message": null, "finish_reason": "stop"}]}',
    b'{"choices": [{"message": {"content": ""}, "finish_reason": "error"}]}',
    b'{"choices": [{"message": {"content": ""}, "error": {"code": 502}}]}',
    b'{"choices": [{"message": {"content": "cut o',
    b'data: {"choices": [{"delta": {"content": "a stream"}}]}\n\ndata: [DONE]\n\n',
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
        pytest.raises(ConnectionError, match=r"a question with a JSON schema .*set `dialect: plain` for that server"),
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


def test_an_error_that_is_null_is_none() -> None:
    body = b'{"error": null, "choices": [{"message": {"content": "A dog."}, "finish_reason": "stop"}]}'
    with ChatServer(Scripted(), lambda number, asked: Fault(body=body)) as server, client_of(server) as client:
        (answer,) = ask_all(client, [a_question()])
    assert isinstance(answer, Answer)
    assert answer.text == "A dog."


def test_a_compressed_answer_is_named_and_not_unpacked() -> None:
    packed = Fault(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    with (
        ChatServer(Scripted(), lambda number, asked: packed) as server,
        client_of(server, attempts=1) as client,
        pytest.raises(ConnectionError, match="compressed as 'gzip'"),
    ):
        ask_all(client, [a_question()])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_takes_the_key_nowhere(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-secret-1234")
    with ChatServer(Scripted()) as other:
        away = Fault(status, headers={"Location": f"{other.url}/chat/completions"})
        with (
            ChatServer(Scripted(), lambda number, asked: away) as server,
            client_of(server, api_key_variable="THE_KEY") as client,
            pytest.raises(ConnectionError, match=f"HTTP {status}"),
        ):
            ask_all(client, [a_question()])
    assert other.count == 0


@pytest.mark.parametrize("status", [402, 407, 410])
def test_a_server_that_wants_to_be_paid_or_is_gone_ends_a_run_that_was_under_way(status: int) -> None:
    ends = lambda number, asked: Fault(status) if number >= 3 else None  # noqa: E731
    with (
        ChatServer(Scripted(), ends) as server,
        client_of(server, in_flight=1) as client,
        pytest.raises(ConnectionError, match=f"HTTP {status}"),
    ):
        ask_all(client, [a_question(str(number)) for number in range(10)])


def test_a_server_that_has_answered_and_then_refuses_everything_ends_the_run() -> None:
    another = lambda number, asked: Fault(400, b"another model") if number >= 3 else None  # noqa: E731
    with (
        ChatServer(Scripted(), another) as server,
        client_of(server, in_flight=4) as client,
        pytest.raises(ConnectionError, match="in a row: HTTP 400: another model"),
    ):
        ask_all(client, [a_question(str(number)) for number in range(100)])


def test_many_refused_in_a_row_are_to_blame_if_the_shortest_question_is_answered() -> None:
    long = lambda number, asked: Fault(413) if asked.text.startswith("long") else None  # noqa: E731
    with ChatServer(Scripted(), long) as server, client_of(server, in_flight=4) as client:
        replies = ask_all(client, [a_question("short"), *(a_question(f"long {number}") for number in range(70))])
    assert reasons_of(replies) == ["", *["refused_by_server"] * 70]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, b'{"headers": {"Authorization": "Bearer sk-secret/1234"}}'),
        Fault(400, b'{"headers": {"Authorization": "Bearer sk-secret\\/1234"}}'),
        Fault(401, b"no key sk-secret/1234"),
        Fault(500, b"x" * 490 + b"sk-secret/1234"),
        Fault(body=b"<html>sk-secret/1234</html>"),
        Fault(body=b"sk-secret/1234" * 400_000),
        Fault(400, headers={"X-Echo": "Bearer sk-secret/1234", "Content-Type": "\x00sk-secret/1234"}),
    ],
    ids=range(7),
)
def test_a_key_that_a_server_sends_back_is_in_no_message(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-secret/1234")
    with (
        ChatServer(Scripted(), lambda number, asked: fault) as server,
        client_of(server, attempts=1, api_key_variable="THE_KEY") as client,
    ):
        try:
            (reply,) = ask_all(client, [a_question()])
            told = reply.detail if isinstance(reply, AnnotationError) else ""
        except ConnectionError as error:
            told = str(error)
    assert told
    assert "secret" not in told


@pytest.mark.parametrize("value", ["sk-1234-5678", "Bearer abc", "my key", "$KEY"])
def test_a_key_in_place_of_the_name_of_its_variable_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Endpoint(model="tiny", api_key_variable=value)
    assert value not in first_problem(refusal.value, Endpoint)

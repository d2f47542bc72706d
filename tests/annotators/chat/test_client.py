"""Many questions at once, answers in order, and what becomes of those that go wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Answer, Question, Reply, Sampling, Tally
from tests.annotators.chat.clients import a_question, ask_all, client_of, echo, reasons_of
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault


def test_a_question_goes_out_with_its_sound_before_its_words() -> None:
    with ChatServer(Scripted(echo)) as server, client_of(server) as client:
        (answer,) = ask_all(
            client, [a_question("hello", system="Be brief.", sampling=Sampling(temperature=0.5, seed=3))]
        )
    assert isinstance(answer, Answer)
    assert answer.text == "You said hello"
    (received,) = server.received
    request = received.json
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert [part["type"] for part in request["messages"][1]["content"]] == ["input_audio", "text"]
    assert request["messages"][1]["content"][0]["input_audio"]["format"] == "flac"
    assert (request["model"], request["temperature"], request["seed"]) == ("tiny", 0.5, 3)


def test_answers_are_in_the_order_of_the_questions_whichever_comes_first() -> None:
    slow_first = lambda number, asked: Fault(stall_s=0.3 if number % 10 == 0 else 0.0)  # noqa: E731
    with ChatServer(Scripted(echo), slow_first) as server, client_of(server, in_flight=16) as client:
        replies = ask_all(client, [a_question(str(number)) for number in range(40)])
    assert [reply.text for reply in replies if isinstance(reply, Answer)] == [f"You said {n}" for n in range(40)]


def test_so_many_requests_are_in_flight_as_are_allowed_and_never_more() -> None:
    with ChatServer(Scripted(), latency_s=0.1) as server, client_of(server, in_flight=32) as client:
        ask_all(client, [a_question() for _ in range(160)])
    assert server.max_in_flight == 32


def test_questions_are_drawn_no_faster_than_they_are_answered() -> None:
    drawn = 0

    def groups() -> Iterator[tuple[int, list[Question]]]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield number, [a_question()]

    with ChatServer(Scripted(), latency_s=0.05) as server, client_of(server, in_flight=8) as client:
        answers = client.ask(groups())
        for count in range(1, 50):
            next(answers)
            assert drawn <= count + 8 * 8 + 1
        answers.close()


def test_a_slow_answer_does_not_hold_up_the_others() -> None:
    stall = lambda number, asked: Fault(stall_s=1.0) if number == 0 else None  # noqa: E731
    with ChatServer(Scripted(), stall, latency_s=0.01) as server, client_of(server, in_flight=8) as client:
        answers = client.ask((number, [a_question()]) for number in range(60))
        next(answers)
        assert server.count >= 60
        answers.close()


def test_the_questions_of_a_group_go_to_one_server_and_groups_to_all() -> None:
    with (
        ChatServer(Scripted(), latency_s=0.02) as one,
        ChatServer(Scripted(), latency_s=0.02) as other,
        client_of(one, other) as client,
    ):
        groups = [(clip, [a_question(f"{clip}") for _ in range(4)]) for clip in range(20)]
        assert [(clip, len(replies)) for clip, replies in client.ask(groups)] == [(clip, 4) for clip in range(20)]
    of_one, of_other = ({asked.text for asked in server.model.asked} for server in (one, other))  # type: ignore[attr-defined]
    assert not of_one & of_other
    assert len(of_one) == len(of_other) == 10


def test_an_empty_group_has_an_empty_answer() -> None:
    with ChatServer(Scripted()) as server, client_of(server) as client:
        groups: list[tuple[str, list[Question]]] = [("a", []), ("b", [a_question()]), ("c", [])]
        assert [(name, len(replies)) for name, replies in client.ask(groups)] == [("a", 0), ("b", 1), ("c", 0)]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_question_is_rejected_at_once_and_alone(status: int) -> None:
    refuse = lambda number, asked: Fault(status) if asked.text == "1" else None  # noqa: E731
    with ChatServer(Scripted(), refuse) as server, client_of(server) as client:
        replies = ask_all(client, [a_question(str(number)) for number in range(3)])
    assert reasons_of(replies) == ["", "refused_by_server", ""]
    assert str(status) in replies[1].detail  # type: ignore[union-attr]
    assert server.count == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(502),
        Fault(503),
        Fault(429),
        Fault(408),
        Fault(drop=True),
        Fault(half=True),
        Fault(429, headers={"Retry-After": "0.1"}),
    ],
)
def test_what_may_pass_is_asked_again(fault: Fault) -> None:
    once = lambda number, asked: fault if number == 0 else None  # noqa: E731
    tally = Tally()
    with ChatServer(Scripted(), once) as server, client_of(server) as client:
        replies = ask_all(client, [a_question()], tally)
    assert reasons_of(replies) == [""]
    usage = tally.take()
    assert (usage.requests, usage.retries, usage.answers) == (2, 1, 1)


def test_a_server_is_left_alone_as_long_as_it_asks() -> None:
    busy = lambda number, asked: Fault(429, headers={"Retry-After": "2"}) if number == 0 else None  # noqa: E731
    with ChatServer(Scripted(), busy) as server, client_of(server) as client:
        begun_s = time.monotonic()
        ask_all(client, [a_question()])
    assert time.monotonic() - begun_s >= 2.0


def test_one_question_that_fails_the_server_is_rejected_while_others_are_answered() -> None:
    poison = lambda number, asked: Fault(500) if asked.text == "0" else Fault(stall_s=0.2)  # noqa: E731
    with ChatServer(Scripted(), poison) as server, client_of(server, in_flight=2, attempts=2) as client:
        replies = ask_all(client, [a_question(str(number)) for number in range(8)])
    assert reasons_of(replies) == ["server_error"] + [""] * 7


def test_one_question_alone_that_fails_a_server_that_is_up_is_rejected() -> None:
    with ChatServer(Scripted(), lambda number, asked: Fault(500)) as server, client_of(server, attempts=2) as client:
        assert reasons_of(ask_all(client, [a_question()])) == ["server_error"]


def test_an_answer_that_does_not_come_is_rejected_in_the_end() -> None:
    stall = lambda number, asked: Fault(stall_s=5.0) if asked.text == "0" else None  # noqa: E731
    with ChatServer(Scripted(), stall) as server, client_of(server, timeout_s=0.3, attempts=2) as client:
        replies = ask_all(client, [a_question(str(number)) for number in range(3)])
    assert reasons_of(replies) == ["timed_out", "", ""]


def test_a_server_that_fails_every_question_is_no_reason_to_reject_them() -> None:
    with (
        ChatServer(Scripted(), lambda number, asked: Fault(500)) as server,
        client_of(server, attempts=1, in_flight=4) as client,
        pytest.raises(ConnectionError, match="answered no question: HTTP 500"),
    ):
        ask_all(client, [a_question() for _ in range(10)])


def test_a_server_that_refuses_every_question_from_the_first_is_no_reason_to_reject_them() -> None:
    with (
        ChatServer(Scripted(), lambda number, asked: Fault(400, b"no audio here")) as server,
        client_of(server, in_flight=4) as client,
        pytest.raises(ConnectionError, match="refused the first 32 questions: HTTP 400: no audio here"),
    ):
        ask_all(client, [a_question() for _ in range(100)])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_does_not_know_us_ends_the_run_at_once(status: int) -> None:
    with (
        ChatServer(Scripted(), lambda number, asked: Fault(status, b"the model `x` does not exist")) as server,
        client_of(server) as client,
        pytest.raises(ConnectionError, match=f"HTTP {status}: the model `x` does not exist"),
    ):
        ask_all(client, [a_question()])


def test_no_server_is_an_outage_and_no_rejection() -> None:
    with ChatServer(Scripted()) as server:
        pass
    with client_of(server, outage_s=0.5) as client, pytest.raises(ConnectionError, match=r"stayed away for 0.5 s"):
        ask_all(client, [a_question()])


def test_a_dead_server_of_two_costs_nothing_but_time() -> None:
    with ChatServer(Scripted()) as dead:
        pass
    with ChatServer(Scripted()) as alive, client_of(dead, alive) as client:
        replies = ask_all(client, [a_question() for _ in range(50)])
    assert reasons_of(replies) == [""] * 50


def test_a_server_that_is_killed_and_started_again_costs_nothing_but_time() -> None:
    with ChatServer(Scripted(echo), latency_s=0.05) as server, client_of(server, in_flight=8) as client:
        answers = client.ask((number, [a_question(str(number))]) for number in range(100))
        replies = [next(answers)[1][0] for _ in range(10)]
        server.stop()
        threading.Timer(1.0, server.start).start()
        replies += [reply for _, (reply,) in answers]
    assert [reply.text for reply in replies if isinstance(reply, Answer)] == [f"You said {n}" for n in range(100)]


def test_closing_the_iterator_cancels_what_is_under_way() -> None:
    with ChatServer(Scripted(), latency_s=0.2) as server, client_of(server, in_flight=4) as client:
        answers = client.ask((number, [a_question()]) for number in range(1000))
        next(answers)
        answers.close()
        time.sleep(0.1)
        asked = server.count
        time.sleep(0.5)
        assert server.count == asked
        assert server.in_flight == 0
        assert reasons_of(ask_all(client, [a_question()])) == [""]


def test_several_threads_share_one_client() -> None:
    with ChatServer(Scripted(echo), latency_s=0.05) as server, client_of(server, in_flight=16) as client:
        heard: dict[int, list[Reply]] = {}

        def ask(thread: int) -> None:
            heard[thread] = ask_all(client, [a_question(f"{thread}-{number}") for number in range(20)])

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.max_in_flight <= 16
    for thread, replies in heard.items():
        texts = [reply.text for reply in replies if isinstance(reply, Answer)]
        assert texts == [f"You said {thread}-{number}" for number in range(20)]


def test_a_key_comes_from_the_environment_and_stays_out_of_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_KEY", "sesame")
    refuse = lambda number, asked: Fault(400, b"bad key sesame")  # noqa: E731
    with ChatServer(Scripted(), refuse) as server, client_of(server, api_key_variable="TINY_KEY") as client:
        (reply,) = ask_all(client, [a_question()])
    assert isinstance(reply, AnnotationError)
    assert server.received[0].headers["authorization"] == "Bearer sesame"
    assert "sesame" not in reply.detail


def test_an_error_while_questions_are_made_rises_and_cancels_the_rest() -> None:
    def groups() -> Iterator[tuple[None, list[Question]]]:
        yield None, [a_question()]
        raise OSError("the disk is gone")

    with ChatServer(Scripted(), latency_s=0.5) as server, client_of(server) as client:
        with pytest.raises(OSError, match="the disk is gone"):
            list(client.ask(groups()))
        # A request that had left already occupies the server until it would answer.
        deadline_s = time.monotonic() + 30
        while server.in_flight and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert server.in_flight == 0
        assert server.count <= 1

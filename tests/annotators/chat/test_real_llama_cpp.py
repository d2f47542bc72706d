"""The client against real servers of llama.cpp, with text only: each does what is written here, and nothing else.

The two packages have servers of their own: xllamacpp has the one of llama.cpp itself, llama-cpp-python one in Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Dialect, Endpoint
from soundseam.annotators.chat.questions import TRANSCRIPTION, Answer, Question, QuestionKind, Reply, Sampling
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.serving.reachable import ServerUse, check_servers
from tests.annotators.chat.clients import TONE
from tests.support.llama_cpp import needs_llama_cpp, package_of_llama_cpp, real_llama_cpp

pytestmark = needs_llama_cpp

DIALECTS: tuple[Dialect, ...] = ("vllm", "openai", "plain")
BRIEF = Sampling(max_tokens=60)
SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}'
RECORD = QuestionKind(answer="schema")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_llama_cpp(tmp_path_factory.mktemp("llama") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def in_python() -> bool:
    """Whether it is the server of llama-cpp-python."""
    return package_of_llama_cpp() == "llama_cpp"


def endpoint_of(url: str, dialect: Dialect) -> Endpoint:
    return Endpoint(urls=(url,), model="smollm2", dialect=dialect, attempts=2, in_flight=2)


def ask(url: str, dialect: Dialect, *questions: Question) -> list[Reply]:
    with closing(ServerClient(endpoint_of(url, dialect))) as client:
        ((_, replies),) = client.ask([(None, questions)])
        return replies


def check(url: str, dialect: Dialect, *kinds: QuestionKind) -> tuple[str, ...]:
    endpoint = endpoint_of(url, dialect)
    return check_servers([ServerUse("captions/writer", "captions", endpoint, kinds)], {"servers.writer": endpoint})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_questions_of_words_are_answered(url: str, dialect: Dialect) -> None:
    questions = [
        Question("Say hello.", sampling=BRIEF),
        Question("Say hello.", system="Use one word.", sampling=BRIEF),
    ]
    replies = ask(url, dialect, *questions)
    assert all(isinstance(reply, Answer) and reply.text.strip() for reply in replies), replies


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
def test_a_schema_is_kept_by_llama_cpp_and_refused_by_the_server_in_python(
    url: str, dialect: Dialect, in_python: bool
) -> None:
    question = Question("Give me a small number.", json_schema=SCHEMA, sampling=BRIEF)
    if in_python:
        with pytest.raises(ConnectionError, match=r"'text' or 'json_object'.*set `dialect: plain` for that server"):
            ask(url, dialect, question)
        with pytest.raises(SetupError, match=r"use --set servers.writer.dialect=plain$"):
            check(url, dialect, RECORD)
    else:
        (reply,) = ask(url, dialect, question)
        assert isinstance(reply, Answer), reply
        assert isinstance(json.loads(reply.text)["n"], int)
        assert check(url, dialect, RECORD) == ()


def test_a_plain_question_is_answered_though_not_in_json(url: str) -> None:
    (reply,) = ask(url, "plain", Question("Say hello.", json_schema=SCHEMA, sampling=BRIEF))
    assert isinstance(reply, Answer), reply
    (notice,) = check(url, "plain", RECORD)
    assert "does not keep to the form of a question with a JSON schema" in notice


def test_a_choice_in_json_has_probabilities_from_llama_cpp(url: str, in_python: bool) -> None:
    if in_python:
        pytest.skip("log-probabilities take the server in Python over a second per token")
    question = Question("Is the sky blue? Answer yes or no.", choices=("yes", "no"), sampling=Sampling(max_tokens=16))
    (reply,) = ask(url, "openai", question)
    assert isinstance(reply, Answer), reply
    assert reply.text in question.choices
    assert sum(reply.probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_question_about_a_sound_ends_the_run_since_no_model_there_takes_any(url: str, dialect: Dialect) -> None:
    lacks = "answers questions, but not a question about a sound.* in no dialect"
    with pytest.raises(ConnectionError, match=lacks):
        ask(url, dialect, *(Question(f"What is heard? {number}", (TONE,)) for number in range(8)))
    with pytest.raises(SetupError, match=lacks):
        check(url, dialect, QuestionKind(), QuestionKind(has_audio=True))


def test_a_server_that_does_not_transcribe_says_so_before_a_run(url: str, in_python: bool) -> None:
    with pytest.raises(SetupError, match=f"HTTP {404 if in_python else 501}"):
        check(url, "vllm", TRANSCRIPTION)

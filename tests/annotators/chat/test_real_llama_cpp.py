"""The client against real servers of llama.cpp, with text only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Dialect, Endpoint
from soundseam.annotators.chat.questions import Answer, Question, Reply, Sampling
from tests.annotators.chat.clients import TONE
from tests.support.llama_cpp import needs_llama_cpp, real_llama_cpp

pytestmark = needs_llama_cpp

DIALECTS: tuple[Dialect, ...] = ("vllm", "openai", "plain")
BRIEF = Sampling(max_tokens=60)
SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_llama_cpp(tmp_path_factory.mktemp("llama") / "log") as address:
        yield address


def ask(url: str, dialect: Dialect, *questions: Question) -> list[Reply]:
    endpoint = Endpoint(urls=(url,), model="smollm2", dialect=dialect, attempts=2, in_flight=2)
    with closing(ServerClient(endpoint)) as client:
        ((_, replies),) = client.ask([(None, questions)])
        return replies


@pytest.mark.parametrize("dialect", DIALECTS)
def test_questions_of_words_are_answered(url: str, dialect: Dialect) -> None:
    questions = [
        Question("Say hello.", sampling=BRIEF),
        Question("Say hello.", system="Use one word.", sampling=BRIEF),
    ]
    replies = ask(url, dialect, *questions)
    assert all(isinstance(reply, Answer) and reply.text.strip() for reply in replies), replies


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
def test_an_answer_keeps_to_a_schema(url: str, dialect: Dialect) -> None:
    (reply,) = ask(url, dialect, Question("Give me a small number.", json_schema=SCHEMA, sampling=BRIEF))
    assert isinstance(reply, Answer), reply
    assert isinstance(json.loads(reply.text)["n"], int)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_question_about_a_sound_ends_the_run_since_no_model_there_takes_any(url: str, dialect: Dialect) -> None:
    with pytest.raises(ConnectionError, match="answers questions, but not a question about a sound, in no dialect"):
        ask(url, dialect, *(Question(f"What is heard? {number}", (TONE,)) for number in range(8)))

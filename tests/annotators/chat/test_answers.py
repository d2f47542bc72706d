"""What an answer is read from, and what is no answer."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import get_args

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Dialect
from soundseam.annotators.chat.http import Fault, failure_of, retry_after_s
from soundseam.annotators.chat.questions import Answer, Question, Sampling, Step, choice_probabilities
from soundseam.annotators.chat.wire import body_of, choice_forms, read_answer
from soundseam.annotators.flac import encode_flac
from tests.support.chat_models import Scripted, tokens_of
from tests.support.chat_server import Token, Told, chat_answer, read_chat

YES_NO = Question("Does a dog bark?", (b"fLaC",), choices=("yes", "no"))
FLAC = encode_flac(np.linspace(-0.5, 0.5, 160, dtype=np.float32))
FORMS = {"yes": b"yes", "no": b"no"}


def step(taken: str, **others: float) -> Step:
    """A token with its probability and others with theirs."""
    probabilities = {taken: 1.0 - sum(others.values()), **others}
    return Step(taken.encode(), [(token.encode(), math.log(p)) for token, p in probabilities.items() if p > 0])


def read(body: object, question: Question = YES_NO) -> Answer:
    return read_answer(body if isinstance(body, bytes) else json.dumps(body).encode(), question, "vllm")


def message(**fields: object) -> dict[str, object]:
    return {"choices": [{"message": fields, "finish_reason": "stop"}]}


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_choices_reach_the_server_in_every_dialect_and_come_back_with_probabilities(dialect: str) -> None:
    question = Question("Does a dog bark?", (FLAC,), choices=("yes", "no"))
    content, _ = body_of(question, "tiny", dialect)  # type: ignore[arg-type]
    asked = read_chat(json.loads(content))
    choices = {form.decode() for form in choice_forms(question, dialect).values()}  # type: ignore[arg-type]
    assert set(asked.choices) == (set() if dialect == "plain" else choices)
    told = (
        Scripted(p_yes=lambda asked: 0.8).answer(asked)
        if asked.choices
        else Told([Token("Yes", math.log(0.8), [("Yes", math.log(0.8)), ("No", math.log(0.2))])])
    )
    answer = read_answer(json.dumps(chat_answer(told)).encode(), question, dialect)  # type: ignore[arg-type]
    assert answer.text == "yes"
    assert answer.probabilities == pytest.approx({"yes": 0.8, "no": 0.2})


def test_tokens_of_a_code_fence_that_the_server_removed_are_none_of_the_answer() -> None:
    before = [Token(text, -9.0, [("No", -1.0)]) for text in ("```", "json", "\n")]
    written = [Token(text, 0.0) for text in ("{\n ", ' "', "answer", '": "')]
    chosen = Token("no", math.log(0.75), [("no", math.log(0.75)), ("yes", math.log(0.25))])
    answer = chat_answer(Told([*before, *written, chosen, Token('"}', 0.0), Token("\n```", 0.0)]))
    answer["choices"][0]["message"]["content"] = '{\n  "answer": "no"}'
    told = read_answer(json.dumps(answer).encode(), Question("Does a dog bark?", choices=("yes", "no")), "openai")
    assert told.text == "no"
    assert told.probabilities == pytest.approx({"yes": 0.25, "no": 0.75})


def test_a_choice_in_json_may_be_as_much_longer_as_the_json_around_it() -> None:
    question = Question("Does a dog bark?", choices=("yes", "no"), sampling=Sampling(max_tokens=8))
    lengths = {
        dialect: json.loads(body_of(question, "tiny", dialect)[0])["max_tokens"] for dialect in get_args(Dialect)
    }
    assert lengths.pop("openai") == 32
    assert set(lengths.values()) == {8}


@pytest.mark.parametrize(
    ("dialect", "kind", "before", "magic"),
    [
        ("vllm", "input_audio", "flac", b"fLaC"),
        ("guided", "input_audio", "flac", b"fLaC"),
        ("sglang", "audio_url", "data:audio/flac;base64", b"fLaC"),
        ("openai", "input_audio", "wav", b"RIFF"),
        ("plain", "input_audio", "wav", b"RIFF"),
    ],
)
def test_sound_goes_as_each_kind_of_server_takes_it(dialect: Dialect, kind: str, before: str, magic: bytes) -> None:
    content, _ = body_of(Question("What is heard?", (FLAC,)), "tiny", dialect)
    request = json.loads(content)
    part = request["messages"][0]["content"][0]
    assert part["type"] == kind
    told = part[kind]["url"].partition(",")[0] if kind == "audio_url" else part[kind]["format"]
    assert told == before
    (sound,) = read_chat(request).audio
    assert sound[:4] == magic
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
    assert rate == 16_000
    assert samples.tolist() == soundfile.read(io.BytesIO(FLAC), dtype="int16")[0].tolist()


def test_every_token_that_can_begin_a_choice_counts_for_it() -> None:
    spelled = step("yes", **{" yes": 0.2, "y": 0.1, "Yes": 0.1, "no": 0.1, " N": 0.1})
    assert choice_probabilities([spelled], FORMS) == pytest.approx({"yes": 0.8, "no": 0.2})


def test_what_leads_to_no_choice_is_left_out_of_the_whole() -> None:
    assert choice_probabilities([step("yes", no=0.2, maybe=0.4)], FORMS) == pytest.approx({"yes": 2 / 3, "no": 1 / 3})


def test_choices_with_one_beginning_are_told_apart_where_they_differ() -> None:
    forms = {"a dog": b"a dog", "a cat": b"a cat", "none": b"none"}
    steps = [step("a", none=0.5), step(" dog", **{" cat": 0.25})]
    assert choice_probabilities(steps, forms) == pytest.approx({"a dog": 0.375, "a cat": 0.125, "none": 0.5})


def test_a_choice_that_begins_another_is_told_from_it_by_the_end() -> None:
    forms = {"no": b"no", "no sound": b"no sound"}
    steps = [step("no"), step("<|im_end|>", **{" sound": 0.25})]
    assert choice_probabilities(steps, forms) == pytest.approx({"no": 0.75, "no sound": 0.25})


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["y", "yes", "n", "no", " ", "Yes", "es", "o", "x", ""]), st.floats(-30, 0)),
        max_size=4,
    )
)
def test_probabilities_of_choices_sum_to_one_or_there_are_none(considered: list[dict[str, float]]) -> None:
    steps = [
        Step(next(iter(tokens)).encode(), [(t.encode(), p) for t, p in tokens.items()])
        for tokens in considered
        if tokens
    ]
    found = choice_probabilities(steps, FORMS)
    assert not found or math.isclose(sum(found.values()), 1.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "A dog.", "reasoning": "I hear barking."},
        {"content": "A dog.", "reasoning_content": "I hear barking."},
        {"content": "<think>\nI hear barking.\n</think>\n\nA dog."},
        {"content": "I hear barking.\n</think>\n\nA dog."},
    ],
)
def test_thinking_is_kept_apart_from_the_answer(fields: Mapping[str, object]) -> None:
    answer = read(message(**fields), Question("What is heard?"))
    assert (answer.text, answer.thinking) == ("A dog.", "I hear barking.")


def test_what_asking_took_is_told() -> None:
    body = chat_answer(Told(tokens_of("A dog barks."), prompt_tokens=500, cached_tokens=384))
    answer = read(body, Question("What is heard?"))
    assert (answer.prompt_tokens, answer.cached_tokens, answer.answer_tokens) == (500, 384, 3)


def test_half_a_surrogate_pair_can_be_written_to_a_file() -> None:
    answer = read(message(content="a \ud83d dog\0"), Question("What is heard?"))
    assert answer.text.encode() == "a \ufffd dog\ufffd".encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "bad_answer"),
        (b"[1]", "bad_answer"),
        (b'{"choices": [{"mess', "bad_answer"),
        (b"[" * 100_000, "bad_answer"),
        (b"\xff\xfe\x00", "bad_answer"),
        ({"choices": []}, "bad_answer"),
        ({"choices": [{"message": None}]}, "bad_answer"),
        (message(content=None, reasoning="yes"), "bad_answer"),
        (message(content=["yes"]), "bad_answer"),
        (message(content="perhaps"), "bad_answer"),
        (message(content="yes"), "no_probabilities"),
        (message(content="<think> for ever"), "endless_answer"),
        (message(content="la" * 200_000), "endless_answer"),
        ({"choices": [{"message": {"content": "la la"}, "finish_reason": "length"}]}, "endless_answer"),
        (
            {"choices": [{"message": {"content": "yes"}, "logprobs": {"content": [{"token": "yes", "logprob": "?"}]}}]},
            "bad_answer",
        ),
    ],
)
def test_what_is_no_answer_says_why(body: object, reason: str) -> None:
    with pytest.raises(AnnotationError) as rejection:
        read(body)
    assert rejection.value.reason == reason
    assert 0 < len(rejection.value.detail) < 1000


@pytest.mark.parametrize("logprob", [float("nan"), float("inf"), 1e308])
def test_no_logprob_can_make_a_probability_that_is_none(logprob: float) -> None:
    tokens = [{"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "no", "logprob": logprob}]}]
    answer = read({"choices": [{"message": {"content": "yes"}, "logprobs": {"content": tokens}}]})
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert all(0.0 <= p <= 1.0 for p in answer.probabilities.values())


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.QUESTION),
        (404, Fault.SET_UP),
        (302, Fault.SET_UP),
        (429, Fault.SERVER),
        (503, Fault.SERVER),
        (500, Fault.UNKNOWN),
        (504, Fault.UNKNOWN),
        (408, Fault.UNKNOWN),
        (418, Fault.QUESTION),
    ],
)
def test_a_status_tells_whose_fault_it_is(status: int, fault: Fault) -> None:
    assert failure_of(status, "").fault is fault


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("", 0.0),
        ("-1", 0.0),
        ("soon", 0.0),
        ("inf", 0.0),
        ("nan", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_a_server_says_when_to_come_again(value: str, seconds: float) -> None:
    assert retry_after_s(value) == seconds

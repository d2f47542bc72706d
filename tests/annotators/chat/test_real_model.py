"""The client in front of a model that computes its answers: the tiny MOSS-Audio, served here and by vLLM itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Answer, Question, Sampling, Tally
from soundseam.annotators.chat.served import Parsed, ask_records
from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.captions.caption_config import VerifierConfig
from soundseam.pipeline.captions.verify import VerifierInput, probability, questions_about, verify_captions
from soundseam.pipeline.serving.server import decoded_samples, probe_clip
from soundseam.schemas.caption import Caption
from soundseam.schemas.record import Record
from tests.annotators.moss.conftest import checkpoint, tiny
from tests.annotators.moss.tiny_moss import SYSTEM, TinyMoss
from tests.pipeline.filters.corpora import a_told_caption, a_told_segment
from tests.support.chat_moss import MossModel, prompt_text, samples_of
from tests.support.chat_server import ChatServer
from tests.support.vllm import needs_vllm, real_vllm

__all__ = ["checkpoint", "tiny"]

pytest.importorskip("torch", reason="needs pip install 'soundseam[models]'")

NO_BLANKS = '{"backend": "xgrammar", "disable_any_whitespace": true}'
"""Between the parts of JSON, where a model of random weights writes them without end."""
CLOSE = 1e-3
"""How far probabilities may lie from those of the forward pass."""


@pytest.fixture(scope="module", params=["in this process", pytest.param("vLLM", marks=needs_vllm)])
def client(
    request: pytest.FixtureRequest, checkpoint: Path, tiny: TinyMoss, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerClient]:
    if request.param == "vLLM":
        options = ("--dtype", "float32", "--enforce-eager", "--structured-outputs-config", NO_BLANKS)
        with real_vllm(checkpoint, tmp_path_factory.mktemp("vllm") / "log", *options) as root:
            yield from _client(f"{root}/v1")
    else:
        with ChatServer(MossModel(tiny)) as server:
            yield from _client(server.url)


def _client(url: str) -> Iterator[ServerClient]:
    with closing(ServerClient(Endpoint(urls=(url,), model="tiny", in_flight=16))) as client:
        yield client


def a_clip(duration_ms: int = 3_000, shift: int = 0) -> bytes:
    return encode_flac(np.roll(decoded_samples(probe_clip(duration_ms)), shift))


def answers_to(client: ServerClient, *questions: Question, tally: Tally | None = None) -> list[Answer]:
    ((_, replies),) = client.ask([(None, questions)], tally)
    answers = [reply for reply in replies if isinstance(reply, Answer)]
    assert len(answers) == len(questions), replies
    return answers


def expected_yes(tiny: TinyMoss, question: Question) -> float:
    """P(yes) from the model's own distribution: all tokens that can begin yes, over those and those that begin no."""
    clips = [samples_of(flac) for flac in question.audio]
    prompt = prompt_text(question.text, question.system, len(clips))
    scores = tiny.next_log_probabilities(tiny.token_ids(prompt, clips), clips)
    mass = {
        word: sum(float(np.exp(scores[number])) for number in range(266) if tiny.token(number) in starts)
        for word, starts in {"yes": {"y", "ye", "yes"}, "no": {"n", "no"}}.items()
    }
    return mass["yes"] / (mass["yes"] + mass["no"])


def test_a_probability_is_what_the_models_own_distribution_says(client: ServerClient, tiny: TinyMoss) -> None:
    for shift in range(3):
        text, flac = "Is a dog barking? Answer yes or no.", a_clip(shift=1_000 * shift)
        question = Question(text, (flac,), SYSTEM, Sampling(max_tokens=8), choices=("yes", "no"))
        (answer,) = answers_to(client, question)
        yes = expected_yes(tiny, question)
        assert answer.probabilities["yes"] == pytest.approx(yes, abs=CLOSE)
        assert answer.text == ("yes" if yes > 0.5 else "no")


def test_an_answer_depends_on_what_is_heard(client: ServerClient) -> None:
    text = "Is a dog barking? Answer yes or no."
    heard = [
        answers_to(client, Question(text, (a_clip(duration),), SYSTEM, choices=("yes", "no")))[0].probabilities["yes"]
        for duration in (1_000, 3_000, 6_000)
    ]
    assert all(abs(one - other) > 1e-6 for one, other in pairwise(heard))


def test_a_verdict_is_what_the_model_makes_of_both_phrasings(client: ServerClient, tiny: TinyMoss) -> None:
    segment = a_told_segment("dog", 0)
    heard = VerifierInput(segment, a_told_caption(segment, "A dog barks twice."), a_clip())
    affirm, deny = questions_about("A dog barks twice.", heard.flac, "en")
    affirmed, denied = expected_yes(tiny, affirm), expected_yes(tiny, deny)
    # So that the claim is confirmed, and asked about in silence too.
    config = VerifierConfig(confirm=0.51, drop=0.01, disagreement=1.0, silence_share=1.0)
    ((_, caption),) = verify_captions([(None, heard)], config, CachedClient(client))
    assert isinstance(caption, Caption), caption
    (claim,), (check,) = caption.claims, caption.checks
    assert (check.affirmed, check.denied) == pytest.approx((affirmed, denied), abs=CLOSE)
    assert claim.probability == pytest.approx(probability(affirmed, denied), abs=CLOSE)


def test_a_free_answer_is_the_likeliest_one(client: ServerClient, tiny: TinyMoss) -> None:
    flac, text = a_clip(), "What is heard?"
    ((_, (reply,)),) = client.ask([(None, [Question(text, (flac,), SYSTEM, Sampling(max_tokens=6))])])
    clips = [samples_of(flac)]
    said, _ = tiny.generate(tiny.token_ids(prompt_text(text, SYSTEM, 1), clips), clips, 6)
    # A model of random weights hardly ever ends by itself: the client then says that it was cut off, and shows it.
    assert isinstance(reply, AnnotationError)
    assert reply.reason == "endless_answer"
    assert repr(tiny.text(said)) in reply.detail


class Voice(Record):
    """How somebody sounds."""

    pitch: Literal["low", "medium", "high"]
    speakers: int = Field(ge=0, le=9)


def test_a_record_comes_out_of_a_schema(client: ServerClient) -> None:
    question = Question("Describe the voice.", (a_clip(),), SYSTEM, Sampling(max_tokens=200))
    ((_, (told,)),) = ask_records(client, [(None, [question])], Voice)
    assert isinstance(told, Parsed), told
    assert told.record.pitch in {"low", "medium", "high"}


def test_several_questions_about_one_sound_are_answered_as_each_alone(client: ServerClient) -> None:
    texts = ("Is a dog barking?", "Is it raining?", "Does somebody speak?", "Is there music?")
    questions = [Question(text, (a_clip(6_000),), SYSTEM, choices=("yes", "no")) for text in texts]
    together = answers_to(client, *questions)
    for question, answer in zip(questions, together, strict=True):
        (alone,) = answers_to(client, question)
        assert answer.probabilities["yes"] == pytest.approx(alone.probabilities["yes"], abs=CLOSE)


def test_a_server_tells_what_asking_took(client: ServerClient) -> None:
    tally = Tally()
    answers_to(client, Question("Is it raining?", (a_clip(4_000),), SYSTEM, choices=("yes", "no")), tally=tally)
    usage = tally.take()
    assert usage.prompt_tokens > 50
    assert usage.answer_tokens >= 1

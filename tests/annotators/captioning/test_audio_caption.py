"""Captions by a model that hears the audio: what is asked, what becomes of the answers, what rows tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from annotators.base import AnnotationError, Clip
from annotators.captioning.prompts import PromptLanguage, PromptName, caption_prompt
from annotators.chat.endpoint import Endpoint
from annotators.general.audio_caption import GeneralAudioCaption
from annotators.grammar.engine import Rows, as_json
from annotators.music.audio_caption import MusicAudioCaption
from annotators.speech.audio_caption import SpeechAudioCaption
from pipeline.annotate import annotation_row
from pipeline.sft.tasks.caption import is_trusted
from schemas.event import Branch
from schemas.general import GeneralFacts
from schemas.tables import Table
from tests.annotators.sounds import a_clip
from tests.chat_models import Scripted
from tests.chat_server import Asked, ChatServer

GOOD = "A dog barks twice near a busy road. Then a door slams."
ODD = "A choir of robots sings about the sea."


@pytest.fixture
def model() -> Scripted:
    return Scripted(lambda asked: GOOD)


@pytest.fixture
def server(model: Scripted) -> Iterator[ChatServer]:
    with ChatServer(model) as running:
        yield running


def captioner(server: ChatServer, kind: type[Any] = GeneralAudioCaption, **options: object) -> Any:
    return kind(server=Endpoint(urls=(server.url,), model="tiny", revision="r"), **options)


def caption(backend: Any, clip: Clip | None = None) -> Any:
    (facts,) = backend.load().annotate([clip or a_clip("a voice", backend)])
    return facts


def test_a_caption_is_the_models_answer_sentence_by_sentence(server: ChatServer) -> None:
    facts = caption(captioner(server))
    assert isinstance(facts, GeneralFacts)
    assert facts.caption == GOOD
    assert [claim.text for claim in facts.caption_claims] == [
        "A dog barks twice near a busy road.",
        "Then a door slams.",
    ]
    assert facts.told is not None
    assert facts.told.candidates[0].text == GOOD


@pytest.mark.parametrize("kind", [SpeechAudioCaption, MusicAudioCaption, GeneralAudioCaption])
def test_evidence_is_the_answer_itself_and_stands_in_the_row(server: ChatServer, kind: type[Any]) -> None:
    backend = captioner(server, kind)
    clip = a_clip("a voice", backend)
    row: Any = annotation_row(backend, "k", clip.segment, caption(backend, clip))
    rows = Rows(clip.segment, [row])
    for claim in row.caption_claims:
        (evidence,) = claim.evidence
        assert as_json(rows.value(Table(evidence.table), evidence.backend, evidence.field)) == evidence.value
        assert claim.text in json.loads(evidence.value)


def test_a_models_claim_is_never_taken_for_derived(server: ChatServer) -> None:
    backend = captioner(server, name="listener")
    claims = caption(backend).caption_claims
    assert {claim.rule for claim in claims} == {"listener"}
    assert all(claim.verdict is None and claim.probability is None for claim in claims)
    assert not is_trusted(claims, backend.backend)


def test_each_branch_asks_for_its_own_and_all_can_ask_for_the_whole(server: ChatServer, model: Scripted) -> None:
    for kind, branch in (
        (SpeechAudioCaption, "speech"),
        (MusicAudioCaption, "music"),
        (GeneralAudioCaption, "general"),
    ):
        caption(captioner(server, kind))
        assert model.asked[-1].text == caption_prompt(branch, "en").text  # type: ignore[arg-type]
        caption(captioner(server, kind, prompt="unified"))
        assert model.asked[-1].text == caption_prompt("unified", "en").text


def test_a_caption_comes_in_the_language_asked_for_or_not_at_all(model: Scripted, server: ChatServer) -> None:
    model.say = lambda asked: "一只狗叫了两声。" if "中文" in asked.text else GOOD
    facts = caption(captioner(server, language="zh"))
    assert (facts.caption, facts.told.language) == ("一只狗叫了两声。", "zh")
    model.say = lambda asked: GOOD
    with pytest.raises(AnnotationError) as rejection:
        caption(captioner(server, language="zh"))
    assert rejection.value.reason == "wrong_language"
    assert "A dog barks" in rejection.value.detail


def test_of_several_candidates_the_one_that_others_bear_out_stands_and_all_are_kept(
    model: Scripted, server: ChatServer
) -> None:
    def say(asked: Asked) -> str:
        return [ODD, GOOD, "- a list", GOOD.replace("twice", "loudly")][asked.seed - 10]

    model.say = say
    sampling = {"temperature": 0.8, "seed": 10}
    told = caption(captioner(server, candidates=4, sampling=sampling)).told
    assert sorted(asked.seed for asked in model.asked) == [10, 11, 12, 13]
    assert [candidate.problem for candidate in told.candidates] == [None, None, "not_prose", None]
    assert told.chosen in {1, 3}
    assert told.candidates[0].text == ODD


def test_where_no_candidate_may_stand_the_clip_is_rejected_with_what_was_answered(
    model: Scripted, server: ChatServer
) -> None:
    model.say = lambda asked: "I'm sorry, I cannot hear anything."
    with pytest.raises(AnnotationError) as rejection:
        caption(captioner(server, candidates=2, sampling={"temperature": 1.0}))
    assert rejection.value.reason == "about_itself"
    assert "cannot hear" in rejection.value.detail


def test_thinking_has_its_own_column(model: Scripted, server: ChatServer) -> None:
    model.reasoning = "It may be a dog."
    facts = caption(captioner(server))
    assert facts.told.candidates[0].thinking == "It may be a dog."
    assert "may be" not in facts.caption


def test_candidates_that_would_all_be_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="temperature"):
        GeneralAudioCaption(candidates=2)


def test_a_unified_caption_is_asked_for_once_a_segment(model: Scripted, server: ChatServer) -> None:
    captions = []
    for kind in (SpeechAudioCaption, MusicAudioCaption, GeneralAudioCaption):
        backend = captioner(server, kind, prompt="unified", only_leading=True)
        clip = a_clip("a voice", backend)
        shared = clip.segment.model_copy(update={"branches": (Branch.MUSIC, Branch.SPEECH, Branch.GENERAL)})
        captions.append(caption(backend, replace(clip, segment=shared)).caption)
    assert captions == [None, GOOD, None]
    assert len(model.asked) == 1


def test_rows_tell_the_words_that_were_asked_and_other_words_make_another_key(server: ChatServer) -> None:
    backend = captioner(server)
    assert backend.revision.startswith("r-general.en.v1-")
    assert caption(backend).told.prompt in backend.revision
    assert (
        len({captioner(server, **options).config_key for options in ({}, {"prompt": "unified"}, {"language": "zh"})})
        == 3
    )


@pytest.mark.parametrize(("name", "language"), list(product(get_args(PromptName), get_args(PromptLanguage))))
def test_every_prompt_is_there_with_its_version(name: Any, language: Any) -> None:
    prompt = caption_prompt(name, language)
    assert prompt.version >= 1
    assert len(prompt.text) > 80
    assert ("。" in prompt.text) == (language == "zh")


def test_words_that_change_get_another_version() -> None:
    # A changed prompt changes this list: raise the version in its file, then write down the new label.
    labels = {caption_prompt(*pair).label for pair in product(get_args(PromptName), get_args(PromptLanguage))}
    assert labels == {
        "general.en.v1-7d74c2e7",
        "general.zh.v1-7f8c256a",
        "music.en.v1-319f87f2",
        "music.zh.v1-f3d18fb7",
        "speech.en.v1-8e303dcd",
        "speech.zh.v1-b0d1d8d7",
        "unified.en.v1-f8538ac3",
        "unified.zh.v1-fa518f3e",
    }

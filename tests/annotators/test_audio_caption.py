"""Captions by a model that hears the audio: what is asked, what becomes of the answers, what rows tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.annotators.audio_caption import (
    GeneralAudioCaption,
    MusicAudioCaption,
    PromptLanguage,
    PromptName,
    SpeechAudioCaption,
    caption_prompt,
    choose,
    problem_of,
)
from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.grammar.engine import Rows, as_json
from soundseam.annotators.wording.normalise import sentences_in
from soundseam.pipeline.sft.tasks.caption import is_trusted
from soundseam.pipeline.stages.annotate import annotation_row
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.tables import Table
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer
from tests.support.sounds import a_clip

ENGLISH = caption_prompt("general", "en")
CHINESE = caption_prompt("general", "zh")
GOOD = "A dog barks twice near a busy road. Then a door slams, and footsteps fade away on gravel."
GOOD_ZH = "一只狗在繁忙的马路边叫了两声。随后一扇门砰地关上，脚步声在碎石路上渐渐远去。"


def test_plain_sentences_may_stand() -> None:
    assert problem_of(GOOD, ENGLISH) is None
    assert problem_of(GOOD_ZH, CHINESE) is None
    assert problem_of("A man says “I can't hear you”, and a phone rings.", ENGLISH) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_caption"),
        (" ...\n", "no_caption"),
        ("A dog barks and " * 60 + "stops.", "too_long"),
        (GOOD_ZH, "wrong_language"),
        ("Ein Hund bellt zweimal, und dann schlägt eine Tür zu.", "wrong_language"),
        ("## Description\nA dog barks.", "not_prose"),
        ("- A dog barks.\n- A door slams.", "not_prose"),
        ("1. A dog barks.\n2. A door slams.", "not_prose"),
        ('{"caption": "A dog barks."}', "not_prose"),
        ("**Sounds**: a dog barks.", "not_prose"),
        ("<answer>A dog barks.</answer>", "not_prose"),
        ("Sure, here is a description: a dog barks.", "about_itself"),
        ("As an AI I cannot listen to sounds.", "about_itself"),
        ("I'm sorry, but no audio came with the message.", "about_itself"),
        ("Describe its sounds: what is heard, in which order, how loud, how near and how long.", "prompt_echo"),
        ("A dog barks. A door slams. A dog barks.", "repetition"),
        ("and a dog barks at the gate " * 3, "repetition"),
        ("The onset of a bark is heard at a high confidence.", "tool_jargon"),
        ("A dog_bark is heard.", "tool_jargon"),
    ],
)
def test_what_is_no_caption_says_why(text: str, reason: str) -> None:
    assert problem_of(text, ENGLISH) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, "wrong_language"),
        ("狗叫。" * 3, "repetition"),
        ("狗在叫" * 200, "too_long"),
        ("抱歉，我无法听到声音。", "about_itself"),
        ("描述其中的声音：能听到什么，先后顺序如何，声音有多响。", "prompt_echo"),
        ("狗叫声的置信度很高。", "tool_jargon"),
    ],
)
def test_the_same_holds_of_chinese(text: str, reason: str) -> None:
    assert problem_of(text, CHINESE) == reason


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert problem_of(text, ENGLISH) is None or problem_of(text, ENGLISH)
    assert problem_of(text, CHINESE) is None or problem_of(text, CHINESE)


def test_of_several_answers_the_one_stands_that_the_others_bear_out() -> None:
    texts = [
        "A cow moos in a barn.",
        "A dog barks twice near a road, and a door slams.",
        "A dog barks near a busy road before a door slams.",
        "Near a road a dog barks and a door slams shut.",
    ]
    assert choose(texts, "en") in {1, 2, 3}
    assert choose(texts[:1], "en") == 0
    assert choose([GOOD_ZH, GOOD_ZH, "牛在牛棚里叫。"], "zh") == 0


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (GOOD, ("A dog barks twice near a busy road.", "Then a door slams, and footsteps fade away on gravel.")),
        (GOOD_ZH, ("一只狗在繁忙的马路边叫了两声。", "随后一扇门砰地关上，脚步声在碎石路上渐渐远去。")),
        ("Mr. Smith speaks.\nHe is calm", ("Mr. Smith speaks.", "He is calm")),
        ("It lasts 2.5 seconds. 3 dogs bark!", ("It lasts 2.5 seconds.", "3 dogs bark!")),
        ("She says “Stop!” Then it is quiet.", ("She says “Stop!”", "Then it is quiet.")),
        ("他说：“停！”然后安静下来。", ("他说：“停！”", "然后安静下来。")),
        ("", ()),
    ],
)
def test_text_is_cut_into_sentences(text: str, sentences: tuple[str, ...]) -> None:
    assert sentences_in(text) == sentences


@given(st.lists(st.text(st.sampled_from("aB1 .!?\u3002\uff01\"'狗\n"), max_size=12), max_size=6))
def test_no_word_is_lost_between_sentences(parts: list[str]) -> None:
    text = " ".join(parts)
    assert "".join("".join(sentences_in(text)).split()) == "".join(text.split())


GOOD_ANSWER = "A dog barks twice near a busy road. Then a door slams."
ODD = "A choir of robots sings about the sea."


@pytest.fixture
def model() -> Scripted:
    return Scripted(lambda asked: GOOD_ANSWER)


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
    assert facts.caption == GOOD_ANSWER
    assert [claim.text for claim in facts.caption_claims] == [
        "A dog barks twice near a busy road.",
        "Then a door slams.",
    ]
    assert facts.told is not None
    assert facts.told.candidates[0].text == GOOD_ANSWER


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
    model.say = lambda asked: "一只狗叫了两声。" if "中文" in asked.text else GOOD_ANSWER
    facts = caption(captioner(server, language="zh"))
    assert (facts.caption, facts.told.language) == ("一只狗叫了两声。", "zh")
    model.say = lambda asked: GOOD_ANSWER
    with pytest.raises(AnnotationError) as rejection:
        caption(captioner(server, language="zh"))
    assert rejection.value.reason == "wrong_language"
    assert "A dog barks" in rejection.value.detail


def test_of_several_candidates_the_one_that_others_bear_out_stands_and_all_are_kept(
    model: Scripted, server: ChatServer
) -> None:
    def say(asked: Asked) -> str:
        return [ODD, GOOD_ANSWER, "- a list", GOOD_ANSWER.replace("twice", "loudly")][asked.seed - 10]

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
    assert captions == [None, GOOD_ANSWER, None]
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

"""Thirteen dimensions of how somebody speaks: asked of a model, validated, and held against what was measured."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
import soundfile

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.served import flac_of
from soundseam.annotators.prompts import PARALINGUISTICS, Prompts
from soundseam.annotators.speech.paralinguistics import ParalinguisticsByModel
from soundseam.annotators.speech.pitch import load_tracker
from soundseam.annotators.speech.voice import measure_voice
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.speech import Dimensions, Paralinguistics, Speakers, SpeechFacts, Turn
from soundseam.schemas.tables import records_of, table_of
from tests.annotators.speech.builders import a_clip, a_vowel, syllables
from tests.annotators.speech.test_agreement import a_row
from tests.support.asking import BAD_ANSWERS, BAD_TEXTS, as_json, ask
from tests.support.chat_server import Asked
from tests.support.served_answers import SPEAKER

TRACKER = load_tracker()


def told(**dimensions: object) -> str:
    return as_json(**{**SPEAKER, **dimensions})


def a_voice(pitch_hz: float = 200.0, level_dbfs: float = -20.0) -> Clip:
    """Three seconds of a steady voice, and the row that measured it."""
    clip = a_clip(a_vowel(3_000, pitch_hz, level_dbfs), (0, 3_000))
    return replace(clip, annotations=(a_row("voice", voice=measure_voice(clip, TRACKER)),))


def described(clip: Clip, say: str | None = None, **options: object) -> tuple[Paralinguistics, ...]:
    (facts,), _ = ask(ParalinguisticsByModel.model_validate(options), [clip], say or told())
    assert isinstance(facts, SpeechFacts)
    assert facts.paralinguistics is not None
    return facts.paralinguistics


def test_all_thirteen_dimensions_of_the_report_are_asked_for_and_kept() -> None:
    (facts,), (asked,) = ask(ParalinguisticsByModel(), [a_voice()], told())
    (one,) = facts.paralinguistics
    assert one.model_dump(mode="json", include=set(SPEAKER)) == SPEAKER
    assert len(Dimensions.model_fields) == 13
    assert all(f"{name}:" in asked.text for name in Dimensions.model_fields)
    assert set(asked.json_schema["properties"]) == set(Dimensions.model_fields)
    assert len(asked.audio) == 1
    assert (one.speaker, one.contradictions, one.answer) == (None, (), told())


def test_the_summary_is_a_claim_that_only_listening_can_verify() -> None:
    (facts,), _ = ask(ParalinguisticsByModel(), [a_voice()], told())
    (claim,) = facts.caption_claims
    assert facts.caption == claim.text == SPEAKER["summary"]
    assert claim.evidence[0].field == "paralinguistics.0.summary"


def test_what_was_thought_is_kept_apart() -> None:
    (facts,), _ = ask(ParalinguisticsByModel(), [a_voice()], told(), thinking="A low voice?")
    assert facts.thinking == "A low voice?"


def test_a_row_of_it_can_be_written_and_read() -> None:
    row = a_row("paralinguistics", paralinguistics=described(a_voice()))
    assert records_of(table_of([row], SpeechAnnotation), SpeechAnnotation) == [row]


def test_values_are_taken_as_models_spell_them_and_unclear_is_one() -> None:
    say = told(gender="Female", age="Middle-aged", clarity="fairly clear", accent="unclear", texture="Unclear.")
    (one,) = described(a_voice(), say)
    assert (one.gender, one.age, one.clarity) == ("female", "middle_aged", "fairly_clear")
    assert one.accent == "unclear"


@pytest.mark.parametrize(
    ("pitch_hz", "level_dbfs", "said", "wrong"),
    [
        (90.0, -20.0, {"gender": "female", "pitch": "high", "age": "child"}, ["gender", "pitch", "age"]),
        (290.0, -20.0, {"gender": "male", "pitch": "low"}, ["gender", "pitch"]),
        (290.0, -20.0, {"gender": "male", "age": "child", "pitch": "high"}, []),
        (170.0, -20.0, {"gender": "male", "pitch": "high"}, []),
        (170.0, -50.0, {"volume": "loud"}, ["volume"]),
        (170.0, -5.0, {"volume": "quiet"}, ["volume"]),
        (170.0, -20.0, {"gender": "unclear", "pitch": "unclear", "age": "unclear"}, []),
    ],
)
def test_what_contradicts_the_measured_voice_is_marked_and_counts_as_unclear(
    pitch_hz: float, level_dbfs: float, said: dict[str, str], wrong: list[str]
) -> None:
    plain = {"gender": "unclear", "speed": "unclear", "age": "unclear"}
    (one,) = described(a_voice(pitch_hz, level_dbfs), told(**{**plain, **said}))
    assert [mark.dimension for mark in one.contradictions] == wrong
    assert [mark.said for mark in one.contradictions] == [said[name] for name in wrong]
    assert {mark.backend for mark in one.contradictions} <= {"voice"}
    assert all(getattr(one, name) == "unclear" for name in wrong)


def test_a_pace_is_held_against_the_syllables_that_were_counted() -> None:
    clip = a_clip(syllables(16, each_ms=160), (0, 2_560))
    clip = replace(clip, annotations=(a_row("voice", voice=measure_voice(clip, TRACKER)),))
    (one,) = described(clip, told(speed="slow", gender="unclear"))
    assert [(mark.dimension, mark.said) for mark in one.contradictions] == [("speed", "slow")]
    assert "syllables a second" in one.contradictions[0].measured


def test_a_summary_beside_a_contradiction_is_kept_and_claims_nothing() -> None:
    (facts,), _ = ask(ParalinguisticsByModel(), [a_voice(90.0)], told(gender="female"))
    assert facts.paralinguistics[0].summary == SPEAKER["summary"]
    assert (facts.caption, facts.caption_claims) == (None, ())


def a_dialogue() -> Clip:
    """Two seconds of each of two voices, then both at once, and a third who says next to nothing."""
    samples = a_vowel(6_500, 120)
    turns = [("S2", 0, 2_000), ("S1", 2_000, 4_500), ("S2", 4_000, 6_000), ("S3", 6_000, 6_500)]
    speakers = Speakers(
        turns=tuple(Turn(speaker=name, start_ms=a, end_ms=b, overlapped=False) for name, a, b in turns),
        count=3,
        overlap_ms=500,
        scope="recording",
    )
    return replace(a_clip(samples, (0, 6_500)), annotations=(a_row("diarization", speakers=speakers),))


def test_each_speaker_is_heard_alone_and_described_who_speaks_longest_first() -> None:
    (facts,), asked = ask(ParalinguisticsByModel(), [a_dialogue()], told(gender="male"))
    assert [one.speaker for one in facts.paralinguistics] == ["S2", "S1"]
    assert [round(soundfile.info(io.BytesIO(one.audio[0])).duration, 2) for one in asked] == [3.5, 2.0]


def test_speakers_beyond_the_most_are_left_out() -> None:
    assert [one.speaker for one in described(a_dialogue(), max_speakers=1)] == ["S2"]


def test_one_speaker_of_several_is_measured_alone() -> None:
    (one, _) = described(a_dialogue(), told(gender="female", pitch="high"))
    assert [mark.dimension for mark in one.contradictions] == ["pitch"]
    assert one.contradictions[0].backend == "paralinguistics"


def test_where_hardly_anybody_speaks_nothing_is_asked() -> None:
    (facts,), asked = ask(ParalinguisticsByModel(), [a_clip(a_vowel(800), (0, 800))], told())
    assert (facts.paralinguistics, asked) == ((), [])


def test_a_segment_that_comes_as_a_file_is_heard_alike() -> None:
    clip = a_dialogue()
    as_file = replace(clip, samples=clip.samples[:0], flac=flac_of(clip))
    assert described(as_file) == described(clip)


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_an_answer_that_is_no_record_is_asked_for_once_more_then_rejected_with_it(name: str) -> None:
    (answer,), asked = ask(ParalinguisticsByModel(), [a_voice()], BAD_ANSWERS[name])
    assert isinstance(answer, AnnotationError)
    assert answer.reason in {"bad_answer", "endless_answer"}
    if answer.reason == "bad_answer":
        assert len(asked) == 2
        assert repr(BAD_ANSWERS[name])[1:40] in answer.detail


@pytest.mark.parametrize("dimension", ["accent", "texture", "tone", "personality", "summary"])
@pytest.mark.parametrize("name", BAD_TEXTS)
def test_free_text_that_is_no_description_is_rejected(name: str, dimension: str) -> None:
    (answer,), asked = ask(ParalinguisticsByModel(), [a_voice()], told(**{dimension: BAD_TEXTS[name]}))
    assert isinstance(answer, AnnotationError)
    assert answer.reason == "bad_answer"
    assert len(asked) == 2


@pytest.mark.parametrize("value", ["robot", "", None, 3, "female or male"])
def test_a_value_outside_the_list_is_rejected(value: object) -> None:
    (answer,), _ = ask(ParalinguisticsByModel(), [a_voice()], told(gender=value))
    assert isinstance(answer, AnnotationError)
    assert "gender" in answer.detail


def test_an_answer_that_is_mended_when_asked_again_is_taken() -> None:
    def say(asked: Asked) -> str:
        return told() if "You have answered" in asked.text else json.dumps({"gender": "female"})

    (facts,), asked = ask(ParalinguisticsByModel(), [a_voice()], say)
    assert isinstance(facts, SpeechFacts)
    assert len(asked) == 2


def test_other_words_in_the_prompt_are_another_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ParalinguisticsByModel().revision
    texts = {
        "paralinguistics": "Say how it sounds.",
        "paralinguistics_system": PARALINGUISTICS.text("paralinguistics_system"),
    }
    monkeypatch.setattr(Prompts, "text", lambda _, name, language="": texts[name])
    assert ParalinguisticsByModel().revision != before

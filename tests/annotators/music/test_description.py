"""Descriptions of music by a model, held against what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.music.description import DescribeMusic, Measured, contradiction, same_pulse, says_vocals
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.event import Branch, EventClass, ProfileEntry, Tag, TagKind
from soundseam.schemas.music import Lyrics, Mode, MusicFacts, Rhythm, Tonality, Topic
from tests.support.asking import BAD_ANSWERS, BAD_TEXTS, as_json, ask
from tests.support.builders import a_segment
from tests.support.served_answers import MUSIC

A_MINOR_AT_84 = MusicFacts(
    rhythm=Rhythm(tempo_bpm=84.0, tempo_confidence=0.8, beats_ms=(), onset_rate_hz=2.0),
    tonality=Tonality(tonic="A", mode=Mode.MINOR, confidence=0.9, runner_up="C major", tuning_cents=0.0),
)


def a_clip(facts: MusicFacts = A_MINOR_AT_84, singing: float = 0.0) -> Clip:
    profile = (ProfileEntry(event_class=EventClass.SINGING, share=singing, strength=0.9),) if singing else ()
    segment = a_segment("a", 0, 10_000, branches=(Branch.MUSIC,), profile=profile)
    row = MusicAnnotation(
        segment_id=segment.segment_id,
        recording_id=segment.recording_id,
        branch=Branch.MUSIC,
        backend="mir",
        model="m",
        revision="1",
        config_key="k",
        **{name: getattr(facts, name) for name in MusicFacts.model_fields},
    )
    return Clip(segment, np.zeros(16_000, np.float32), 16_000, (row,))


def told(**parts: object) -> str:
    return as_json(**{**MUSIC, **parts})


def description_of(clip: Clip, answer: str, **options: Any) -> Any:
    (facts,), _ = ask(DescribeMusic(**options), [clip], answer)
    assert isinstance(facts, MusicFacts)
    return facts.description


def test_what_agrees_with_the_measures_stands_and_becomes_the_caption() -> None:
    say = told(tonality_and_harmony="It stays in A minor throughout.", tempo_bpm=84.0, key="A minor")
    (facts,), (asked,) = ask(DescribeMusic(), [a_clip()], say)
    description = facts.description
    assert description.tonality_and_harmony == "It stays in A minor throughout."
    assert (description.tempo_bpm, description.key, description.vocals) == (84.0, "A minor", False)
    assert description.contradictions == ()
    assert description.answer == say
    assert facts.caption == " ".join(claim.text for claim in facts.caption_claims)
    assert [claim.evidence[0].field for claim in facts.caption_claims][:2] == [
        "description.style_and_tempo",
        "description.tonality_and_harmony",
    ]
    assert len(asked.audio) == 1


def test_what_was_thought_stands_in_a_column_of_its_own() -> None:
    (facts,), _ = ask(DescribeMusic(), [a_clip()], told(), thinking="Is that a harp?")
    assert facts.thinking == "Is that a harp?"
    assert "harp" not in facts.description.answer


def test_another_key_is_marked_and_left_out_and_what_else_was_said_stays() -> None:
    say = told(tonality_and_harmony="The piece is in E flat major. Its chords are rich.", key="E flat major")
    description = description_of(a_clip(), say)
    assert description.tonality_and_harmony == "Its chords are rich."
    assert description.key is None
    text, value = description.contradictions
    assert (text.topic, text.said, text.measured, text.backend) == (
        Topic.KEY,
        "The piece is in E flat major.",
        "A minor",
        "mir",
    )
    assert value.said == "E flat major"


@pytest.mark.parametrize(
    ("bpm", "stands"), [(84, True), (168, True), (42, True), (86, True), (120, False), (100, False)]
)
def test_a_tempo_stands_up_to_an_octave(bpm: int, stands: bool) -> None:
    say = told(style_and_tempo=f"A ballad at {bpm} BPM.", tempo_bpm=float(bpm))
    description = description_of(a_clip(), say)
    assert (description.tempo_bpm == bpm) is stands
    assert (description.style_and_tempo is not None) is stands
    assert [one.topic for one in description.contradictions] == ([] if stands else [Topic.TEMPO, Topic.TEMPO])


def test_a_part_that_only_contradicts_is_null_and_no_part_of_the_caption() -> None:
    (facts,), _ = ask(DescribeMusic(), [a_clip()], told(tonality_and_harmony="It is in C sharp major."))
    assert facts.description.tonality_and_harmony is None
    assert "C sharp" not in facts.caption
    assert len(facts.caption_claims) == 4


def test_singing_that_was_detected_makes_instrumental_a_contradiction() -> None:
    say = told(instruments="A piano plays. It is purely instrumental.", vocals=False)
    description = description_of(a_clip(singing=0.6), say)
    assert description.instruments == "A piano plays."
    assert description.vocals is None
    assert {one.topic for one in description.contradictions} == {Topic.VOCALS}
    assert {one.backend for one in description.contradictions} == {"profile"}


def test_no_singing_counts_only_where_the_detectors_know_it() -> None:
    say = told(instruments="A woman sings over a guitar.", vocals=True)
    assert description_of(a_clip(), say).contradictions == ()
    knows = description_of(a_clip(), say, detectors_hear_singing=True)
    assert [one.measured for one in knows.contradictions] == ["no singing", "no singing"]


def test_lyrics_and_sure_tags_are_singing_too() -> None:
    lyrics = Lyrics(
        text="la", words=(), language="en", confidence=0.5, recogniser="m", usable_for_training=False, flags=()
    )
    singer = Tag(label="female singer", kind=TagKind.INSTRUMENT, score=0.9, source="m")
    for facts in (MusicFacts(lyrics=lyrics), MusicFacts(tags=(singer,))):
        found = description_of(a_clip(facts), told(instruments="A guitar, without any vocals.", vocals=False))
        assert found.instruments is None
        assert {one.backend for one in found.contradictions} == {"mir"}


def test_unsure_measures_contradict_nothing() -> None:
    unsure = MusicFacts(
        rhythm=Rhythm(tempo_bpm=84.0, tempo_confidence=0.1, beats_ms=(), onset_rate_hz=2.0),
        tonality=Tonality(tonic="A", mode=Mode.MINOR, confidence=0.2, runner_up="C major", tuning_cents=0.0),
    )
    say = told(tonality_and_harmony="It is in D major.", tempo_bpm=130.0, key="D major")
    assert description_of(a_clip(unsure), say).contradictions == ()


@pytest.mark.parametrize(
    ("text", "sings"),
    [
        ("A choir sings softly.", True),
        ("Female vocals enter late.", True),
        ("There are no vocals.", False),
        ("It is instrumental.", False),
        ("It has neither drums nor bass.", None),
        ("The violin has a singing tone.", None),
    ],
)
def test_what_a_sentence_says_of_singing(text: str, sings: bool | None) -> None:
    assert says_vocals(text) is sings


def test_keys_of_one_name_on_the_keyboard_are_one() -> None:
    measured = Measured(key=(1, "minor", "mir"))
    assert contradiction("It is in D flat minor.", measured) is None
    assert contradiction("It is in C# minor.", measured) is None
    assert contradiction("It is in C minor.", measured) is not None


def test_three_times_a_tempo_is_the_same_pulse_and_half_as_much_again_is_not() -> None:
    assert same_pulse(180, 60)
    assert not same_pulse(90, 60)


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_is_asked_for_once_more_then_rejected(name: str) -> None:
    (answer,), asked = ask(DescribeMusic(), [a_clip()], BAD_ANSWERS[name])
    assert isinstance(answer, AnnotationError)
    assert len(asked) <= 2


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_bad_words_in_the_right_form_are_rejected(name: str) -> None:
    (answer,), asked = ask(DescribeMusic(), [a_clip()], told(mood=BAD_TEXTS[name][:480]))
    assert isinstance(answer, AnnotationError)
    assert "mood: " in answer.detail
    assert len(asked) == 2


@pytest.mark.parametrize("changes", [{"key": "very happy"}, {"tempo_bpm": 4_000}, {"vocals": "perhaps"}])
def test_values_out_of_bounds_are_rejected(changes: dict[str, object]) -> None:
    (answer,), _ = ask(DescribeMusic(), [a_clip()], told(**changes))
    assert isinstance(answer, AnnotationError)


def test_an_answer_that_is_repaired_is_taken() -> None:
    (facts,), asked = ask(
        DescribeMusic(), [a_clip()], lambda asked: told() if "have answered" in asked.text else told(key="happy")
    )
    assert facts.description.mood == MUSIC["mood"]
    assert "'happy' is not a key" in asked[1].text

"""What each task asks, and what it must not ask."""

from __future__ import annotations

import json
import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.grammar.engine import Rows, as_json
from soundseam.pipeline.sft.answers import read_timed, score_answer
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.sample import MessageKind, Sample, Scoring
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Agreement, Alignment, ErrorUnit, Sentence
from soundseam.schemas.tables import Table
from tests.pipeline.sft.builders import (
    BELL,
    CHINESE,
    CONFIG,
    DOG,
    ENGLISH,
    EVERY,
    MUSIC,
    SHORT,
    SPEECH,
    a_rich_recording,
    event,
    heard,
    material,
    musical,
    of,
    recording,
    samples,
    spoken,
    tasks_in,
)
from tests.support.builders import a_segment

SHIFT_MS = 7_200_000
RICH = samples(a_rich_recording(), EVERY)


def test_every_task_finds_something_in_a_recording_that_has_everything() -> None:
    assert tasks_in(RICH) == {task.task for task in SHORT.tasks}


@pytest.mark.parametrize("sample", RICH, ids=lambda sample: f"{sample.task}-{sample.kind}-{sample.topic}")
def test_an_answer_gets_full_marks_by_its_own_specification(sample: Sample) -> None:
    assert score_answer(sample.answer_spec, sample.answer, CONFIG.timestamps) in {1.0, None}
    if sample.answer_spec.scoring not in {Scoring.OPEN, Scoring.REFUSAL}:
        assert score_answer(sample.answer_spec, "I could not say", CONFIG.timestamps) == 0.0


def test_every_value_of_the_evidence_stands_in_the_rows() -> None:
    materials = {one.segment_id: one for one in a_rich_recording().segments}
    evidence = list(chain.from_iterable(sample.evidence for sample in RICH))
    assert len(evidence) > 50
    for one in evidence:
        owner = materials[one.segment_id]
        value = Rows(owner.segment, owner.annotations).value(Table(one.table), one.backend, one.field)
        assert as_json(value) == one.value


def test_no_sample_is_without_evidence_or_audio() -> None:
    for sample in RICH:
        assert sample.evidence
        played = [message.content for message in sample.messages if message.kind is MessageKind.AUDIO]
        assert tuple(played) == sample.segment_ids


def test_times_count_from_the_start_of_the_audio() -> None:
    def measured(shift_ms: int) -> list[str]:
        made = samples(a_rich_recording(shift_ms=shift_ms), ENGLISH)
        return sorted(
            sample.answer_spec.model_dump_json()
            for sample in made
            if sample.answer_spec.scoring in {Scoring.SPANS, Scoring.NUMBER, Scoring.LABELS}
        )

    assert len(measured(0)) > 10
    assert measured(SHIFT_MS) == measured(0)


@pytest.mark.parametrize("config", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_questions_are_asked_in_the_language_that_is_wanted(config: object) -> None:
    made = samples(a_rich_recording(), config)  # type: ignore[arg-type]
    wanted = next(iter(config.languages))  # type: ignore[attr-defined]
    chinese = [any("\u4e00" <= character <= "\u9fff" for character in sample.question) for sample in made]
    # A caption is asked for in the language in which there is one.
    asked = [is_chinese for is_chinese, sample in zip(chinese, made, strict=True) if sample.task != "caption"]
    assert asked
    assert all(is_chinese == (wanted == "zh") for is_chinese in asked)


def talk(**changes: object) -> Segment:
    return a_segment("a", 0, 8_000, (event(SPEECH, 0, 7_000),), branches=(Branch.SPEECH,), **changes)


def test_a_transcript_that_is_not_for_training_is_never_an_answer() -> None:
    made = samples(recording(material(talk(), spoken(talk(), ["secret", "words."], usable=False))), EVERY)
    assert tasks_in(made)
    assert not [sample for sample in made if "secret" in sample.model_dump_json()]


def test_words_and_sentences_are_timed_by_their_lines() -> None:
    words = ["Come", "in.", "Sit", "down", "here."]
    made = samples(recording(material(talk(), spoken(talk(), words))), EVERY)
    timed = read_timed(of("asr_words", made)[0].answer, CONFIG.timestamps)
    assert [entry.text for entry in timed] == words
    assert (timed[1].segment_start_ms, timed[1].segment_end_ms) == (400, 700)
    sentences = read_timed(of("asr_sentences", made)[0].answer, CONFIG.timestamps)
    assert [entry.text for entry in sentences] == ["Come in.", "Sit down here."]
    assert (sentences[1].segment_start_ms, sentences[1].segment_end_ms) == (800, 1900)


def test_what_systems_did_not_agree_on_is_no_answer_whatever_one_of_them_says() -> None:
    alone = spoken(talk(), ["One", "alone."])
    verdict = spoken(talk(), ["Not", "agreed."], usable=False).model_copy(
        update={
            "backend": "agreement",
            "agreement": Agreement(
                systems=("asr", "other"),
                chosen="asr",
                unit=ErrorUnit.WORDS,
                pairs=(),
                coverage=None,
                untranscribed_tail_ms=None,
                letters_per_second=None,
            ),
        }
    )
    assert of("asr", samples(recording(material(talk(), alone)), EVERY))
    assert not of("asr", samples(recording(material(talk(), alone, verdict)), EVERY))


def test_a_forced_aligner_s_times_come_before_the_recogniser_s() -> None:
    row = spoken(talk(), ["Come", "in."])
    assert row.transcript is not None
    words = tuple(
        word.model_copy(update={"start_ms": word.start_ms + 50, "end_ms": word.end_ms + 50})
        for word in row.transcript.words
    )
    aligned = row.model_copy(
        update={
            "backend": "aligner",
            "transcript": None,
            "voice": None,
            "alignment": Alignment(aligned="asr", words=words, mean_difference_ms=50.0),
            "sentences": (Sentence(text="Come in.", start_ms=50, end_ms=750),),
        }
    )
    made = samples(recording(material(talk(), row, aligned)), EVERY)
    assert of("asr_words", made)[0].answer == "0.05 - 0.35: Come\n0.45 - 0.75: in."
    assert of("asr_sentences", made)[0].answer == "0.05 - 0.75: Come in."
    assert {one.field for one in of("asr_words", made)[0].evidence} >= {"transcript.text", "alignment.words"}


def test_words_without_a_time_are_not_timed() -> None:
    row = spoken(talk(), ["Come", "in."])
    assert row.transcript is not None
    late = row.transcript.words[1].model_copy(update={"end_ms": 9_000})
    outside = row.model_copy(
        update={"transcript": row.transcript.model_copy(update={"words": (row.transcript.words[0], late)})}
    )
    made = samples(recording(material(talk(), outside)), EVERY)
    assert of("asr", made)
    assert not tasks_in(made) & {"asr_words", "asr_sentences"}


def test_times_of_a_recogniser_that_was_not_shown_to_time_well_are_not_trained_on() -> None:
    said = spoken(talk(), ["Come", "in."]).model_copy(update={"model": "whisper-base"})
    made = samples(recording(material(talk(), said)), EVERY)
    assert of("asr", made)
    assert not tasks_in(made) & {"asr_words", "asr_sentences"}


def test_chinese_words_are_joined_without_spaces() -> None:
    row = spoken(talk(), ["你", "好。", "请", "进。"], language="zh")
    (sample,) = of("asr_sentences", samples(recording(material(talk(), row)), EVERY))
    assert [entry.text for entry in read_timed(sample.answer, CONFIG.timestamps)] == ["你好。", "请进。"]


def test_an_event_in_doubt_makes_a_list_of_all_events_impossible() -> None:
    segment = a_segment(events=(event(DOG, 0, 500), event(BELL, 1000, 1500, score=0.3)))
    made = samples(recording(material(segment)), EVERY)
    assert not of("event_list", made)
    assert not [sample for sample in made if "bell" in sample.topic.lower()]


def test_a_list_of_nothing_but_unidentified_sounds_is_not_asked_for() -> None:
    segment = a_segment(events=(event((EventClass.SOURCE_AMBIGUOUS, "sound"), 0, 500),))
    assert not tasks_in(samples(recording(material(segment)), EVERY)) & {"event_list", "event_when", "counting"}


def test_events_that_may_be_one_are_not_counted() -> None:
    apart = a_segment(end_ms=5000, events=(event(DOG, 0, 500), event(DOG, 2000, 2500)))
    close = a_segment(end_ms=5000, events=(event(DOG, 0, 500), event(DOG, 700, 1200)))
    (count,) = of("counting", samples(recording(material(apart)), EVERY))
    assert count.answer_spec.value == 2
    assert not of("counting", samples(recording(material(close)), EVERY))


def test_which_comes_first_is_asked_only_where_it_is_clear() -> None:
    clear = a_segment(events=(event(DOG, 0, 500), event(BELL, 800, 1500)))
    close = a_segment(events=(event(DOG, 0, 500), event(BELL, 100, 1500)))
    (sample,) = of("order", samples(recording(material(clear)), ENGLISH))
    assert sample.answer_spec.reference == "a dog barking"
    assert not of("order", samples(recording(material(close)), EVERY))


def test_an_event_that_just_reaches_into_the_asked_time_makes_the_question_unfair() -> None:
    fair = a_segment(end_ms=9000, events=(event(DOG, 1000, 2000), event(BELL, 5000, 6000)))
    unfair = a_segment(end_ms=9000, events=(event(DOG, 1000, 2000), event(BELL, 1900, 6000)))
    dogs = [one for one in of("time_qa", samples(recording(material(fair)), ENGLISH)) if "dog" in one.answer]
    assert [sample.answer_spec.accepted for sample in dogs] == [("a dog barking",)]
    assert not of("time_qa", samples(recording(material(unfair)), EVERY))


@pytest.mark.parametrize("task", ["tempo", "key", "meter", "chords", "reasoning"])
def test_music_that_was_measured_without_confidence_is_not_asked_about(task: str) -> None:
    song = a_segment(end_ms=9000, events=(event(MUSIC, 0, 9000),), branches=(Branch.MUSIC,))
    assert of(task, samples(recording(material(song, musical(song))), EVERY))
    assert not of(task, samples(recording(material(song, musical(song, confidence=0.2))), EVERY))


def test_a_pace_between_two_words_is_not_asked_for() -> None:
    def kinds(rate_hz: float) -> set[str]:
        made = samples(recording(material(talk(), spoken(talk(), rate_hz=rate_hz))), ENGLISH)
        return {sample.answer_spec.reference for sample in of("voice", made) if sample.kind == "pace"}

    assert kinds(2.0) == {"slow"}
    assert kinds(6.5) == {"fast"}
    assert kinds(4.2) == {"moderate"}
    # Where captions speak of an unhurried or a brisk pace.
    assert not any(kinds(rate_hz) for rate_hz in (2.8, 3.3, 5.2, 5.7))


def test_two_segments_are_compared_only_where_they_clearly_differ() -> None:
    def compared(first_dbfs: float, second_dbfs: float) -> list[Sample]:
        one, other = a_segment(events=(event(DOG, 0, 500),)), a_segment(start_ms=2000, end_ms=4000)
        pair = recording(
            material(one, heard(one, level_dbfs=first_dbfs)), material(other, heard(other, level_dbfs=second_dbfs))
        )
        return of("comparison", samples(pair, ENGLISH))

    (sample,) = compared(-40.0, -20.0)
    assert sample.answer_spec.reference == "the second"
    assert len(sample.segment_ids) == 2
    assert not compared(-22.0, -20.0)


def test_the_chain_of_a_reasoned_answer_states_the_measured_times() -> None:
    segment = a_segment(end_ms=9000, events=(event(DOG, 1000, 2000), event(BELL, 5500, 6000)))
    made = of("reasoning", samples(recording(material(segment)), ENGLISH))
    gap = next(sample for sample in made if sample.kind == "gap")
    assert gap.answer_spec.value == 3.5
    assert gap.reasoning is not None
    assert {"2.0", "5.5", "3.5"} <= set(gap.reasoning.replace("=", " ").split())


def test_what_speech_might_tell_is_not_called_unknowable() -> None:
    silent = recording(material(talk(), spoken(talk(), ["Good", "morning."])))
    telling = recording(
        material(talk(), spoken(talk(), ["I", "am", "tall", "and", "wear", "a", "coat."], usable=False))
    )
    assert {sample.kind for sample in of("refusal", samples(silent, EVERY))} == {"appearance", "clothes"}
    assert not of("refusal", samples(telling, EVERY))


def test_evidence_is_json() -> None:
    assert all(json.loads(one.value) is not None for sample in RICH for one in sample.evidence)


@given(st.lists(st.integers(150, 4_000), min_size=2, max_size=4), st.integers(150, 900))
def test_the_durations_of_a_chain_add_up_to_its_total(lengths: list[int], other_ms: int) -> None:
    events, start_ms = [], 0
    for length_ms in lengths:
        events.append(event(DOG, start_ms, start_ms + length_ms))
        start_ms += length_ms + 700
    segment = a_segment(end_ms=40_000, events=(*events, event(BELL, start_ms, start_ms + other_ms)))
    made = [one for one in of("reasoning", samples(recording(material(segment)), ENGLISH)) if one.kind == "longer"]
    for sample in made:
        assert sample.reasoning is not None
        (parts, total) = re.findall(r"([\d. +]+ \+ [\d.]+) = ([\d.]+) s", sample.reasoning)[0]
        assert round(sum(float(part) for part in parts.split("+")), 1) == float(total)
        assert not any(sentence[:1].islower() for sentence in re.split(r"(?<=[a-z)]\.) ", sample.reasoning))


def test_no_list_holds_a_sound_without_a_name() -> None:
    segment = a_segment(
        end_ms=9_000, events=(event(DOG, 0, 900), event((EventClass.SOURCE_AMBIGUOUS, "sound"), 5_000, 6_000))
    )
    assert not tasks_in(samples(recording(material(segment)), EVERY)) & {"event_list", "time_qa"}


def test_speech_is_compared_only_where_each_clip_has_enough_of_it_alone() -> None:
    def paces(speech_ms: int, *others: object) -> list[Sample]:
        pair = []
        for start_ms, rate_hz in ((0, 3.0), (8_000, 5.5)):
            events = (
                event(SPEECH, start_ms, start_ms + 7_000),
                *(event(MUSIC, start_ms, start_ms + 7_000) for _ in others),
            )
            segment = a_segment("a", start_ms, start_ms + 8_000, events, branches=(Branch.SPEECH,))
            row = spoken(segment, rate_hz=rate_hz)
            assert row.voice is not None
            row = row.model_copy(update={"voice": row.voice.model_copy(update={"speech_ms": speech_ms})})
            pair.append(material(segment, row))
        made = of("comparison", samples(recording(*pair), EVERY))
        return [sample for sample in made if sample.kind == "pace"]

    assert paces(5_000)
    assert not paces(1_200)
    assert not paces(5_000, "music over it")

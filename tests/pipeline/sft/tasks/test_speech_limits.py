"""Questions about speech: exact answers, and the limits within which they are asked."""

from __future__ import annotations

import re

import pytest

from soundseam.pipeline.sft.answers import read_timed
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.sample import Difficulty, Sample
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Sentence
from tests.pipeline.sft.builders import (
    BELL,
    CONFIG,
    ENGLISH,
    MUSIC,
    SPEECH,
    event,
    material,
    recording,
    samples,
    spoken,
    with_speakers,
)
from tests.pipeline.sft.limits import mark, only_task, shifted
from tests.support.builders import a_segment

START_MS = 5_000
WORDS = ["Come", "in.", "Sit", "down", "here."]


def talk(*others: Event, duration_ms: int = 10_000) -> Segment:
    """Ten seconds of speech from the fifth second of its recording on, and other events."""
    end_ms = START_MS + duration_ms
    events = tuple(sorted([event(SPEECH, START_MS, end_ms), *shifted(others, START_MS)], key=lambda one: one.onset_ms))
    return a_segment(start_ms=START_MS, end_ms=end_ms, events=events, branches=(Branch.SPEECH,))


TALK = talk()


def asked(task: str, *rows: SpeechAnnotation, segment: Segment = TALK, **options: object) -> list[Sample]:
    return samples(recording(material(segment, *rows)), only_task(ENGLISH, task, **options))


def spans_of(sample: Sample) -> list[tuple[int, int, str]]:
    read = read_timed(sample.answer, CONFIG.timestamps)
    return [(one.segment_start_ms, one.segment_end_ms, one.text) for one in read]


def measured(segment: Segment = TALK, **voice: object) -> SpeechAnnotation:
    row = spoken(segment)
    assert row.voice is not None
    return row.model_copy(update={"voice": row.voice.model_copy(update=voice)})


def kinds(*rows: SpeechAnnotation, segment: Segment = TALK, **options: object) -> set[str]:
    return {one.kind for one in asked("voice", *rows, segment=segment, **options)}


@pytest.mark.parametrize(
    ("rate_hz", "pace"),
    [
        (0.0, "slow"),
        (2.7, "slow"),
        (2.71, None),
        (3.69, None),
        (3.7, "moderate"),
        (4.8, "moderate"),
        (4.81, None),
        (5.79, None),
        (5.8, "fast"),
        (9.0, "fast"),
        (None, None),
    ],
)
def test_a_pace_is_asked_for_where_it_is_clearly_on_one_side(rate_hz: float | None, pace: str | None) -> None:
    options = {"slow_below_hz": 2.7, "moderate_from_hz": 3.7, "moderate_to_hz": 4.8, "fast_above_hz": 5.8}
    made = [one for one in asked("voice", measured(syllable_rate_hz=rate_hz), **options) if one.kind == "pace"]
    assert [one.answer_spec.reference for one in made] == ([pace] if pace else [])
    if pace:
        assert made[0].difficulty is Difficulty.EASY
        (choice,) = [one for one in asked("choice", measured(syllable_rate_hz=rate_hz)) if "pace" in one.topic]
        assert {*choice.answer_spec.choices} == {"slow", "moderate", "fast"}


def test_a_voice_is_asked_about_if_it_speaks_long_enough_and_little_else_is_heard_over_it() -> None:
    assert kinds(measured(speech_ms=3_000), min_speech_ms=3_000)
    assert not kinds(measured(speech_ms=2_999), min_speech_ms=3_000)
    for over_ms, is_asked in ((3_000, True), (3_001, False)):
        over = talk(event(MUSIC, 0, over_ms))
        assert bool(kinds(measured(over), segment=over)) == is_asked
    # Two sounds over the same speech count twice.
    both = talk(event(MUSIC, 0, 1_600), event(BELL, 0, 1_600))
    assert not kinds(measured(both), segment=both)
    assert not asked("voice", with_speakers(TALK, ("a", 0, 2_000)))


def test_the_longest_pause_is_asked_for_if_it_is_heard_as_one_and_nobody_else_may_speak_in_it() -> None:
    assert "longest_pause" in kinds(measured(longest_pause_ms=700), min_pause_ms=700)
    assert "longest_pause" not in kinds(measured(longest_pause_ms=699), min_pause_ms=700)
    alone, two = with_speakers(TALK, ("a", 0, 9_000)), with_speakers(TALK, ("a", 0, 4_000), ("b", 4_000, 9_000))
    assert "longest_pause" in kinds(measured(), alone)
    assert "longest_pause" not in kinds(measured(), two)
    for count, difficulty in ((1, Difficulty.MEDIUM), (2, Difficulty.HARD)):
        made = asked("voice", measured(longest_pause_ms=1_240, pause_count=count))
        (sample,) = [one for one in made if one.kind == "longest_pause"]
        assert "1.2" in sample.answer
        assert sample.answer_spec.reference == "1.2"
        assert sample.difficulty is difficulty
        assert [mark(sample, f"{value} s") for value in (0.8, 0.9, 1.5, 1.6)] == [0.0, 1.0, 1.0, 0.0]
    (long,) = [one for one in asked("voice", measured(longest_pause_ms=4_000)) if one.kind == "longest_pause"]
    assert [mark(long, f"{value} s") for value in (3.3, 3.4, 4.6, 4.7)] == [0.0, 1.0, 1.0, 0.0]


def test_words_and_sentences_are_timed_in_the_clip() -> None:
    row = spoken(TALK, WORDS)
    (plain,) = asked("asr", row)
    assert (plain.answer, plain.difficulty) == ("Come in. Sit down here.", Difficulty.EASY)
    assert not any(one.field.endswith("words") for one in plain.evidence)
    (words,) = asked("asr_words", row)
    assert spans_of(words) == [(400 * i, 400 * i + 300, word) for i, word in enumerate(WORDS)]
    (sentences,) = asked("asr_sentences", row)
    assert spans_of(sentences) == [(0, 700, "Come in."), (800, 1_900, "Sit down here.")]
    for sample in (words, sentences):
        assert sample.difficulty is Difficulty.MEDIUM
        assert "transcript.words" in {one.field for one in sample.evidence}


def moved(row: SpeechAnnotation, index: int, **times: int) -> SpeechAnnotation:
    """The same with other times, counted from the clip's start, of one of its words."""
    assert row.transcript is not None
    words = [*row.transcript.words]
    words[index] = words[index].model_copy(update={name: START_MS + time for name, time in times.items()})
    return row.model_copy(update={"transcript": row.transcript.model_copy(update={"words": tuple(words)})})


def test_words_are_timed_only_if_each_lasts_and_lies_inside_the_clip() -> None:
    row = spoken(TALK, WORDS)
    assert asked("asr_words", moved(row, -1, start_ms=9_800, end_ms=10_000))
    assert not asked("asr_words", moved(row, -1, start_ms=9_800, end_ms=10_001))
    assert not asked("asr_words", moved(row, 0, start_ms=-1, end_ms=300))
    assert not asked("asr_words", moved(row, 0, start_ms=300, end_ms=300))
    assert asked("asr", moved(row, 0, start_ms=-1, end_ms=300))


@pytest.mark.parametrize(
    ("count", "snr_db", "difficulty"),
    [
        (40, 10.0, Difficulty.EASY),
        (41, 10.0, Difficulty.MEDIUM),
        (40, 9.9, Difficulty.MEDIUM),
        (41, 9.9, Difficulty.HARD),
        (40, None, Difficulty.EASY),
    ],
)
def test_many_words_and_noise_make_a_transcript_harder(
    count: int, snr_db: float | None, difficulty: Difficulty
) -> None:
    row = spoken(TALK, ["word"] * count)
    assert row.voice is not None
    (sample,) = asked("asr", row.model_copy(update={"voice": row.voice.model_copy(update={"snr_db": snr_db})}))
    assert sample.difficulty is difficulty


@pytest.mark.parametrize(("characters", "difficulty"), [(81, Difficulty.EASY), (82, Difficulty.MEDIUM)])
def test_two_characters_count_as_a_word(characters: int, difficulty: Difficulty) -> None:
    row = spoken(TALK, ["\u4eca" * characters], language="zh")
    (sample,) = asked("asr", row)
    assert sample.difficulty is difficulty


def test_what_is_said_at_a_time_is_the_sentence_around_its_middle() -> None:
    made = [one for one in asked("time_qa", spoken(TALK, WORDS)) if one.kind == "said"]
    found = {one.answer: one for one in made}
    assert set(found) == {"Come in.", "Sit down here."}
    assert "0.3" in found["Come in."].question or "0.4" in found["Come in."].question
    assert "1.4" in found["Sit down here."].question or "1.3" in found["Sit down here."].question
    assert not [one for one in asked("time_qa", spoken(TALK, WORDS[:2])) if one.kind == "said"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_speakers_are_counted_and_taken_for_one_more_or_less(count: int) -> None:
    row = with_speakers(TALK, *((f"s{i}", 2_000 * i, 2_000 * i + 1_000) for i in range(count)))
    (sample,) = asked("speaker_count", row)
    assert [mark(sample, str(count)), mark(sample, str(count + 1))] == [1.0, 0.0]
    assert sample.difficulty is (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)[min(count, 3) - 1]
    (choice,) = [one for one in asked("choice", row, max_choices=5) if one.topic.startswith("speaker_count")]
    numbers = {int(one) for one in choice.answer_spec.choices}
    assert numbers == {one for one in (count - 1, count, count + 1, count + 2, count + 3) if one > 0}
    assert bool(re.search(r"\b(speakers|people|voices)\b", sample.answer)) == (count > 1)


def test_speakers_are_counted_if_each_is_heard_long_enough_and_they_are_sure_and_not_too_many() -> None:
    def count(*lengths_ms: int, sure: bool | None = True, **options: object) -> int:
        row = with_speakers(
            TALK, *((f"s{i}", 2_000 * i, 2_000 * i + length) for i, length in enumerate(lengths_ms)), sure=sure
        )
        return len(asked("speaker_count", row, **options))

    assert [count(1_500, 1_000, min_ms=1_000), count(1_500, 999, min_ms=1_000)] == [1, 0]
    assert [count(1_500, 1_500, max_speakers=2), count(*[1_500] * 3, max_speakers=2)] == [1, 0]
    assert [count(1_500, sure=None), count(1_500, sure=False), count()] == [0, 0, 0]
    # Turns of one speaker add up, and what overlaps itself counts once.
    row = with_speakers(TALK, ("a", 0, 600), ("b", 600, 2_000), ("a", 2_000, 2_400))
    assert asked("speaker_count", row, min_ms=1_000)
    twice = with_speakers(TALK, ("a", 0, 900), ("a", 100, 900), ("b", 1_000, 3_000))
    assert not asked("speaker_count", twice, min_ms=1_000)


TURNS = (("a", 0, 750), ("b", 750, 2_000))


def conversation(overlap_ms: int = 0, **options: object) -> list[Sample]:
    row = with_speakers(TALK, *TURNS)
    assert row.speakers is not None
    row = row.model_copy(update={"speakers": row.speakers.model_copy(update={"overlap_ms": overlap_ms})})
    return asked("speaker_transcript", spoken(TALK, WORDS), row, **options)


def test_a_conversation_is_written_by_speaker_plain_and_timed() -> None:
    found = {one.kind: one for one in conversation(max_per_segment=9)}
    assert set(found) == {"plain", "timed"}
    first, second = found["plain"].answer.split("\n")
    assert "1" in first
    assert first.endswith("Come in.")
    assert "2" in second
    assert second.endswith("Sit down here.")
    assert [(start, end) for start, end, _ in spans_of(found["timed"])] == [(0, 700), (800, 1_900)]
    assert (found["plain"].difficulty, found["timed"].difficulty) == (Difficulty.MEDIUM, Difficulty.HARD)


def test_a_conversation_takes_two_speakers_and_little_speech_at_once() -> None:
    assert conversation(overlap_ms=1_000, max_overlap=0.1)
    assert not conversation(overlap_ms=1_001, max_overlap=0.1)
    assert {one.difficulty for one in conversation(overlap_ms=1) if one.kind == "plain"} == {Difficulty.HARD}
    assert not asked("speaker_transcript", spoken(TALK, WORDS), with_speakers(TALK, ("a", 0, 2_000)))
    three = with_speakers(TALK, ("a", 0, 350), ("b", 350, 750), ("c", 750, 2_000))
    assert asked("speaker_transcript", spoken(TALK, WORDS), three, max_speakers=3)
    assert not asked("speaker_transcript", spoken(TALK, WORDS), three, max_speakers=2)
    assert not asked("speaker_transcript", spoken(TALK, WORDS), with_speakers(TALK, ("a", 0, 750), ("b", 750, 1_100)))


def test_a_conversation_whose_times_leave_the_clip_is_written_plain_alone() -> None:
    row = moved(spoken(TALK, WORDS), -1, end_ms=10_001)
    made = asked("speaker_transcript", row, with_speakers(TALK, *TURNS[:1], ("b", 750, 10_001)), max_per_segment=9)
    assert [one.kind for one in made] == ["plain"]


def test_sentences_that_an_aligner_wrote_are_taken_as_they_are() -> None:
    row = spoken(TALK, WORDS)
    own = (Sentence(text="Come in. Sit down here.", start_ms=START_MS, end_ms=START_MS + 1_900),)
    (sample,) = asked("asr_sentences", row.model_copy(update={"sentences": own}))
    assert spans_of(sample) == [(0, 1_900, "Come in. Sit down here.")]


def test_speech_of_another_class_is_no_speech_of_the_segment() -> None:
    segment = a_segment(start_ms=START_MS, end_ms=START_MS + 5_000, events=(event(BELL, START_MS, START_MS + 4_000),))
    assert segment.events[0].event_class is EventClass.OBJECT
    assert kinds(measured(segment), segment=segment)

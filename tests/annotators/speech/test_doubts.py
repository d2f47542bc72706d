from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.speech.doubts import Limits, doubts, measure, repeats_endlessly
from schemas.speech import ErrorUnit, Transcript, Word
from schemas.timespan import TimeSpan

LIMITS = Limits(
    least_coverage=0.6,
    longest_tail_ms=2_000,
    most_no_speech_probability=0.6,
    most_letters_per_second=30.0,
    least_letters_per_second=1.5,
)


def said(text: str, *times: tuple[int, int], **changes: object) -> Transcript:
    words = tuple(
        Word(text=word, start_ms=start, end_ms=end, confidence=None)
        for word, (start, end) in zip(text.split(), times, strict=False)
    )
    fields = {"language": "en", "confidence": None, "agreement": None, "usable_for_training": False, "flags": ()}
    return Transcript.model_validate({"text": text, "words": words, **fields, **changes})


def flags(transcript: Transcript, *stretches: tuple[int, int], unit: ErrorUnit = ErrorUnit.WORDS) -> tuple[str, ...]:
    units = transcript.text.split() if unit is ErrorUnit.WORDS else list(transcript.text)
    spans = [TimeSpan(*stretch) for stretch in stretches]
    return doubts(transcript, units, unit, measure(transcript, spans), LIMITS)


def test_ordinary_speech_raises_no_doubt() -> None:
    times = ((100, 500), (600, 900), (1_000, 1_400), (1_500, 1_900))
    assert flags(said("the train leaves now", *times), (0, 2_000)) == ()


def test_text_where_no_speech_was_detected_is_doubted() -> None:
    assert flags(said("thank you for watching")) == ("no_speech",)


def test_hardly_any_text_for_much_speech_is_doubted_and_a_short_answer_is_not() -> None:
    assert flags(said("yes"), (0, 5_000)) == ("too_little_text",)
    assert flags(said("yes"), (0, 2_000)) == ()
    assert flags(said("是的我知道"), (0, 4_000), unit=ErrorUnit.CHARACTERS) == ()


def test_an_empty_transcript_has_no_words() -> None:
    assert flags(said(""), (0, 2_000)) == ("no_words",)


def test_a_systems_own_doubt_is_kept() -> None:
    assert flags(said("thank you", no_speech_probability=0.9), (0, 2_000)) == ("system_doubts_speech",)
    assert flags(said("thank you", no_speech_probability=0.3), (0, 2_000)) == ()


def test_nobody_speaks_a_hundred_letters_in_a_second() -> None:
    assert flags(said("abcde " * 5 + "fghij klmno pqrst uvwxy zabcd"), (0, 1_000)) == ("impossible_rate",)


def test_a_character_that_holds_a_syllable_counts_as_more() -> None:
    text = said("今天天气很好我们一起去公园散步吧好不好", language="zh")
    assert flags(text, (0, 1_000), unit=ErrorUnit.CHARACTERS) == ("impossible_rate",)
    assert flags(text, (0, 4_000), unit=ErrorUnit.CHARACTERS) == ()


def test_speech_that_no_word_spans_is_noticed() -> None:
    transcript = said("good morning everyone", (0, 400), (500, 900), (9_000, 9_500))
    assert flags(transcript, (0, 10_000)) == ("untranscribed_speech",)


def test_a_tail_left_out_is_noticed_though_most_is_covered() -> None:
    times = tuple((at, at + 900) for at in range(0, 10_000, 1_000))
    assert flags(said("ten words that take up the first ten seconds today", *times), (0, 10_000), (11_000, 14_000)) == (
        "untranscribed_tail",
    )


def test_without_word_times_coverage_is_not_judged() -> None:
    figures = measure(said("good morning"), [TimeSpan(0, 9_000)])
    assert figures.coverage is figures.tail_ms is None


@pytest.mark.parametrize(
    "text",
    ["thank you " * 4, "no " * 7, "so " * 3 + "and then we went home " * 5, "a b c d e f g h i j k l " * 4],
)
def test_a_phrase_that_comes_again_and_again_is_a_stuck_recogniser(text: str) -> None:
    assert repeats_endlessly(text.split())


@pytest.mark.parametrize("text", ["no no no", "very very very good", "row row row your boat", "bye bye bye bye", ""])
def test_people_repeat_themselves_a_little(text: str) -> None:
    assert not repeats_endlessly(text.split())


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.lists(st.sampled_from("xyz"), max_size=5))
def test_six_repeats_are_found_whatever_the_phrase_and_what_comes_before(phrase: list[str], before: list[str]) -> None:
    assert repeats_endlessly(before + phrase * 6)


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_words_that_never_recur_are_no_repetition(units: list[int]) -> None:
    assert not repeats_endlessly([str(unit) for unit in units])

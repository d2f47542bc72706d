"""Sentences and stretches of speech, what is doubtful in a transcript, and which language a clip is in."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.transcripts import (
    PAUSE_MS,
    Limits,
    doubts,
    excerpt,
    gaps_between,
    language_of,
    measure,
    repeats_endlessly,
    sample_mask,
    seems_in_a_loop,
    sentences_of,
    speech_stretches,
    widen,
)
from soundseam.annotators.speech.transformers_asr import TransformersAnnotator, TransformersAsr
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import EventClass
from soundseam.schemas.speech import ErrorUnit, Transcript, Word
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import heard
from tests.support.builders import an_event


def words_at(text: str, step_ms: int = 300, gaps: dict[int, int] | None = None) -> list[Word]:
    """The words of `text`, each of 250 ms; `gaps` adds silence before the word of that index."""
    words, start_ms = [], 0
    for index, word in enumerate(text.split()):
        start_ms += (gaps or {}).get(index, 0)
        words.append(Word(text=word, start_ms=start_ms, end_ms=start_ms + 250, confidence=None))
        start_ms += step_ms
    return words


def texts(words: list[Word]) -> list[str]:
    return [sentence.text for sentence in sentences_of(words)]


def test_a_sentence_ends_at_its_punctuation() -> None:
    assert texts(words_at('Is it open? "Yes." Come in!')) == ["Is it open?", '"Yes."', "Come in!"]


def test_a_full_stop_before_a_small_letter_ends_nothing() -> None:
    assert texts(words_at("It takes approx. five minutes.")) == ["It takes approx. five minutes."]


def test_without_punctuation_a_long_pause_ends_a_sentence() -> None:
    words = words_at("good morning we are closed", gaps={2: PAUSE_MS})
    assert texts(words) == ["good morning", "we are closed"]


def test_chinese_is_joined_without_spaces_and_korean_with() -> None:
    assert texts(words_at("今天 天气 很 好。 走 吧。")) == ["今天天气很好。", "走吧。"]
    assert texts(words_at("오늘 날씨가 좋다.")) == ["오늘 날씨가 좋다."]


@given(st.lists(st.sampled_from(["yes.", "no", "maybe?", "so"]), max_size=12), st.lists(st.integers(0, 2_000)))
def test_sentences_hold_every_word_once_and_in_order(spoken: list[str], gaps: list[int]) -> None:
    words = words_at(" ".join(spoken), gaps=dict(enumerate(gaps)))
    sentences = sentences_of(words)
    assert " ".join(sentence.text for sentence in sentences).split() == spoken
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(sentences))
    if words:
        assert (sentences[0].start_ms, sentences[-1].end_ms) == (words[0].start_ms, words[-1].end_ms)


START_MS = 7_000


@st.composite
def disjoint_stretches(draw: st.DrawFn) -> tuple[TimeSpan, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 2_000), min_size=2, max_size=8)))
    return tuple(TimeSpan(a + START_MS, b + START_MS) for a, b in zip(edges[::2], edges[1::2], strict=False))


def test_overlapping_speech_is_one_stretch_and_other_sounds_are_none() -> None:
    clip = a_clip(silence(3_000), (100, 900), (800, 1_200), (2_000, 9_000))
    other = an_event(EventClass.MUSIC, 1_300, 1_900)
    segment = clip.segment.model_copy(update={"events": (*clip.segment.events, other)})
    assert speech_stretches(segment) == (TimeSpan(100, 1_200), TimeSpan(2_000, 3_000))


def test_widened_stretches_join_where_they_meet_and_stay_inside() -> None:
    stretches = (TimeSpan(50, 100), TimeSpan(300, 400), TimeSpan(900, 1_000))
    assert widen(stretches, 100, TimeSpan(0, 1_050)) == (TimeSpan(0, 500), TimeSpan(800, 1_050))


def test_gaps_lie_between_stretches_only() -> None:
    assert gaps_between((TimeSpan(10, 20), TimeSpan(50, 60))) == (TimeSpan(20, 50),)
    assert gaps_between(()) == ()


@given(disjoint_stretches())
def test_an_excerpt_holds_the_audio_of_its_stretches_and_nothing_else(stretches: tuple[TimeSpan, ...]) -> None:
    clip = a_clip(np.arange(32_000), start_ms=START_MS)
    heard = excerpt(clip, stretches)
    assert np.array_equal(heard.samples, clip.samples[sample_mask(clip, stretches)])


@given(disjoint_stretches(), st.integers(0, 2_000))
def test_every_time_of_an_excerpt_leads_back_to_the_sample_it_came_from(
    stretches: tuple[TimeSpan, ...], excerpt_ms: int
) -> None:
    clip = a_clip(np.arange(32_000), start_ms=START_MS)
    heard = excerpt(clip, stretches)
    if excerpt_ms * 16 < len(heard.samples):
        assert heard.samples[excerpt_ms * 16] == (heard.to_recording_ms(excerpt_ms) - START_MS) * 16


def test_a_joint_is_the_end_of_what_ends_and_the_start_of_what_starts() -> None:
    heard = excerpt(a_clip(silence(1_000)), (TimeSpan(100, 200), TimeSpan(500, 600)))
    assert heard.to_recording_ms(100, ends=True) == 200
    assert heard.to_recording_ms(100) == 500
    assert heard.to_recording_ms(5_000) == 600


LIMITS = Limits(
    min_coverage=0.6,
    longest_tail_ms=2_000,
    max_no_speech_probability=0.6,
    max_letters_per_second=30.0,
    min_letters_per_second=1.5,
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


@pytest.mark.parametrize(
    ("word", "loops"),
    [("Βου" + "ου" * 12, True), ("a" * 40, True), ("hahahahaha", False), ("aaaah", False), ("1000000", False)],
)
def test_a_loop_inside_one_word_is_one(word: str, loops: bool) -> None:
    assert repeats_endlessly(["well", word]) == loops


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.lists(st.sampled_from("xyz"), max_size=5))
def test_six_repeats_are_found_whatever_the_phrase_and_what_comes_before(phrase: list[str], before: list[str]) -> None:
    assert repeats_endlessly(before + phrase * 6)


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_words_that_never_recur_are_no_repetition(units: list[int]) -> None:
    assert not repeats_endlessly([str(unit) for unit in units])


def heard_for_sure(language: str, probability: float) -> SpeechAnnotation:
    row = heard("whisper", "text", language)
    assert row.transcript is not None
    return row.model_copy(
        update={"transcript": row.transcript.model_copy(update={"language_probability": probability})}
    )


def clip_in(language: str | None, *rows: SpeechAnnotation) -> Clip:
    return replace(a_clip(silence(2_000), (0, 2_000), language=language), annotations=rows)


@pytest.mark.parametrize(
    ("told", "rows", "language"),
    [
        ("de-AT", (heard_for_sure("fr", 0.9),), "de-AT"),
        (None, (heard_for_sure("fr", 0.9),), "fr"),
        ("und", (heard_for_sure("fr", 0.9),), "fr"),
        (None, (heard_for_sure("cy", 0.2),), None),
        (None, (heard("asr", "text", "fr"),), None),
        (None, (), None),
    ],
)
def test_a_language_is_told_by_the_recording_or_heard_for_sure(
    told: str | None, rows: tuple[SpeechAnnotation, ...], language: str | None
) -> None:
    assert language_of(clip_in(told, *rows)) == language


def transcripts(language: str | None, *clips: Clip) -> list[Transcript]:
    """Of a recogniser that writes `language`, and counts the clips that its model is given."""
    given = iter(range(99))
    annotator = TransformersAnnotator(
        TransformersAsr(language=language), lambda waves: [{"text": f"wave {next(given)}"} for _ in waves]
    )
    return [facts.transcript for facts in annotator.annotate(clips) if facts.transcript is not None]


def test_a_recogniser_of_one_language_does_not_listen_to_others() -> None:
    heard = transcripts("en", clip_in("en-GB"), clip_in("ru"), clip_in(None), clip_in(None, heard_for_sure("ru", 0.9)))
    assert [transcript.text for transcript in heard] == ["wave 0", "", "wave 1", ""]
    assert [transcript.flags for transcript in heard][1] == ("single_system", "unsupported_language")


def test_a_recogniser_of_any_language_listens_to_all() -> None:
    assert [transcript.text for transcript in transcripts(None, clip_in("ru"), clip_in(None))] == ["wave 0", "wave 1"]


@pytest.mark.parametrize(
    ("text", "seems"),
    [
        ("Press 9 for more entries. Press 9 for more entries.", True),
        ("You. You.", True),
        ("First this, and then we go there, and then we go there.", True),
        ("Press 9 for more entries, or press star.", False),
        ("No, no, I said no.", False),
        ("", False),
    ],
)
def test_a_phrase_that_follows_itself_may_be_a_loop(text: str, seems: bool) -> None:
    assert seems_in_a_loop(heard("a", text).transcript) == seems
    assert seems_in_a_loop(heard("a", text, flags=("cut_short",)).transcript)

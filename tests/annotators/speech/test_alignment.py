"""What all forced aligners share: the text they align, and times in order, in the segment and in its speech."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.alignment import (
    aligned_facts,
    in_order,
    mean_difference_ms,
    text_to_align,
    timed_words,
    with_known_speakers,
    within_speech,
)
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.speech import Speakers, Turn, Word
from tests.annotators.speech.builders import NO_FIGURES, a_clip, silence
from tests.annotators.speech.test_agreement import a_row, heard

START_MS = 10_000
TIMES = st.lists(st.tuples(st.integers(9_000, 15_000), st.integers(0, 3_000)), max_size=8)


def a_word(start_ms: int, end_ms: int, text: str = "a", confidence: float | None = None) -> Word:
    return Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=confidence)


def spans(words: tuple[Word, ...]) -> list[tuple[int, int]]:
    return [(word.start_ms, word.end_ms) for word in words]


def a_clip_with(*rows: SpeechAnnotation, spoken: tuple[tuple[int, int], ...] = ()) -> Clip:
    return replace(a_clip(silence(4_000), *spoken, start_ms=START_MS), annotations=rows)


SEGMENT = a_clip_with(spoken=((500, 1_500), (2_500, 3_500))).segment


@pytest.mark.parametrize("is_first", [True, False])
def test_the_agreed_transcript_is_aligned_wherever_it_stands(is_first: bool) -> None:
    agreed = heard("agreement", "agreed").model_copy(update={"agreement": NO_FIGURES})
    rows = (agreed, heard("a", "other")) if is_first else (heard("a", "other"), agreed)
    text = text_to_align(a_clip_with(*rows))
    assert text is not None
    assert (text.backend, text.transcript.text) == ("agreement", "agreed")


def test_without_an_agreed_transcript_the_first_that_has_words_is_aligned() -> None:
    rows = (a_row("voice"), heard("a", " "), heard("b", "yes"), heard("c", "no"))
    text = text_to_align(a_clip_with(*rows))
    assert text is not None
    assert (text.backend, text.transcript.text) == ("b", "yes")
    assert text_to_align(a_clip_with(*rows[:2])) is None


def test_words_that_lie_in_order_stay_where_they_are_and_others_move_no_further_than_they_must() -> None:
    lie_well = [a_word(10_000, 10_300), a_word(10_300, 10_300), a_word(11_000, 14_000)]
    assert in_order(lie_well, SEGMENT) == tuple(lie_well)
    overlapping = [a_word(9_500, 10_500), a_word(10_200, 10_900), a_word(10_100, 10_200), a_word(13_900, 15_000)]
    assert spans(in_order(overlapping, SEGMENT)) == [
        (10_000, 10_500),
        (10_500, 10_900),
        (10_900, 10_900),
        (13_900, 14_000),
    ]


@given(TIMES)
def test_putting_in_order_twice_changes_nothing_more(times: list[tuple[int, int]]) -> None:
    once = in_order([a_word(start, start + length) for start, length in times], SEGMENT)
    assert in_order(once, SEGMENT) == once
    flat = [time for span in spans(once) for time in span]
    assert flat == sorted(flat)
    assert all(SEGMENT.start_ms <= time <= SEGMENT.end_ms for time in flat)


@pytest.mark.parametrize(
    ("word", "spoken"),
    [
        ((10_200, 10_900), (10_500, 10_900)),  # begins in the pause before
        ((11_200, 11_900), (11_200, 11_500)),  # ends in the pause after
        ((11_200, 12_800), (12_500, 12_800)),  # reaches over a pause
        ((11_200, 12_539), (11_200, 11_500)),  # hardly reaches over it
        ((11_200, 12_540), (12_500, 12_540)),
        ((11_490, 11_520), (11_490, 11_520)),  # shorter than what counts as spoken
        ((11_470, 11_500), (11_470, 11_500)),
        ((11_600, 12_400), (11_600, 12_400)),  # in no speech
        ((11_600, 11_600), (11_600, 11_600)),
    ],
)
def test_a_word_is_clipped_to_the_speech_that_it_ends_in(word: tuple[int, int], spoken: tuple[int, int]) -> None:
    assert spans(within_speech([a_word(*word)], SEGMENT)) == [spoken]


def test_a_difference_is_the_mean_distance_of_starts_and_ends_to_a_tenth() -> None:
    words, others = [a_word(0, 100), a_word(100, 200)], [a_word(10, 130), a_word(95, 200)]
    assert mean_difference_ms(words, others) == mean_difference_ms(others, words) == 11.2
    assert mean_difference_ms(words, words) == 0.0
    assert mean_difference_ms(words, others[:1]) is None
    assert mean_difference_ms([], []) is None


def test_words_have_the_speakers_of_the_first_diarization_and_none_without() -> None:
    def speaking(label: str) -> Speakers:
        turns = (Turn(speaker=label, start_ms=10_000, end_ms=12_000, overlapped=False),)
        return Speakers(turns=turns, count=1, overlap_ms=0, scope="recording")

    words = [a_word(10_100, 10_400), a_word(13_000, 13_200)]
    diarized = a_clip_with(heard("a", "x"), a_row("d", speakers=speaking("S1")), a_row("e", speakers=speaking("S2")))
    assert [word.speaker for word in with_known_speakers(words, diarized)] == ["S1", None]
    assert [word.speaker for word in with_known_speakers(words, a_clip_with(heard("a", "x")))] == [None, None]


def test_facts_name_what_was_aligned_and_hold_its_sentences() -> None:
    clip = a_clip_with(heard("a", "Yes. No."))
    text = text_to_align(clip)
    assert text is not None
    words = [a_word(10_100, 10_400, "Yes."), a_word(10_500, 10_700, "No.")]
    facts = aligned_facts(clip, text, words)
    assert facts.alignment is not None
    assert (facts.alignment.aligned, facts.alignment.words) == ("a", tuple(words))
    assert facts.alignment.mean_difference_ms is None
    assert [(one.text, one.start_ms, one.end_ms) for one in facts.sentences or ()] == [
        ("Yes.", 10_100, 10_400),
        ("No.", 10_500, 10_700),
    ]


def as_whisper_says(*words: tuple[str, float, float, float]) -> list[dict[str, object]]:
    return [
        {"word": word, "start": start, "end": end, "probability": probability, "tokens": [0]}
        for word, start, end, probability in words
    ]


class TestTimedWords:
    @pytest.fixture(autouse=True)
    def _needs_whisper(self) -> None:
        pytest.importorskip("faster_whisper")

    def test_seconds_become_the_recordings_time_and_probabilities_confidences(self) -> None:
        aligned = as_whisper_says((" yes", 0.6, 0.8004, 0.91264), (" no", 2.6, 2.7, 0.5))
        assert timed_words(aligned, SEGMENT, "en") == (
            a_word(10_600, 10_800, "yes", 0.913),
            a_word(12_600, 12_700, "no", 0.5),
        )

    def test_numbers_of_numpy_are_numbers_and_nothing_else_is(self) -> None:
        aligned = as_whisper_says((" yes", np.float32(0.5), np.int64(1), np.float64(0.25)))  # type: ignore[arg-type]
        assert timed_words(aligned, SEGMENT, "en") == (a_word(10_500, 11_000, "yes", 0.25),)
        with pytest.raises(TypeError, match="'soon'"):
            timed_words(as_whisper_says((" yes", "soon", 1.0, 0.5)), SEGMENT, "en")  # type: ignore[arg-type]

    def test_what_stands_directly_after_a_word_is_part_of_it_with_the_lower_confidence(self) -> None:
        for first, second in ((0.9, 0.4), (0.4, 0.9)):
            aligned = as_whisper_says((" twenty", 0.6, 0.8, first), ("five", 0.8, 1.2, second), (" o", 1.2, 1.3, 0.7))
            assert timed_words(aligned, SEGMENT, "en") == (
                a_word(10_600, 11_200, "twentyfive", 0.4),
                a_word(11_200, 11_300, "o", 0.7),
            )

    def test_a_script_without_spaces_keeps_its_words_apart(self) -> None:
        aligned = as_whisper_says(("\u4eca", 0.6, 0.8, 0.9), ("\u5929", 0.8, 1.2, 0.8))
        for language, expected in (
            ("zh", ["\u4eca", "\u5929"]),
            ("ja", ["\u4eca", "\u5929"]),
            ("en", ["\u4eca\u5929"]),
        ):
            words = timed_words([dict(item) for item in aligned], SEGMENT, language)
            assert [word.text for word in words] == expected

    def test_a_word_of_spaces_alone_is_none_and_the_first_needs_no_space(self) -> None:
        words = timed_words(
            as_whisper_says(("yes", 0.6, 0.8, 0.9), ("  ", 0.8, 0.9, 0.9), (" no", 1.0, 1.1, 0.9)), SEGMENT, "en"
        )
        assert [word.text for word in words] == ["yes", "no"]

    @given(st.lists(st.tuples(st.floats(-1, 5), st.floats(-1, 5)), max_size=6))
    def test_times_are_in_order_and_inside_the_segment_whatever_whisper_says(
        self, times: list[tuple[float, float]]
    ) -> None:
        words = timed_words(as_whisper_says(*((" a", start, end, 0.5) for start, end in times)), SEGMENT, "en")
        flat = [time for span in spans(words) for time in span]
        assert len(words) == len(times)
        assert flat == sorted(flat)
        assert all(SEGMENT.start_ms <= time <= SEGMENT.end_ms for time in flat)

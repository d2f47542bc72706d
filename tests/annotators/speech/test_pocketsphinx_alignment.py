from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.alignment import in_order, mean_difference_ms, text_to_align
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.pocketsphinx_alignment import PocketsphinxAligner, PocketsphinxAlignment, spoken_words
from soundseam.annotators.speech.spoken_forms import PHONES, Reading, phones_of, spoken_pieces
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.speech import Speakers, SpeechFacts, Turn, Word
from tests.annotators.speech.builders import NO_FIGURES, a_clip, a_sample, noise, silence
from tests.annotators.speech.test_agreement import a_row, heard
from tests.support.members import load_or_skip

GREETING = "Congratulations! You have successfully installed..."


@pytest.fixture(scope="module")
def aligner() -> PocketsphinxAligner:
    loaded = load_or_skip(PocketsphinxAlignment())
    assert isinstance(loaded, PocketsphinxAligner)
    return loaded


def greeting(start_ms: int = 0) -> Clip:
    return a_sample("speech-congratulations.opus", start_ms=start_ms, last_ms=3_400)


def align(aligner: PocketsphinxAligner, clip: Clip, *rows: SpeechAnnotation) -> SpeechFacts:
    (facts,) = aligner.annotate([replace(clip, annotations=rows)])
    return facts


def a_word(start_ms: int, end_ms: int, text: str = "a") -> Word:
    return Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=None)


def test_the_right_text_gets_times_like_those_of_the_recognisers_own_decoding(aligner: PocketsphinxAligner) -> None:
    clip = greeting(start_ms=20_000)
    (decoded,) = Pocketsphinx().load().annotate([clip])
    assert decoded.transcript is not None
    row = heard("pocketsphinx", decoded.transcript.text)
    facts = align(aligner, clip, row.model_copy(update={"transcript": decoded.transcript}))
    assert facts.alignment is not None
    assert facts.alignment.aligned == "pocketsphinx"
    assert facts.alignment.mean_difference_ms is not None
    assert facts.alignment.mean_difference_ms < 30


def test_aligned_words_have_the_speakers_that_a_diarization_before_found(aligner: PocketsphinxAligner) -> None:
    turn = Turn(speaker="S1", start_ms=0, end_ms=1_000, overlapped=False)
    speakers = Speakers(turns=(turn,), count=1, overlap_ms=0, scope="recording")
    facts = align(aligner, greeting(), a_row("diarization", speakers=speakers), heard("a", GREETING))
    assert facts.alignment is not None
    assert [word.speaker for word in facts.alignment.words] == ["S1", None, None, None, None]


def test_words_keep_their_spelling_and_make_sentences(aligner: PocketsphinxAligner) -> None:
    facts = align(aligner, greeting(), heard("a", GREETING))
    assert facts.alignment is not None
    assert [word.text for word in facts.alignment.words] == GREETING.split()
    assert [sentence.text for sentence in facts.sentences or ()] == [
        "Congratulations!",
        "You have successfully installed...",
    ]
    assert facts.alignment.mean_difference_ms is None


def test_alignment_does_not_depend_on_what_was_aligned_before(aligner: PocketsphinxAligner) -> None:
    alone = align(aligner, greeting(), heard("a", GREETING))
    align(aligner, a_clip(noise(2_000, -15), (0, 2_000)), heard("a", "some noise"))
    assert align(aligner, greeting(), heard("a", GREETING)) == alone


@pytest.mark.parametrize("text", ["今天", "you have 今天", "...", ""])
def test_text_with_words_that_no_english_letter_spells_is_not_aligned(aligner: PocketsphinxAligner, text: str) -> None:
    assert align(aligner, greeting(), heard("a", text)) == SpeechFacts()


@pytest.mark.parametrize(
    "text", ["Congratulations! You have sukcesfuly installed...", "Congratulations! You haff successfully installd..."]
)
def test_a_word_that_no_dictionary_has_is_timed_by_its_letters(aligner: PocketsphinxAligner, text: str) -> None:
    known, spelled = (align(aligner, greeting(), heard("a", said)).alignment for said in (GREETING, text))
    assert known is not None
    assert spelled is not None
    assert [word.text for word in spelled.words] == text.split()
    distances = [abs(one.start_ms - two.start_ms) for one, two in zip(known.words, spelled.words, strict=True)]
    assert max(distances) <= 100


def test_a_number_is_timed_as_the_sound_has_it(aligner: PocketsphinxAligner) -> None:
    clip = a_sample("speech-phone-menu.flac", last_ms=25_400)
    spelled = (
        "Thank you for calling Super Awesome Company, Waldo's premier provider of perfect products. If you know your "
        "party's extension, you may dial it at any time. To establish a sales partnership, press one. To speak with a "
        "customer advocate, press two. For accounting and other receivables, press three. For a company directory, "
        "press four. For an operator, press zero."
    )
    digits = spelled
    for digit, name in enumerate(("zero", "one", "two", "three", "four")):
        digits = digits.replace(f"press {name}", f"press {digit}")
    in_words, in_digits = (align(aligner, clip, heard("a", text)).alignment for text in (spelled, digits))
    assert in_words is not None
    assert in_digits is not None
    assert [word.text for word in in_digits.words] == digits.split()
    assert [word.start_ms for word in in_digits.words] == [word.start_ms for word in in_words.words]


@pytest.mark.parametrize(
    ("written", "reading", "spoken"),
    [
        ("1984", Reading.NUMBER, "one thousand nine hundred eighty four"),
        ("1984", Reading.DIGITS, "one nine eight four"),
        ("1984", Reading.PAIRS, "nineteen eighty four"),
        ("1,000", Reading.NUMBER, "one thousand"),
        ("1905", Reading.PAIRS, "nineteen oh five"),
        ("3.5%", Reading.NUMBER, "three point five percent"),
        ("$5", Reading.NUMBER, "five dollars"),
        ("21st", Reading.NUMBER, "twenty first"),
        ("007", Reading.NUMBER, "zero zero seven"),
        ("naïve", Reading.NUMBER, "naive"),
    ],
)
def test_what_is_written_is_read_aloud(written: str, reading: Reading, spoken: str) -> None:
    assert " ".join(spoken_pieces(written, reading)) == spoken


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_every_spelling_has_sounds_that_the_model_knows(word: str) -> None:
    assert set(phones_of(word)) <= set(PHONES)
    assert phones_of(word) or set(word) <= {"h"}


def test_other_languages_and_segments_without_speech_are_not_aligned(aligner: PocketsphinxAligner) -> None:
    assert align(aligner, greeting(), heard("a", "you have", language="fr")) == SpeechFacts()
    assert align(aligner, a_clip(silence(2_000)), heard("a", "you have")) == SpeechFacts()
    assert align(aligner, greeting()) == SpeechFacts()


def test_a_text_far_too_long_for_the_sound_is_not_aligned(aligner: PocketsphinxAligner) -> None:
    clip = a_clip(noise(300, -20), (0, 300))
    assert align(aligner, clip, heard("a", "congratulations " * 20)) == SpeechFacts()


def test_the_agreed_transcript_is_preferred() -> None:
    rows = (heard("a", "first"), heard("agreement", "agreed").model_copy(update={"agreement": NO_FIGURES}))
    text = text_to_align(replace(greeting(), annotations=rows))
    assert text is not None
    assert text.transcript.text == "agreed"


def test_a_hyphenated_word_is_one_word_of_two_entries() -> None:
    words = spoken_words("twenty-five \u2014 it\u2019s \u2018fine\u2019")
    assert [word.entries for word in words] == [("twenty", "five"), ("it's",), ("fine",)]


def test_the_mean_difference_is_over_starts_and_ends() -> None:
    assert mean_difference_ms([a_word(0, 100)], [a_word(10, 130)]) == 20
    assert mean_difference_ms([a_word(0, 100)], []) is None


@given(st.lists(st.tuples(st.integers(-500, 3_000), st.integers(-500, 3_000)), max_size=8))
def test_times_come_out_in_order_and_inside_the_segment(times: list[tuple[int, int]]) -> None:
    segment = a_clip(silence(2_000), start_ms=500).segment
    ordered = in_order([a_word(*pair) for pair in times], segment)
    flat = [time for word in ordered for time in (word.start_ms, word.end_ms)]
    assert flat == sorted(flat)
    assert all(500 <= time <= 2_500 for time in flat)

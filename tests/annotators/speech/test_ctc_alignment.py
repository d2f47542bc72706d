from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soundseam.annotators.base import BackendUnavailableError, Clip
from soundseam.annotators.speech.ctc_alignment import CtcAligner, CtcAlignment, Letters, target_of
from soundseam.annotators.weights import UNKNOWN, licence_of
from soundseam.schemas.speech import Alignment, SpeechFacts
from tests.annotators.speech.builders import a_clip, a_sample, noise
from tests.annotators.speech.test_agreement import heard
from tests.annotators.speech.tiny import ctc_alignment
from tests.support.members import load_or_skip

LETTERS = Letters({"<pad>": 0, "|": 1, "A": 2, "B": 3, "C": 4, "'": 5}, blank=0, delimiter="|")


@pytest.fixture(scope="module")
def aligner(tmp_path_factory: pytest.TempPathFactory) -> CtcAligner:
    loaded = load_or_skip(ctc_alignment(tmp_path_factory.mktemp("models")))
    assert isinstance(loaded, CtcAligner)
    return loaded


def align(aligner: CtcAligner, clip: Clip, text: str) -> SpeechFacts:
    (facts,) = aligner.annotate([replace(clip, annotations=(heard("a", text),))])
    return facts


def alignment(aligner: CtcAligner, clip: Clip, text: str) -> Alignment:
    found = align(aligner, clip, text).alignment
    assert found is not None
    return found


def test_every_word_gets_a_time_in_order_and_inside_the_speech(aligner: CtcAligner) -> None:
    clip = a_sample("speech-phone-menu.flac", start_ms=40_000, last_ms=3_100)
    words = alignment(aligner, clip, "Thank you for calling Super Awesome Company.").words
    assert [word.text for word in words] == ["Thank", "you", "for", "calling", "Super", "Awesome", "Company."]
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert clip.segment.start_ms <= times[0] < times[-1] <= clip.segment.end_ms
    assert all(word.confidence is not None for word in words)


def test_a_word_without_letters_lies_between_its_neighbours(aligner: CtcAligner) -> None:
    clip = a_sample("speech-phone-menu.flac", last_ms=3_000)
    words = alignment(aligner, clip, "please press 1 or hold the line").words
    assert words[2].text == "1"
    assert words[2].confidence is None
    assert (words[2].start_ms, words[2].end_ms) == (words[1].end_ms, words[3].start_ms)


@pytest.mark.parametrize("text", ["1 2 3 4", "今天天气", "", "one 2"])
def test_a_text_that_the_model_cannot_spell_is_not_aligned(aligner: CtcAligner, text: str) -> None:
    assert align(aligner, a_sample("speech-phone-menu.flac", last_ms=3_000), text) == SpeechFacts()


def test_a_text_too_long_for_the_sound_is_not_aligned(aligner: CtcAligner) -> None:
    assert align(aligner, a_clip(noise(500, -20), (0, 500)), "congratulations " * 9) == SpeechFacts()


def test_without_speech_or_text_nothing_is_aligned(aligner: CtcAligner) -> None:
    assert align(aligner, a_clip(noise(900, -20)), "hello") == SpeechFacts()
    assert list(aligner.annotate([a_clip(noise(900, -20), (0, 900))])) == [SpeechFacts()]


def test_letters_are_spelt_in_the_models_case_with_delimiters_between_words() -> None:
    assert target_of(["ab", "ca"], LETTERS).ids == [2, 3, 1, 4, 2]
    assert target_of(["ab", "ca"], LETTERS).ranges == [(0, 2), (3, 5)]
    assert target_of(["42", "Bax"], LETTERS) == ([3, 2], [None, (0, 2)])


@pytest.mark.parametrize("weights", ["facebook/mms-1b-fl102", "MahmoudAshraf/mms-300m-1130-forced-aligner"])
def test_weights_that_forbid_commercial_use_are_refused_unless_allowed(weights: str) -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        CtcAlignment(weights=weights).check_available()
    assert "licensed" not in why_not(CtcAlignment(weights=weights, allow_non_commercial=True))


def why_not(backend: CtcAlignment) -> str:
    try:
        backend.check_available()
    except BackendUnavailableError as error:
        return str(error)
    return ""


def test_the_licence_is_what_is_stated_or_what_the_model_card_says(tmp_path: Path) -> None:
    assert licence_of(str(tmp_path), "") == UNKNOWN
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-nc-4.0\n---\n# A model\n")
    assert licence_of(str(tmp_path), "") == "cc-by-nc-4.0"
    assert licence_of(str(tmp_path), "MIT") == "MIT"
    with pytest.raises(BackendUnavailableError, match=r"cc-by-nc-4\.0"):
        CtcAlignment(weights=str(tmp_path)).check_available()


def test_missing_weights_name_the_local_folder_as_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(BackendUnavailableError, match="folder"):
        CtcAlignment(weights=str(tmp_path)).load()

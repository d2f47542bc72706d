from __future__ import annotations

from dataclasses import replace

import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.speech.text_language import TextLanguage, TextLanguageAnnotator, letters_of
from soundseam.schemas.speech import SpeechLanguage, Transcript
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import a_row
from tests.support.members import load_or_skip

SENTENCES = {
    "en": "Please hold the line while we try to reach the person you are calling.",
    "de": "Bitte bleiben Sie in der Leitung, während wir die Verbindung herstellen.",
    "fr": "Veuillez patienter pendant que nous essayons de joindre votre correspondant.",
    "zh": "请稍等\uff0c我们正在为您接通电话。",
    "ru": "Пожалуйста, оставайтесь на линии, мы соединяем вас.",
}


@pytest.fixture(scope="module")
def annotator() -> TextLanguageAnnotator:
    loaded = load_or_skip(TextLanguage(languages=tuple(SENTENCES)))
    assert isinstance(loaded, TextLanguageAnnotator)
    return loaded


def judge(annotator: TextLanguageAnnotator, *heard: tuple[str, str | None, float | None]) -> SpeechLanguage:
    rows = []
    for index, (text, language, probability) in enumerate(heard):
        transcript = Transcript(
            text=text,
            words=(),
            language=language,
            confidence=None,
            agreement=None,
            usable_for_training=False,
            flags=(),
            language_probability=probability,
        )
        rows.append(a_row(f"system{index}", transcript=transcript))
    (facts,) = annotator.annotate([replace(a_clip(silence(1_000)), annotations=tuple(rows))])
    assert facts.language is not None
    return facts.language


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(annotator: TextLanguageAnnotator, language: str) -> None:
    judged = judge(annotator, (SENTENCES[language], language, 0.9))
    assert judged.from_text == language
    assert judged.agrees is True


def test_text_and_sound_may_disagree(annotator: TextLanguageAnnotator) -> None:
    judged = judge(annotator, (SENTENCES["en"], "de", 0.8))
    assert (judged.from_audio, judged.from_text, judged.agrees) == ("de", "en", False)


def test_a_system_that_knows_one_language_only_says_nothing_of_the_sound(annotator: TextLanguageAnnotator) -> None:
    judged = judge(annotator, (SENTENCES["de"], "en-US", None))
    assert (judged.from_audio, judged.from_text, judged.agrees) == (None, "de", None)


def test_text_by_a_model_of_another_language_is_not_judged(annotator: TextLanguageAnnotator) -> None:
    invented = ("Please stay on the line, so as that we may send it to him.", "en", None)
    judged = judge(annotator, invented, (SENTENCES["ru"], "ru", 0.95))
    assert (judged.from_audio, judged.from_text, judged.agrees) == ("ru", "ru", True)


@pytest.mark.parametrize("text", ["Όλοι οι άνθρωποι γεννιούνται ελεύθεροι", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน"])
def test_text_in_none_of_the_languages_considered_is_of_unknown_language(
    annotator: TextLanguageAnnotator, text: str
) -> None:
    judged = judge(annotator, (text, None, None))
    assert (judged.from_text, judged.text_confidence, judged.agrees) == (None, None, None)


def test_nothing_is_said_of_a_text_whose_language_was_heard_and_is_not_considered(
    annotator: TextLanguageAnnotator,
) -> None:
    swedish = "Var god vänta medan vi försöker nå den person som du ringer."
    judged = judge(annotator, (swedish, "sv", 0.9))
    assert (judged.from_audio, judged.from_text, judged.agrees) == ("sv", None, None)


@pytest.mark.parametrize("text", ["", "OK.", "12 34"])
def test_too_little_text_tells_nothing(annotator: TextLanguageAnnotator, text: str) -> None:
    assert judge(annotator, (text, "en", 0.9)).from_text is None


def test_without_transcripts_nothing_is_told(annotator: TextLanguageAnnotator) -> None:
    assert judge(annotator) == SpeechLanguage(from_audio=None, from_text=None, text_confidence=None, agrees=None)


def test_an_unknown_language_code_is_refused_at_launch() -> None:
    pytest.importorskip("lingua")
    with pytest.raises(BackendUnavailableError, match="ISO 639-1"):
        TextLanguage(languages=("en", "english")).load()


def test_ideographs_count_threefold() -> None:
    assert letters_of("你好, ok!") == 8

from __future__ import annotations

import numpy as np
import pytest

from soundseam.annotators.speech.pocketsphinx import Pocketsphinx, PocketsphinxAnnotator
from soundseam.schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, a_sample, noise, read_sample, silence

pytest.importorskip("pocketsphinx", reason="pocketsphinx has wheels for Python 3.11 and 3.13 only")

ANNOUNCEMENT = "speech-congratulations.opus"
MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def annotator() -> PocketsphinxAnnotator:
    loaded = Pocketsphinx().load()
    assert isinstance(loaded, PocketsphinxAnnotator)
    return loaded


def transcribe(annotator: PocketsphinxAnnotator, *clips: object) -> list[Transcript]:
    transcripts = [facts.transcript for facts in annotator.annotate(clips)]  # type: ignore[arg-type]
    return [transcript for transcript in transcripts if transcript is not None]


def test_an_announcement_is_heard_and_timed_in_the_recordings_time(annotator: PocketsphinxAnnotator) -> None:
    clip = a_sample(ANNOUNCEMENT, start_ms=60_000, last_ms=4_500)
    (heard,) = transcribe(annotator, clip)
    assert "congratulations you have successfully installed" in heard.text
    starts = [word.start_ms for word in heard.words]
    assert starts == sorted(starts)
    assert all(60_000 <= word.start_ms < word.end_ms <= clip.segment.end_ms for word in heard.words)
    assert heard.text == " ".join(word.text for word in heard.words)


def test_words_do_not_depend_on_the_clips_heard_before(annotator: PocketsphinxAnnotator) -> None:
    clips = [
        a_sample(ANNOUNCEMENT, last_ms=2_500),
        a_sample(MENU, last_ms=3_000),
        a_clip(noise(1_000, -15), (0, 1_000)),
        a_sample(MENU, first_ms=16_500, last_ms=20_000),
    ]
    alone = [transcribe(annotator, clip)[0] for clip in clips]
    fresh = [transcribe(Pocketsphinx().load(), clip)[0] for clip in clips]  # type: ignore[arg-type]
    assert transcribe(annotator, *clips) == alone == fresh
    assert transcribe(annotator, *clips[::-1]) == alone[::-1]


def test_words_around_a_long_pause_keep_their_places(annotator: PocketsphinxAnnotator) -> None:
    spoken = read_sample(ANNOUNCEMENT)[: 3_500 * 16]
    samples = np.concatenate([silence(500), spoken, silence(5_000), spoken, silence(500)])
    clip = a_clip(samples + noise(13_000, -70), (500, 4_000), (9_000, 12_500))
    (heard,) = transcribe(annotator, clip)
    said = [word.start_ms for word in heard.words if word.text == "successfully"]
    assert len(said) == 2
    assert said[1] - said[0] == pytest.approx(8_500, abs=50)


def test_a_lone_system_has_no_agreement_and_is_not_for_training(annotator: PocketsphinxAnnotator) -> None:
    (heard,) = transcribe(annotator, a_sample(ANNOUNCEMENT, last_ms=1_500))
    assert heard.agreement is None
    assert not heard.usable_for_training
    assert heard.flags == ("single_system",)
    assert heard.language == "en-US"


def test_a_lone_system_may_be_trusted_by_configuration() -> None:
    trusting = Pocketsphinx(trust_single_system=True).load()
    heard, empty = transcribe(trusting, a_sample(ANNOUNCEMENT, last_ms=1_500), a_clip(silence(1_000)))  # type: ignore[arg-type]
    assert heard.usable_for_training
    assert not empty.usable_for_training
    assert heard.flags == ("single_system",)


def test_where_no_speech_was_detected_nothing_is_heard(annotator: PocketsphinxAnnotator) -> None:
    spoken = a_sample(ANNOUNCEMENT, last_ms=1_500)
    (heard,) = transcribe(annotator, a_clip(spoken.samples))
    assert heard.text == ""
    assert heard.words == ()
    assert heard.language is None
    assert "no_speech" in heard.flags


def test_silence_called_speech_gives_no_words(annotator: PocketsphinxAnnotator) -> None:
    (heard,) = transcribe(annotator, a_clip(silence(2_000), (0, 2_000)))
    assert heard.text == ""
    assert not heard.usable_for_training


@pytest.mark.parametrize("language", ["fr", "zh-CN", "LT"])
def test_a_recording_known_to_be_in_another_language_is_left_alone(
    annotator: PocketsphinxAnnotator, language: str
) -> None:
    clip = a_sample(ANNOUNCEMENT, last_ms=1_500)
    foreign = a_clip(clip.samples, (0, 1_500), language=language)
    (heard,) = transcribe(annotator, foreign)
    assert heard.words == ()
    assert "unsupported_language" in heard.flags


@pytest.mark.parametrize("language", ["en", "en-GB", "EN_us", None])
def test_english_of_any_country_is_heard(annotator: PocketsphinxAnnotator, language: str | None) -> None:
    clip = a_sample(ANNOUNCEMENT, last_ms=1_500)
    (heard,) = transcribe(annotator, a_clip(clip.samples, (0, 1_500), language=language))
    assert heard.text == "congratulations"


def test_no_filler_or_variant_mark_reaches_the_text(annotator: PocketsphinxAnnotator) -> None:
    heard = transcribe(
        annotator, a_sample(MENU, first_ms=16_500, last_ms=20_000), a_clip(noise(1_000, -15), (0, 1_000))
    )
    assert heard[0].words
    assert not any(mark in transcript.text for transcript in heard for mark in "<>[]()+")

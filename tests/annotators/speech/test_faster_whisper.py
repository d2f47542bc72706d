from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError
from soundseam.annotators.speech.alignment import timed_words
from soundseam.annotators.speech.faster_whisper import FasterWhisper, WhisperAnnotator
from soundseam.annotators.weights import folder_key
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, a_sample, noise, silence
from tests.annotators.speech.test_agreement import heard
from tests.annotators.speech.tiny import english_whisper, faster_whisper

MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> FasterWhisper:
    return faster_whisper(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def annotator(backend: FasterWhisper) -> WhisperAnnotator:
    loaded = backend.load()
    assert isinstance(loaded, WhisperAnnotator)
    return loaded


def heard_in(system: str, text: str, language: str, probability: float) -> SpeechAnnotation:
    row = heard(system, text, language)
    assert row.transcript is not None
    return row.model_copy(
        update={"transcript": row.transcript.model_copy(update={"language_probability": probability})}
    )


def transcribe(annotator: WhisperAnnotator, *clips: object) -> list[Transcript]:
    answers = annotator.annotate(clips)  # type: ignore[arg-type]
    return [facts.transcript for facts in answers if facts.transcript is not None]


def test_the_words_are_those_of_the_librarys_own_pipeline(backend: FasterWhisper, annotator: WhisperAnnotator) -> None:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    clip = a_sample(MENU, last_ms=9_000)
    own = BatchedInferencePipeline(WhisperModel(backend.weights, device="cpu", compute_type="float32"))
    segments, _ = own.transcribe(
        clip.samples,
        language="en",
        beam_size=backend.beam_size,
        temperature=0.0,
        max_new_tokens=2 * backend.max_tokens - 4,  # with the prompt, twice what may be written
        clip_timestamps=[{"start": 0, "end": 9}],
        word_timestamps=True,
    )
    expected = list(segments)
    padded_as_the_library = backend.model_copy(update={"padding_s": 30}).load()
    assert isinstance(padded_as_the_library, WhisperAnnotator)
    (heard,) = transcribe(padded_as_the_library, a_clip(clip.samples, (0, 9_000), language="en"))
    assert heard.text == " ".join(segment.text.strip() for segment in expected)
    assert len(heard.text.split()) > 3
    own_words = "".join(word.word for segment in expected for word in segment.words or ())
    assert [word.text for word in heard.words] == own_words.split()


def test_word_times_are_in_the_recordings_time_and_in_order(annotator: WhisperAnnotator) -> None:
    clip = a_sample(MENU, start_ms=60_000, last_ms=8_000)
    (heard,) = transcribe(annotator, clip)
    times = [time for word in heard.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert clip.segment.start_ms <= times[0] <= times[-1] <= clip.segment.end_ms


def test_clips_of_several_languages_in_one_batch_are_as_each_alone(annotator: WhisperAnnotator) -> None:
    clips = [
        a_clip(noise(3_000, -20, seed), (0, 3_000), recording=str(seed), language=language)
        for seed, language in enumerate(["de", None, "ja", "de"])
    ]
    together = transcribe(annotator, *clips)
    assert together == [transcribe(annotator, clip)[0] for clip in clips]
    assert [heard.language for heard in together][::2] == ["de", "ja"]


def test_clips_of_several_lengths_in_one_batch_are_as_each_alone(annotator: WhisperAnnotator) -> None:
    clips = [
        a_clip(noise(length, -20, length), (0, length), recording=str(length), language="en")
        for length in (1_000, 12_000, 3_000)
    ]
    assert transcribe(annotator, *clips) == [transcribe(annotator, clip)[0] for clip in clips]


def test_a_clip_that_is_hardly_speech_is_given_whispers_whole_window(annotator: WhisperAnnotator) -> None:
    samples = noise(6_000, -20)
    assert annotator.frames_for(a_clip(samples, (0, 6_000))) == 1_250
    assert annotator.frames_for(a_clip(samples, (0, 1_000))) == 3_000
    assert annotator.frames_for(a_clip(noise(29_000, -20), (0, 29_000))) == 3_000


def test_a_model_of_english_alone_does_not_listen_to_other_languages(tmp_path: Path) -> None:
    english = english_whisper(tmp_path).load()
    assert isinstance(english, WhisperAnnotator)
    samples = noise(2_000, -20)
    known = a_clip(samples, (0, 2_000), language="ru")
    detected = replace(
        a_clip(samples, (0, 2_000)),
        annotations=(heard_in("multilingual", "Спасибо", "ru", 0.9),),
    )
    for foreign in transcribe(english, known, detected):
        assert (foreign.text, foreign.flags) == ("", ("single_system", "unsupported_language"))
    own, unknown = transcribe(english, a_clip(samples, (0, 2_000), language="en-GB"), a_clip(samples, (0, 2_000)))
    assert own.text == unknown.text != ""


def test_words_are_joined_as_they_were_written_and_begin_where_speech_does() -> None:
    clip = a_clip(silence(6_000), (2_000, 3_000), (4_000, 5_000), start_ms=10_000)
    aligned = [
        {"word": word, "start": start, "end": end, "probability": 0.5, "tokens": [0]}
        for word, start, end in [
            (" To", 0.0, 2.2),
            (" re", 2.2, 2.4),
            ("-record", 2.4, 3.0),
            (" press", 3.0, 4.3),
            (" 100", 4.3, 4.6),
            ("%", 4.6, 4.8),
        ]
    ]
    words = timed_words(aligned, clip.segment, "en")
    assert [word.text for word in words] == ["To", "re-record", "press", "100%"]
    assert [(word.start_ms, word.end_ms) for word in words] == [
        (12_000, 12_200),
        (12_200, 13_000),
        (14_000, 14_300),
        (14_300, 14_800),
    ]


def test_a_language_that_came_with_the_recording_is_taken_and_one_that_did_not_is_heard(
    annotator: WhisperAnnotator,
) -> None:
    samples = noise(2_000, -20)
    known, unknown = transcribe(
        annotator, a_clip(samples, (0, 2_000), language="pt-BR"), a_clip(samples, (0, 2_000), language="x-klingon")
    )
    assert (known.language, known.language_probability) == ("pt", None)
    assert unknown.language_probability is not None


def test_text_that_does_not_end_in_a_short_window_is_decoded_again_in_the_whole_one(
    backend: FasterWhisper, annotator: WhisperAnnotator
) -> None:
    clip = a_sample(MENU, last_ms=8_000)
    (heard,) = transcribe(annotator, clip)
    assert "cut_short" in heard.flags
    assert annotator.frames_for(clip) < 3_000
    whole = backend.model_copy(update={"padding_s": 30}).load()
    assert isinstance(whole, WhisperAnnotator)
    assert transcribe(whole, clip) == [heard]


def test_text_that_does_not_come_to_an_end_is_flagged(annotator: WhisperAnnotator) -> None:
    """Random weights hardly ever end a text: twelve tokens are all that this model may write."""
    (heard,) = transcribe(annotator, a_sample(MENU, last_ms=8_000))
    assert "cut_short" in heard.flags
    assert not heard.usable_for_training


def test_probabilities_are_the_models_own(annotator: WhisperAnnotator) -> None:
    (heard,) = transcribe(annotator, a_clip(silence(1_000), (0, 1_000)))
    assert heard.no_speech_probability is not None
    assert heard.agreement is None
    assert "single_system" in heard.flags


def test_a_segment_longer_than_the_models_window_is_rejected(annotator: WhisperAnnotator) -> None:
    with pytest.raises(AnnotationError) as rejection:
        annotator.annotate([a_clip(silence(31_000))])
    assert rejection.value.reason == "too_long"


def test_missing_weights_name_the_local_folder_as_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    with pytest.raises(BackendUnavailableError, match="folder") as refusal:
        FasterWhisper(weights="no-such-size").load()
    assert "\n" not in str(refusal.value)
    with pytest.raises(BackendUnavailableError, match="folder"):
        FasterWhisper(weights=str(tmp_path)).load()


def test_weights_that_forbid_commercial_use_are_refused_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    backend = FasterWhisper(weights=str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        backend.check_available()
    pytest.importorskip("faster_whisper")
    backend.model_copy(update={"allow_non_commercial": True}).check_available()


def test_other_weights_in_the_same_folder_are_another_revision(tmp_path: Path) -> None:
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"a" * 100)
    before = folder_key(tmp_path)
    assert folder_key(tmp_path) == before
    weights.write_bytes(b"b" * 100)
    assert folder_key(tmp_path) != before
    assert FasterWhisper(weights=str(tmp_path)).revision != FasterWhisper(weights="small").revision

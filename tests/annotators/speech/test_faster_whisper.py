from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError
from soundseam.annotators.speech.faster_whisper import FasterWhisper, WhisperAnnotator
from soundseam.annotators.weights import folder_key
from soundseam.schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, a_sample, noise, silence
from tests.annotators.speech.tiny import faster_whisper

MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> FasterWhisper:
    return faster_whisper(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def annotator(backend: FasterWhisper) -> WhisperAnnotator:
    loaded = backend.load()
    assert isinstance(loaded, WhisperAnnotator)
    return loaded


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
        max_new_tokens=2 * backend.most_tokens - 4,  # with the prompt, twice what may be written
        clip_timestamps=[{"start": 0, "end": 9}],
        word_timestamps=True,
    )
    expected = list(segments)
    (heard,) = transcribe(annotator, a_clip(clip.samples, (0, 9_000), language="en"))
    assert heard.text == " ".join(segment.text.strip() for segment in expected)
    assert len(heard.text.split()) > 3
    assert [word.text for word in heard.words] == [
        word.word.strip() for segment in expected for word in segment.words or () if word.word.strip()
    ]


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


def test_a_language_that_came_with_the_recording_is_taken_and_one_that_did_not_is_heard(
    annotator: WhisperAnnotator,
) -> None:
    samples = noise(2_000, -20)
    known, unknown = transcribe(
        annotator, a_clip(samples, (0, 2_000), language="pt-BR"), a_clip(samples, (0, 2_000), language="x-klingon")
    )
    assert (known.language, known.language_probability) == ("pt", None)
    assert unknown.language_probability is not None


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

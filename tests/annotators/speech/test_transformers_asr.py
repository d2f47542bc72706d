from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.speech.transformers_asr import TransformersAnnotator, TransformersAsr
from soundseam.schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, a_sample, noise
from tests.annotators.speech.tiny import transformers_asr
from tests.support.members import load_or_skip

MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def annotator(tmp_path_factory: pytest.TempPathFactory) -> TransformersAnnotator:
    loaded = load_or_skip(transformers_asr(tmp_path_factory.mktemp("models")))
    assert isinstance(loaded, TransformersAnnotator)
    return loaded


def transcribe(annotator: TransformersAnnotator, *clips: object) -> list[Transcript]:
    answers = annotator.annotate(clips)  # type: ignore[arg-type]
    return [facts.transcript for facts in answers if facts.transcript is not None]


def test_a_ctc_model_gives_words_with_times_in_the_recordings_time(annotator: TransformersAnnotator) -> None:
    clip = a_sample(MENU, start_ms=70_000, last_ms=4_000)
    (heard,) = transcribe(annotator, clip)
    assert heard.text
    assert " ".join(word.text for word in heard.words) == heard.text
    times = [time for word in heard.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert clip.segment.start_ms <= times[0] <= times[-1] <= clip.segment.end_ms
    assert (heard.language, heard.flags, heard.usable_for_training) == ("en", ("single_system",), False)


def test_clips_of_different_lengths_are_heard_as_each_alone(annotator: TransformersAnnotator) -> None:
    clips = [a_sample(MENU, last_ms=4_000), a_clip(noise(700, -20), (0, 700)), a_sample(MENU, last_ms=2_000)]
    assert transcribe(annotator, *clips) == [transcribe(annotator, clip)[0] for clip in clips]


def test_the_caller_keeps_its_samples(annotator: TransformersAnnotator) -> None:
    clip = a_clip(noise(700, -20), (0, 700))
    before = clip.samples.copy()
    transcribe(annotator, clip)
    assert (clip.samples == before).all()


def test_missing_weights_name_the_local_folder_as_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(BackendUnavailableError, match="folder"):
        TransformersAsr(weights=str(tmp_path)).load()


def test_weights_that_forbid_commercial_use_are_refused() -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        TransformersAsr(weights="facebook/mms-1b-all").check_available()

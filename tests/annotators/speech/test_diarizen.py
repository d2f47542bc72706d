from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError, Samples
from soundseam.annotators.speech.diarizen import Diarizen
from soundseam.annotators.speech.turns import WindowedDiarizer
from tests.annotators.speech.builders import InMemory, a_clip, silence
from tests.annotators.speech.tiny import diarizen


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Diarizen:
    return diarizen(tmp_path_factory.mktemp("models"))


def voices(*seconds: float) -> Samples:
    """One second for each value: the stand-in takes offsets for voices."""
    return np.repeat(np.array(seconds, np.float32), 16_000)


def loaded(backend: Diarizen) -> WindowedDiarizer:
    annotator = backend.load()
    assert isinstance(annotator, WindowedDiarizer)
    return annotator


def test_turns_come_from_the_other_environment_in_the_recordings_time(backend: Diarizen) -> None:
    clip = a_clip(voices(0, 0.5, 0.5, -0.5, 0), start_ms=90_000)
    (facts,) = loaded(backend).annotate([clip])
    assert facts.speakers is not None
    assert [(turn.speaker, turn.start_ms, turn.end_ms) for turn in facts.speakers.turns] == [
        ("S1", 91_000, 93_000),
        ("S2", 93_000, 94_000),
    ]


def test_whoever_speaks_in_what_two_windows_share_keeps_the_label(backend: Diarizen) -> None:
    """The second window begins with the other speaker, so that its own labels are the other way round."""
    windowed = backend.model_copy(update={"window_s": 10, "overlap_s": 5})
    recording = InMemory(voices(0.5, 0.5, 0.5, 0.5, 0, -0.5, -0.5, 0.5, 0.5, 0, 0, -0.5, 0, 0.5, 0))
    segment = a_clip(silence(15_000)).segment
    (facts,) = loaded(windowed).annotate_recording(recording, [segment])
    assert recording.longest == 10 * 16_000
    assert facts.speakers is not None
    assert facts.speakers.scope == "recording"
    assert [(turn.speaker, turn.start_ms // 1000) for turn in facts.speakers.turns] == [
        ("S1", 0),
        ("S2", 5),
        ("S1", 7),
        ("S2", 11),
        ("S1", 13),
    ]


def test_the_number_of_speakers_can_be_bounded(backend: Diarizen) -> None:
    (facts,) = loaded(backend.model_copy(update={"max_speakers": 1})).annotate([a_clip(voices(0.5, -0.5))])
    assert facts.speakers is not None
    assert facts.speakers.count == 1


def test_what_it_fails_over_is_rejected_with_its_words_and_the_next_is_heard(backend: Diarizen) -> None:
    annotator = loaded(backend)
    with pytest.raises(AnnotationError, match="too loud to bear") as rejection:
        annotator.annotate([a_clip(voices(2.0))])
    assert rejection.value.reason == "diarization_failed"
    (facts,) = annotator.annotate([a_clip(voices(0.5))])
    assert facts.speakers is not None
    assert facts.speakers.count == 1


def test_weights_that_forbid_commercial_use_are_refused_unless_allowed(backend: Diarizen) -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        backend.model_copy(update={"allow_non_commercial": False}).check_available()
    backend.check_available()


def test_an_environment_that_is_not_there_is_named_with_the_way_to_it(backend: Diarizen, tmp_path: Path) -> None:
    for python in ("", str(tmp_path / "bin" / "python")):
        with pytest.raises(BackendUnavailableError, match="BUTSpeechFIT/DiariZen"):
            backend.model_copy(update={"python": python}).check_available()


def test_a_folder_of_weights_needs_the_embedding_model_too(backend: Diarizen) -> None:
    with pytest.raises(BackendUnavailableError, match="wespeaker"):
        backend.model_copy(update={"embedding": ""}).check_available()


def test_weights_that_cannot_be_had_are_refused_in_one_line_with_its_words(backend: Diarizen) -> None:
    with pytest.raises(BackendUnavailableError, match="no network, so no nobody/nothing") as refusal:
        backend.model_copy(update={"weights": "nobody/nothing"}).load()
    assert "\n" not in str(refusal.value)

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annotators.base import BackendUnavailableError
from annotators.speech.diarization import PyannoteDiarization
from annotators.speech.windowed import WindowedDiarizer
from tests.annotators.members import load_or_skip
from tests.annotators.speech.builders import InMemory, a_clip, read_sample, silence
from tests.annotators.speech.tiny import pyannote_diarization


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> PyannoteDiarization:
    return pyannote_diarization(tmp_path_factory.mktemp("models")).model_copy(update={"window_s": 8, "overlap_s": 3})


@pytest.fixture(scope="module")
def diarizer(backend: PyannoteDiarization) -> WindowedDiarizer:
    loaded = load_or_skip(backend)
    assert isinstance(loaded, WindowedDiarizer)
    return loaded


def test_a_recording_is_heard_in_windows_and_told_segment_by_segment(diarizer: WindowedDiarizer) -> None:
    recording = InMemory(read_sample("speech-phone-menu.flac")[: 20 * 16_000])
    segments = [a_clip(silence(6_000), start_ms=start).segment for start in (0, 7_000, 14_000)]
    answers = diarizer.annotate_recording(recording, segments)
    assert recording.longest <= 8 * 16_000
    for segment, facts in zip(segments, answers, strict=True):
        assert facts.speakers is not None
        assert facts.speakers.scope == "recording"
        assert facts.speakers.turns
        assert all(segment.start_ms <= turn.start_ms < turn.end_ms <= segment.end_ms for turn in facts.speakers.turns)


def test_a_clip_alone_has_labels_of_its_own(diarizer: WindowedDiarizer) -> None:
    clip = a_clip(read_sample("speech-phone-menu.flac")[:64_000], (0, 4_000), start_ms=90_000)
    (facts,) = diarizer.annotate([clip])
    assert facts.speakers is not None
    assert facts.speakers.scope == "segment"
    assert all(90_000 <= turn.start_ms < turn.end_ms <= 94_000 for turn in facts.speakers.turns)


def test_loading_turns_telemetry_off(diarizer: WindowedDiarizer) -> None:
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"


def test_gated_weights_name_the_token_the_terms_and_the_local_folder(tmp_path: Path) -> None:
    pytest.importorskip("pyannote.audio")
    with pytest.raises(BackendUnavailableError) as refusal:
        PyannoteDiarization(weights=str(tmp_path)).load()
    for way in ("HF_TOKEN", "terms", "folder"):
        assert way in str(refusal.value)


def test_weights_that_forbid_commercial_use_are_refused() -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        PyannoteDiarization(weights="BUT-FIT/diarizen-wavlm-large-s80-md").check_available()

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError
from soundseam.annotators.speech.diarization import PyannoteDiarization, WindowPipeline
from soundseam.annotators.speech.turns import WindowedDiarizer
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.speech.builders import InMemory, a_clip, read_sample, silence
from tests.annotators.speech.tiny import pyannote_diarization
from tests.support.members import load_or_skip


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> PyannoteDiarization:
    return pyannote_diarization(tmp_path_factory.mktemp("models")).model_copy(update={"window_s": 8, "overlap_s": 3})


@pytest.fixture(scope="module")
def diarizer(backend: PyannoteDiarization) -> WindowedDiarizer:
    loaded = load_or_skip(backend)
    assert isinstance(loaded, WindowedDiarizer)
    return loaded


def test_the_configuration_in_the_documentation_opens_a_folder(backend: PyannoteDiarization, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "weights.md").read_text(encoding="utf-8")
    (configuration,) = re.findall(r"^```yaml\n(version: .*?)^```$", page, re.MULTILINE | re.DOTALL)
    folder = shutil.copytree(backend.weights, tmp_path / "pipeline")
    (folder / "config.yaml").write_text(configuration)
    assert isinstance(backend.model_copy(update={"weights": str(folder)}).load(), WindowedDiarizer)


def test_a_recording_is_heard_in_windows_and_told_segment_by_segment(diarizer: WindowedDiarizer) -> None:
    recording = InMemory(read_sample("speech-phone-menu.flac")[: 13 * 16_000])
    segments = [a_clip(silence(6_000), start_ms=start).segment for start in (0, 7_000)]
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


def test_loading_turns_telemetry_off(backend: PyannoteDiarization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "1")
    load_or_skip(backend)
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert not is_metrics_enabled()


class SmallPipeline:
    """Finds one speaker; its device holds `room` chunks at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.segmentation_batch_size = 8
        self.embedding_batch_size = 1

    def __call__(self, sound: dict[str, object]) -> SimpleNamespace:
        from pyannote.core import Annotation, Segment

        if self.segmentation_batch_size > self.room:
            raise MemoryError(f"batch_size ({self.segmentation_batch_size}) is probably too large")
        found = Annotation()
        found[Segment(0.0, 1.0)] = "one"
        return SimpleNamespace(speaker_diarization=found, speaker_embeddings=None)


def test_a_device_that_is_too_small_hears_less_at_once() -> None:
    pytest.importorskip("pyannote.audio")
    pipeline = SmallPipeline(room=2)
    told = WindowPipeline(pipeline, None).diarize(silence(2_000), TimeSpan(5_000, 7_000))
    assert [turn.span for turn in told.turns] == [TimeSpan(5_000, 6_000)]
    assert pipeline.segmentation_batch_size == 2


def test_a_window_that_does_not_fit_at_all_is_rejected() -> None:
    pytest.importorskip("pyannote.audio")
    with pytest.raises(AnnotationError) as rejection:
        WindowPipeline(SmallPipeline(room=0), None).diarize(silence(2_000), TimeSpan(0, 2_000))
    assert rejection.value.reason == "out_of_memory"


def test_gated_weights_name_the_token_the_terms_and_the_local_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyannote.audio")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(BackendUnavailableError) as refusal:
        PyannoteDiarization().load()
    for way in ("HF_TOKEN", "terms", "folder"):
        assert way in str(refusal.value)


def test_weights_that_forbid_commercial_use_are_refused() -> None:
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        PyannoteDiarization(weights="BUT-FIT/diarizen-wavlm-large-s80-md").check_available()

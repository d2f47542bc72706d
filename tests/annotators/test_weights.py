from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from soundseam.annotators.base import BackendUnavailableError, Model
from soundseam.annotators.detection.pyannote_segmentation import PyannoteSegmentation
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.weights import licence_of, refuse_incomplete


def test_a_folder_is_refused_by_the_names_of_the_files_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    refuse_incomplete("whisper", str(tmp_path), ["model.bin"])
    refuse_incomplete("whisper", "Systran/faster-whisper-small", ["model.bin"])
    with pytest.raises(BackendUnavailableError, match=r"the folder has no config\.yaml, plda \(docs/weights\.md"):
        refuse_incomplete("whisper", str(tmp_path), ["config.yaml", "model.bin", "plda"])


@pytest.mark.parametrize(
    ("kind", "package", "missing"),
    [
        (FasterWhisper, "faster_whisper", r"model\.bin"),
        (PyannoteDiarization, "pyannote.audio", r"config\.yaml"),
        (PyannoteSegmentation, "pyannote.audio", r"pytorch_model\.bin"),
        (SherpaOnnx, "sherpa_onnx", "no model"),
    ],
)
def test_a_folder_without_a_model_is_refused_before_a_run(
    tmp_path: Path, kind: type[Model], package: str, missing: str
) -> None:
    pytest.importorskip(package)
    with pytest.raises(BackendUnavailableError, match=missing):
        kind(weights=str(tmp_path)).check_available()  # type: ignore[call-arg]


def test_a_pipeline_s_folder_holds_every_part_that_its_configuration_names(tmp_path: Path) -> None:
    pytest.importorskip("pyannote.audio")
    parts = {name: f"$model/{name}" for name in ("segmentation", "embedding", "plda")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"pipeline": {"params": parts}}))
    for name in ("segmentation", "embedding"):
        (tmp_path / name).mkdir()
    backend = PyannoteDiarization(weights=str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="has no plda"):
        backend.check_available()
    (tmp_path / "plda").mkdir()
    backend.check_available()


def test_a_model_card_in_the_folder_states_the_licence(tmp_path: Path) -> None:
    assert licence_of(str(tmp_path), "") == "unknown"
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert licence_of(str(tmp_path), "") == "mit"
    assert licence_of(str(tmp_path), "Apache-2.0") == "Apache-2.0"

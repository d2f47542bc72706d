from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from soundseam.annotators.detection.base import Detector
from soundseam.annotators.detection.silero_vad import SileroVad
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.voice import VoiceMeasures
from soundseam.pipeline.evaluation.labelled import read_list
from soundseam.pipeline.evaluation.loop import ScoreTable
from soundseam.pipeline.evaluation.speech import LONGEST_MS
from soundseam.pipeline.evaluation.without_speech import SilentClip, made_up_text
from tests.annotators.speech.builders import RATE_HZ, noise, read_sample
from tests.annotators.speech.tiny import sherpa_onnx

pytest.importorskip("whisper_normalizer")


def measured(folder: Path, *backends: object, detectors: tuple[Detector, ...] = ()) -> list[ScoreTable]:
    clips = read_list(folder / "clips.jsonl", SilentClip)
    return list(made_up_text(folder, clips, backends, detectors, LONGEST_MS))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, half a minute and more of it, and speech: once under its own label, once as if it was music."""
    root = tmp_path_factory.mktemp("without_speech")
    files = {
        "noise.flac": (noise(2_000, -20), "general"),
        "long.flac": (noise(LONGEST_MS + 1_000, -20), "general"),
        "speech.flac": (read_sample("speech-congratulations.opus")[: 3_000 * 16], "speech"),
        "sung.flac": (read_sample("speech-congratulations.opus")[: 3_000 * 16], "music"),
    }
    for name, (samples, _) in files.items():
        soundfile.write(root / name, samples, RATE_HZ)
    lines = [json.dumps({"file": name, "label": label}) for name, (_, label) in files.items()]
    (root / "clips.jsonl").write_text("\n".join(lines))
    return root


def test_text_for_recordings_without_speech_is_counted_before_and_after_detection(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sherpa_onnx")
    recogniser = sherpa_onnx(tmp_path).model_copy(update={"trust_single_system": True})
    (table,) = measured(folder, recogniser, TranscriptAgreement(), VoiceMeasures(), detectors=(SileroVad().load(),))
    figures = dict(table.rows)
    assert table.title.startswith("Recordings without speech: 2, 5 s; detectors find speech in 50.0%")
    assert table.systems == ["sherpa_onnx", "agreement"]
    assert figures["with_text"] == [1.0, 1.0]
    assert figures["with_text_as_detected"] == [0.5, 0.5]
    assert figures["usable"][1] == 0.0, "a single system has no agreement"


def test_without_recognisers_or_without_detectors_nothing_is_made_up(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sherpa_onnx")
    assert measured(folder, VoiceMeasures(), TranscriptAgreement()) == []
    (table,) = measured(folder, sherpa_onnx(tmp_path))
    assert dict(table.rows)["with_text_as_detected"] == [0.0]

"""Silero's own weights, in blocks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.detection.silero_vad import (
    CONTEXT_SAMPLES,
    FRAME_SAMPLES,
    SILERO_FILE,
    SILERO_SHA256,
    SileroVad,
    speech_probabilities,
)
from soundseam.annotators.onnx import carried_weights, open_session
from tests.annotators.detection.sounds import ArrayWaveform, noise, tune

SPEECH = Path(__file__).parents[3] / "samples" / "recordings" / "speech-phone-menu.flac"


def test_probabilities_are_those_of_the_package() -> None:
    silero_vad = pytest.importorskip("silero_vad", reason="the reference is the silero-vad package, which needs torch")
    import torch

    samples, rate_hz = soundfile.read(SPEECH, dtype="float32", stop=16_000 * 20)
    assert rate_hz == 16_000
    with torch.inference_mode():
        theirs = silero_vad.load_silero_vad().audio_forward(torch.from_numpy(samples), sr=rate_hz).numpy()[0]
    ours = speech_probabilities([samples], open_session(carried_weights(SILERO_FILE), SILERO_SHA256))
    assert np.abs(ours - theirs).max() < 1e-3
    assert ours.max() > 0.9


SESSION = open_session(carried_weights(SILERO_FILE), SILERO_SHA256)
SOUND = tune(3.1, -20) + noise(3.1, -40)


def frame_by_frame() -> np.ndarray:
    """The reference: one call of the model for each frame."""
    h = c = np.zeros((1, 1, 128), dtype=np.float32)
    padded = np.concatenate(
        (np.zeros(CONTEXT_SAMPLES, dtype=np.float32), SOUND, np.zeros(FRAME_SAMPLES, dtype=np.float32))
    )
    out = []
    for index in range(-(-len(SOUND) // FRAME_SAMPLES)):
        start = index * FRAME_SAMPLES
        frame = padded[start : start + CONTEXT_SAMPLES + FRAME_SAMPLES]
        probability, h, c = SESSION.run(None, {"input": frame[None], "h": h, "c": c})
        out.append(probability.item())
    return np.array(out)


@given(st.integers(1, 9_000))
@settings(max_examples=15, deadline=None)
def test_probabilities_do_not_depend_on_the_block_size(block: int) -> None:
    found = speech_probabilities(ArrayWaveform(SOUND).blocks(block), SESSION)
    np.testing.assert_allclose(found, frame_by_frame(), atol=2e-5)


def test_a_stream_without_samples_has_no_frames() -> None:
    assert len(speech_probabilities([], SESSION)) == 0


def test_steady_noise_is_no_speech() -> None:
    assert SileroVad().load().detect(ArrayWaveform(noise(10, -30))).events == ()


def test_damaged_weights_are_refused_with_the_remedy(tmp_path: Path) -> None:
    copy = tmp_path / "weights.onnx"
    shutil.copy(carried_weights(SILERO_FILE), copy)
    with copy.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BackendUnavailableError, match="install the package again"):
        open_session(copy, SILERO_SHA256)


def test_missing_weights_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="is missing"):
        open_session(tmp_path / "none.onnx")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(BackendUnavailableError, match="not a model"):
        open_session(tmp_path / "text.onnx")

"""The carried weights answer as the silero-vad package does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from annotators.detection.session import carried_weights, open_session
from annotators.detection.silero_vad import SILERO_FILE, SILERO_SHA256, speech_probabilities

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

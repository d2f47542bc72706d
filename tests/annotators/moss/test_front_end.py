"""Mel frames and audio tokens are those that the model was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.moss.checkpoint import AudioTokens
from soundseam.annotators.moss.model import SHORTEST_SAMPLES, audio_token_ids, log_mel, tokens_of
from soundseam.pipeline.serving.server import decoded_samples, probe_clip

TOKENS = AudioTokens()
AUDIO = TOKENS.audio_token_id


@pytest.mark.parametrize("num_samples", [SHORTEST_SAMPLES, 400, 16_000, 52_345])
def test_frames_are_those_of_whispers_extractor(num_samples: int) -> None:
    transformers = pytest.importorskip("transformers", reason="needs pip install 'soundseam[models]'")
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    clip = decoded_samples(probe_clip(4_000))[:num_samples]
    theirs = extractor._np_extract_fbank_features(clip[None], device="cpu")[0]
    np.testing.assert_allclose(log_mel(clip), theirs, atol=1e-5)


def test_silence_has_frames_too() -> None:
    assert np.all(log_mel(np.zeros(1_600, np.float32)) == np.float32(-1.5))


@pytest.mark.parametrize("samples", [np.zeros(SHORTEST_SAMPLES - 1, np.float32), np.zeros((2, 16_000), np.float32)])
def test_what_has_no_frame_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no mel frame"):
        log_mel(samples)


def test_markers_stand_after_each_2_s() -> None:
    assert audio_token_ids(24, TOKENS) == [AUDIO] * 24
    assert audio_token_ids(25, TOKENS) == [AUDIO] * 25 + [15 + 2]
    assert audio_token_ids(126, TOKENS)[-4:] == [AUDIO, 15 + 1, 15 + 0, AUDIO]


@given(st.integers(1, 3_000))
def test_every_token_is_there_once_and_markers_count_up(num_tokens: int) -> None:
    ids = audio_token_ids(num_tokens, TOKENS)
    assert ids.count(AUDIO) == num_tokens
    written = "".join(str(token - 15) for token in ids if token != AUDIO)
    assert written == "".join(str(seconds) for seconds in range(2, 2 * (num_tokens // 25) + 1, 2))
    assert audio_token_ids(num_tokens, TOKENS, time_markers=False) == [AUDIO] * num_tokens


@given(st.integers(1, 100_000))
def test_three_halvings_round_up_each_time(num_frames: int) -> None:
    halved = num_frames
    for _ in range(3):
        halved = (halved - 1) // 2 + 1
    assert tokens_of(num_frames) == halved

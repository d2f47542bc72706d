"""Windows that overlap leave no trace of their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from annotators.base import Samples
from annotators.detection.windows import Windowing, stitched_scores
from tests.annotators.detection.sounds import ArrayWaveform, noise

FRAME = 320
WINDOWING = Windowing(window_ms=1_000, step_ms=500, hop_ms=20, batch=3)


def loudness(windows: Samples) -> Samples:
    """A tagger that judges each frame alone."""
    return np.abs(windows.reshape(len(windows), -1, FRAME)).mean(axis=2, keepdims=True)


def with_bad_edges(windows: Samples) -> Samples:
    """A tagger that is off by 1 at the first and the last frame of its window and right in between."""
    scores = loudness(windows)
    scores[:, [0, -1]] += 1.0
    return scores


def whole(samples: Samples) -> Samples:
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    return np.abs(padded.reshape(-1, FRAME)).mean(axis=1)


@given(st.integers(1, 60_000), st.sampled_from([100, 500, 1_000]), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_tagger_of_single_frames_gives_what_it_gives_in_one_piece(length: int, step_ms: int, batch: int) -> None:
    samples = noise(4, -20)[:length]
    windowing = Windowing(window_ms=1_000, step_ms=step_ms, hop_ms=20, batch=batch)
    found = np.concatenate(list(stitched_scores(ArrayWaveform(samples), loudness, windowing)))
    np.testing.assert_allclose(found[:, 0], whole(samples), rtol=1e-5, atol=1e-6)


def test_errors_at_a_windows_edges_nearly_vanish_inside_the_recording() -> None:
    samples = noise(5, -20)
    found = np.concatenate(list(stitched_scores(ArrayWaveform(samples), with_bad_edges, WINDOWING)))
    assert np.abs(found[2:-50, 0] - whole(samples)[2:-50]).max() < 0.05


def test_an_empty_recording_has_no_scores() -> None:
    assert list(stitched_scores(ArrayWaveform(noise(0, -20)), loudness, WINDOWING)) == []


def test_a_tagger_with_another_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="frames a window"):
        list(stitched_scores(ArrayWaveform(noise(2, -20)), lambda windows: loudness(windows)[:, 1:], WINDOWING))


def test_frames_must_line_up_with_windows() -> None:
    with pytest.raises(ValidationError, match="must divide"):
        Windowing(window_ms=1_000, step_ms=510, hop_ms=20)

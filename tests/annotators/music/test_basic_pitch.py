from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError
from soundseam.annotators.music.basic_pitch import BasicPitch, NoteLimits, find_notes
from tests.annotators.music.builders import clip, noise, silence
from tests.annotators.music.tiny import basic_pitch

ANY = NoteLimits(shortest_frames=1)


def activity(*spans: tuple[int, int, int], frames: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Activity and onsets of (key, first frame, frame after the last)."""
    active, onsets = np.zeros((frames, 88)), np.zeros((frames, 88))
    for key, first, stop in spans:
        active[first:stop, key] = 0.8
        onsets[first, key] = 0.9
    return active, onsets


def found(*spans: tuple[int, int, int], limits: NoteLimits = ANY) -> list[tuple[int, int, int]]:
    return [(key, first, stop) for first, stop, key, _ in find_notes(*activity(*spans), limits)]


def test_a_note_lasts_from_its_onset_while_it_is_active() -> None:
    assert found((39, 10, 40)) == [(39, 10, 40)]


def test_a_second_onset_of_a_key_begins_a_second_note() -> None:
    assert found((39, 10, 40), (39, 40, 60)) == [(39, 10, 40), (39, 40, 60)]


def test_notes_of_a_chord_are_told_apart() -> None:
    assert found((39, 10, 40), (43, 10, 50), (46, 10, 30)) == [(46, 10, 30), (39, 10, 40), (43, 10, 50)]


def test_a_short_gap_does_not_end_a_note_and_a_long_one_does() -> None:
    active, onsets = activity((39, 10, 60))
    active[20:25, 39] = 0.0
    active[40:55, 39] = 0.0
    assert [(first, stop) for first, stop, _, _ in find_notes(active, onsets, ANY)] == [(10, 40)]


def test_short_notes_are_left_out() -> None:
    assert found((39, 10, 15), limits=NoteLimits()) == []


def test_activity_without_an_onset_is_no_note() -> None:
    active, _ = activity((39, 10, 60))
    assert find_notes(active, np.zeros_like(active), ANY) == []


def test_notes_lie_in_the_segment_in_the_recordings_own_time(tmp_path: Path) -> None:
    backend = basic_pitch(tmp_path).model_copy(update={"limits": ANY})
    notes = backend.load().annotate([clip(noise(5, 0.3), start_ms=20_000)])[0].notes
    assert notes
    assert all(20_000 <= note.start_ms < note.end_ms <= 25_000 for note in notes)


@pytest.mark.parametrize("length", [1, 1_102, 36_096, 36_095, 150_000])
def test_clips_of_any_length_are_answered(tmp_path: Path, length: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, length)
    assert basic_pitch(tmp_path).load().annotate([clip(samples)])[0].notes is not None


def test_audio_with_nan_is_an_annotation_error(tmp_path: Path) -> None:
    annotator = basic_pitch(tmp_path).load()
    with pytest.raises(AnnotationError):
        annotator.annotate([clip(np.array([np.nan]))])
    with pytest.raises(AnnotationError):
        annotator.annotate([clip(silence(0))])


def test_a_missing_model_is_named_with_its_remedy() -> None:
    with pytest.raises(BackendUnavailableError, match=r"nowhere\.onnx is missing; take nmp\.onnx out of"):
        BasicPitch(weights="nowhere.onnx").load()

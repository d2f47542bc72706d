"""Taggers of many labels: tiny random models behind each adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import BackendUnavailableError, Samples
from soundseam.annotators.detection.activity import Thresholds, Windowing
from soundseam.annotators.detection.ast import Ast
from soundseam.annotators.detection.frame_sed import FrameSed
from soundseam.annotators.detection.pretrained_sed import PretrainedSed
from soundseam.annotators.detection.pyannote_segmentation import PyannoteSegmentation, _of_powerset, _of_speakers
from soundseam.annotators.detection.tagging import TaggingDetector
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import key_content
from tests.annotators.detection import tiny
from tests.annotators.detection.sounds import ArrayWaveform, beeps, mixed

LIMITS = Thresholds(enter=0.5, stay=0.5, bridge_ms=0, shortest_ms=0)


def constant_tagger(windows: Samples) -> Samples:
    """Two labels of one class: the second louder in the first half of each frame row, and one of another class."""
    loud = np.abs(windows.reshape(len(windows), -1, 640)).mean(axis=2) > 0.01
    scores = np.zeros((*loud.shape, 4), dtype=np.float32)
    scores[..., 0], scores[..., 1], scores[..., 2], scores[..., 3] = 0.6 * loud, 0.9 * loud, 0.7 * loud, 1.0
    return scores


def test_an_event_bears_the_label_that_made_it_and_scenery_makes_none() -> None:
    classes = (EventClass.ANIMAL, EventClass.ANIMAL, EventClass.MUSIC, None)
    windowing = Windowing(window_ms=1_000, step_ms=1_000, hop_ms=40)
    detector = TaggingDetector(constant_tagger, ("Cat", "Dog", "Music", "Noise"), classes, windowing, LIMITS)
    found = detector.detect(ArrayWaveform(mixed(4, (1, beeps(1, -10) + 0.1))))
    assert [(event.event_class, event.label) for event in found.events] == [
        (EventClass.ANIMAL, "Dog"),
        (EventClass.MUSIC, "Music"),
    ]
    assert {(event.onset_ms, event.offset_ms) for event in found.events} == {(1_000, 2_000)}
    assert found.frames.classes == (EventClass.ANIMAL, EventClass.MUSIC)


def test_frame_sed_takes_labels_before_frames_as_well(tmp_path: Path) -> None:
    backend = tiny.frame_sed(tmp_path)
    sound = ArrayWaveform(mixed(25, (3, beeps(4, -10)), (14, beeps(6, -20))))
    frames = backend.load().detect(sound).frames
    assert frames.scores.shape == (625, len(frames.classes))
    assert len(set(frames.scores[:, 0].tolist())) > 1


@pytest.mark.parametrize("step_ms", [2_000, 10_000])
def test_window_edges_leave_no_trace_in_frame_sed(tmp_path: Path, step_ms: int) -> None:
    backend = tiny.frame_sed(tmp_path)
    sound = ArrayWaveform(mixed(25, (3, beeps(4, -10)), (14, beeps(6, -20))))
    other = backend.model_copy(update={"windowing": Windowing(window_ms=10_000, step_ms=step_ms, hop_ms=40)})
    first, second = (each.load().detect(sound).frames.scores.astype(float) for each in (backend, other))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_a_model_whose_labels_do_not_match_the_list_is_refused(tmp_path: Path) -> None:
    backend = tiny.frame_sed(tmp_path)
    Path(backend.labels).write_text("Bark\n")
    with pytest.raises(ValueError, match="lists 1"):
        backend.load().detect(ArrayWaveform(beeps(1, -10)))


@pytest.mark.parametrize("kind", ["ast", "pretrained_sed"])
def test_a_tiny_model_of_the_same_interface_is_run_over_the_whole_recording(tmp_path: Path, kind: str) -> None:
    backend = getattr(tiny, kind)(tmp_path)
    frames = backend.load().detect(ArrayWaveform(mixed(13, (3, beeps(4, -10))))).frames
    assert len(frames.scores) == -(-13_000 // frames.hop_ms)
    assert np.isfinite(frames.scores).all()
    assert frames.scores.max() > 0


def test_pretrained_sed_leaves_no_modules_of_the_clone_behind(tmp_path: Path) -> None:
    import sys

    tiny.pretrained_sed(tmp_path).load()
    assert not {"config", "models", "data_util"} & set(sys.modules)


@pytest.mark.parametrize(
    "backend", [FrameSed(), PretrainedSed(), Ast(weights="/nowhere"), PyannoteSegmentation(weights="/nowhere")]
)
def test_a_model_that_is_not_there_is_refused_with_the_remedy(backend: FrameSed) -> None:
    with pytest.raises(BackendUnavailableError, match=r"give|pip install|set weights|set clone"):
        backend.load()


@pytest.mark.parametrize("kind", [Ast, PyannoteSegmentation])
def test_the_options_of_weights_keep_their_old_names_and_keys(kind: type[Ast] | type[PyannoteSegmentation]) -> None:
    now = kind(weights="owner/model", weights_revision="abc")
    before = kind.model_validate({"kind": now.kind, "path": "owner/model", "hub_revision": "abc"})
    assert before == now
    assert before.config_key == now.config_key
    assert set(key_content(now)) >= {"path", "hub_revision"}
    stated = now.model_copy(update={"weights_licence": "MIT"})
    assert (stated.weights_terms, stated.config_key) == ("MIT", now.config_key)


def test_a_powerset_gives_speech_and_overlap() -> None:
    probabilities = np.array([[[0.1, 0.2, 0.3, 0.4]]], dtype=np.float32)
    both = _of_powerset(np.log(probabilities), np.array([0, 1, 1, 2]))
    np.testing.assert_allclose(both, [[[0.9, 0.4]]], atol=1e-6)


def test_speakers_give_speech_and_overlap() -> None:
    activities = np.array([[[0.2, 0.9, 0.6]]], dtype=np.float32)
    np.testing.assert_allclose(_of_speakers(activities), [[[0.9, 0.6]]])

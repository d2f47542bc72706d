"""The picture of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.detection.embedded import Embedded
from soundseam.pipeline.cutting.segmentation import SegmentationConfig
from soundseam.pipeline.evaluation.show import PictureError, show_recording
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.detection.sounds import beeps, mixed, noise, tune

pytest.importorskip("matplotlib", reason="a picture needs matplotlib")
DETECTORS = [Embedded().load()]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "a.flac"
    soundfile.write(
        path, noise(70, -60) + mixed(70, (3, beeps(2, -20)), (12, tune(9, -20)), (40, beeps(1, -20))), 16_000
    )
    return path


def test_a_whole_recording_is_drawn(recording: Path, tmp_path: Path) -> None:
    count = show_recording(recording, tmp_path / "a.png", DETECTORS, SegmentationConfig())
    assert count == 3
    picture = _pixels(tmp_path / "a.png")
    assert picture.shape[1] > 1_000
    assert picture.std() > 0.05


def test_more_time_takes_more_rows(recording: Path, tmp_path: Path) -> None:
    show_recording(recording, tmp_path / "all.png", DETECTORS, SegmentationConfig())
    show_recording(recording, tmp_path / "part.png", DETECTORS, SegmentationConfig(), TimeSpan(0, 20_000))
    assert _pixels(tmp_path / "all.png").shape[0] > 1.5 * _pixels(tmp_path / "part.png").shape[0]


def test_only_segments_in_the_part_are_counted(recording: Path, tmp_path: Path) -> None:
    span = TimeSpan(10_000, 22_000)
    assert show_recording(recording, tmp_path / "b.svg", DETECTORS, SegmentationConfig(), span) == 1
    assert (tmp_path / "b.svg").read_text().startswith("<?xml")


def test_a_time_beyond_the_end_is_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="before its end"):
        show_recording(recording, tmp_path / "c.png", DETECTORS, SegmentationConfig(), TimeSpan(90_000, 95_000))


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.svg"])
def test_a_picture_is_drawn_again_over_itself_alone(recording: Path, tmp_path: Path, name: str) -> None:
    span = TimeSpan(0, 5_000)
    show_recording(recording, tmp_path / name, DETECTORS, SegmentationConfig(), span)
    show_recording(recording, tmp_path / name, DETECTORS, SegmentationConfig(), span)
    (tmp_path / name).write_text("mine")
    with pytest.raises(PictureError, match="choose another --output"):
        show_recording(recording, tmp_path / name, DETECTORS, SegmentationConfig(), span)
    assert (tmp_path / name).read_text() == "mine"


def test_a_name_of_no_picture_is_refused(recording: Path) -> None:
    before = recording.read_bytes()
    with pytest.raises(PictureError, match="use a name that ends in"):
        show_recording(recording, recording, DETECTORS, SegmentationConfig())
    assert recording.read_bytes() == before


def _pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(path))

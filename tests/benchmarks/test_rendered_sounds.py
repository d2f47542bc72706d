from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from benchmarks.rendered_sounds import RATE_HZ, render_scene
from soundseam.annotators.general.acoustics import measure_acoustics


def test_the_same_seed_gives_the_same_scene(tmp_path: Path) -> None:
    first = render_scene(7, 3, tmp_path)
    samples, rate_hz = soundfile.read(tmp_path / first.file)
    assert render_scene(7, 3, tmp_path) == first
    assert np.array_equal(soundfile.read(tmp_path / first.file)[0], samples)
    assert rate_hz == RATE_HZ
    assert render_scene(8, 3, tmp_path) != first


def test_measures_of_the_acoustics_lie_near_the_truth(tmp_path: Path) -> None:
    errors: dict[str, list[float]] = {"level": [], "decay": [], "bandwidth": [], "silence": []}
    for index in range(8):
        truth = render_scene(1, index, tmp_path)
        found = measure_acoustics(soundfile.read(tmp_path / truth.file, dtype="float32")[0])
        assert found.level_dbfs is not None
        errors["level"].append(abs(found.level_dbfs - (truth.level_dbfs or 0)))
        if truth.bandwidth_hz is not None:
            errors["bandwidth"].append(abs((found.bandwidth_hz or 0) / truth.bandwidth_hz - 1))
        errors["silence"].append(abs(found.silence_share - (truth.silence_share or 0)))
        if found.decay_time_ms is not None:
            errors["decay"].append(abs(found.decay_time_ms / (truth.decay_time_ms or 1) - 1))
    assert len(errors["decay"]) >= 6
    middle = {name: median(values) for name, values in errors.items()}
    assert middle["level"] < 0.1
    assert middle["silence"] < 0.05
    assert middle["bandwidth"] < 0.05
    assert middle["decay"] < 0.3

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.music.beat_this import BeatThis, rhythm_of
from tests.annotators.music.builders import RATE_HZ, clicks, clip
from tests.annotators.music.tiny import beat_this
from tests.support.builders import a_segment

SEGMENT = a_segment(start_ms=10_000, end_ms=30_000)


def test_tempo_and_meter_follow_from_the_beats() -> None:
    beats = np.arange(0.5, 12.5, 0.5)
    rhythm = rhythm_of(beats, beats[::3], 0.9, 2.0, SEGMENT)
    assert (rhythm.tempo_bpm, rhythm.tempo_alternatives_bpm) == (120.0, (60.0, 240.0))
    assert (rhythm.beats_per_bar, rhythm.meter_confidence) == (3, 1.0)
    assert rhythm.beats_ms[:2] == (10_500, 11_000)
    assert rhythm.downbeats_ms == rhythm.beats_ms[::3]


def test_bars_of_different_lengths_lower_the_meters_confidence() -> None:
    beats = np.arange(0, 8, 0.5)
    rhythm = rhythm_of(beats, beats[[0, 4, 8, 11]], 0.9, 2.0, SEGMENT)
    assert rhythm.beats_per_bar == 4
    assert rhythm.meter_confidence == pytest.approx(0.667)


def test_a_change_of_tempo_does_not_move_the_median() -> None:
    beats = np.concatenate([np.arange(0, 6, 0.5), np.arange(6, 8, 1.0)])
    assert rhythm_of(beats, beats[:0], 0.5, 2.0, SEGMENT).tempo_bpm == 120.0


def test_a_few_beats_are_no_pulse() -> None:
    rhythm = rhythm_of(np.array([0.5, 1.0, 1.5]), np.array([0.5]), 0.9, 2.0, SEGMENT)
    assert (rhythm.tempo_bpm, rhythm.beats_ms, rhythm.beats_per_bar) == (None, (), None)
    assert rhythm.onset_rate_hz == 2.0


def test_beats_are_those_of_the_authors_own_inference(tmp_path: Path) -> None:
    backend = beat_this(tmp_path)
    samples = clicks(np.arange(0, 35, 0.5), 35).astype(np.float32)
    from beat_this.inference import Audio2Beats

    beats, downbeats = Audio2Beats(backend.weights, device="cpu")(samples, RATE_HZ)
    rhythm = backend.load().annotate([clip(samples, start_ms=7_000)])[0].rhythm
    assert rhythm is not None
    assert len(beats) > 10
    assert rhythm.beats_ms == tuple(7_000 + round(1000 * beat) for beat in beats)
    assert set(rhythm.downbeats_ms) == {7_000 + round(1000 * beat) for beat in downbeats}


def test_a_file_that_is_no_checkpoint_is_refused_with_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("beat_this")
    (tmp_path / "bad.ckpt").write_bytes(b"no weights")
    with pytest.raises(BackendUnavailableError, match=r"set weights to a \.ckpt file"):
        BeatThis(weights=str(tmp_path / "bad.ckpt"), device="cpu").load()


def test_another_checkpoint_has_another_revision(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"a")
    (tmp_path / "b.ckpt").write_bytes(b"b")
    assert BeatThis(weights=str(tmp_path / "a.ckpt")).revision != BeatThis(weights=str(tmp_path / "b.ckpt")).revision


def test_configurations_with_the_old_name_of_the_option_still_work() -> None:
    backend = BeatThis.model_validate({"checkpoint": "small0"})
    assert backend.weights == "small0"
    assert backend.config_key == BeatThis(weights="small0").config_key

"""Evaluation on a small labelled folder made by the test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.detection.embedded import Embedded
from soundseam.annotators.detection.silero_vad import SileroVad
from soundseam.pipeline.cutting.segmentation import SegmentationConfig
from soundseam.pipeline.evaluation.event_scores import TrueEvent
from soundseam.pipeline.evaluation.labelled import LabelledFolderError, read_labelled_folder
from soundseam.pipeline.evaluation.loop import score_table
from soundseam.pipeline.evaluation.segmentation import (
    energy,
    evaluate_segmentation,
    event_f1,
    fixed,
    speech_cuts,
)
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.detection.sounds import ArrayWaveform, beeps, mixed, noise, tune
from tests.support.scenes import event


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene of beeps and music, two clips, one silent conversation."""
    root = tmp_path_factory.mktemp("labelled")
    samples = noise(40, -60) + mixed(40, (2, beeps(2, -20)), (8, tune(12, -20)), (26, beeps(3, -25)))
    soundfile.write(root / "scene.flac", samples, 16_000)
    soundfile.write(root / "music.flac", tune(6, -20), 16_000)
    soundfile.write(root / "beeps.flac", beeps(2, -20), 16_000)
    soundfile.write(root / "talk.flac", noise(10, -60), 16_000)
    events = [
        {"cls": "general", "onset": 2.0, "offset": 4.0, "role": "foreground"},
        {"cls": "music", "onset": 8.0, "offset": 20.0, "role": "foreground"},
        {"cls": "general", "onset": 26.0, "offset": 29.0, "role": "foreground"},
    ]
    (root / "scenes.jsonl").write_text(json.dumps({"file": "scene.flac", "duration": 40.0, "events": events}) + "\n")
    clips = [{"file": "music.flac", "label": "music"}, {"file": "beeps.flac", "label": "general"}]
    (root / "clips.jsonl").write_text("\n".join(json.dumps(clip) for clip in clips))
    turns = [{"onset": 1.0, "offset": 9.0, "speaker": "A"}]
    (root / "ami.jsonl").write_text(json.dumps({"file": "talk.flac", "turns": turns}))
    return root


def test_all_ways_of_cutting_are_measured_in_one_run(folder: Path) -> None:
    detectors, silero = [Embedded().load()], SileroVad().load()
    lines = {line.method: line for line in evaluate_segmentation(
        read_labelled_folder(folder), detectors, SegmentationConfig(), silero)}  # fmt: skip
    assert list(lines) == ["soundseam", "fixed 10 s", "fixed 30 s", "energy", "silero only"]
    assert lines["soundseam"].cut == 0.0
    assert lines["soundseam"].purity == 1.0
    assert lines["soundseam"].change == 1.0
    assert dict(lines["soundseam"].among) == {Branch.MUSIC: 1.0, Branch.GENERAL: 1.0}
    assert lines["fixed 10 s"].cut == pytest.approx(1 / 3, abs=1e-3)
    assert lines["fixed 10 s"].branches_per_segment is None
    table = score_table("Segmentation", list(lines.values()))
    assert table.systems == list(lines)
    assert dict(table.rows)["music routed"] == [1.0, None, None, None, None]


def test_a_list_that_is_missing_is_empty_and_none_at_all_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips.jsonl").write_text((folder / "clips.jsonl").read_text())
    assert read_labelled_folder(tmp_path).scenes == ()
    with pytest.raises(LabelledFolderError, match="has none of"):
        read_labelled_folder(tmp_path / "nothing")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips.jsonl").write_text(
        '{"file": "a.flac", "label": "music"}\n{"file": "b.flac", "label": "noise"}\n'
    )
    with pytest.raises(LabelledFolderError, match="line 2"):
        read_labelled_folder(tmp_path)


def test_fixed_windows_cover_the_recording() -> None:
    spans, events = fixed(10_000)(ArrayWaveform(noise(25, -40)))
    assert spans == [TimeSpan(0, 10_000), TimeSpan(10_000, 20_000), TimeSpan(20_000, 25_000)]
    assert events == []


def test_energy_finds_what_is_within_40_db_of_the_loudest() -> None:
    spans, _ = energy(ArrayWaveform(mixed(10, (2, tune(3, -20)), (7, noise(1, -70)))))
    assert all(span.start_ms >= 1_900 and span.end_ms <= 5_100 for span in spans)
    assert energy(ArrayWaveform(np.zeros(0, dtype=np.float32)))[0] == []


def test_without_speech_speech_cuts_give_one_segment() -> None:
    spans, events = speech_cuts(SileroVad().load())(ArrayWaveform(noise(5, -50)))
    assert (spans, events) == ([TimeSpan(0, 5_000)], [])


def test_event_f1_counts_onsets_and_offsets_within_the_collar() -> None:
    pytest.importorskip("sed_eval", reason="event F1 needs sed_eval")
    truth = [TrueEvent(Branch.SPEECH, TimeSpan(1_000, 2_000)), TrueEvent(Branch.MUSIC, TimeSpan(4_000, 9_000))]
    right, late = event(1_100, 2_150), event(4_500, 9_000, EventClass.MUSIC)
    assert event_f1([(truth, (right, late))]) == 0.5

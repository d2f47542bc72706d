from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.base import Waveform
from soundseam.annotators.detection.base import Detection, FrameScores
from soundseam.annotators.general.acoustics import SegmentAcoustics
from soundseam.annotators.general.events import MeasuredEvents
from soundseam.pipeline.evaluation.general import (
    BackendScores,
    SoundTruth,
    TrueSound,
    evaluate_general,
    measure_facts,
    named_shares,
    read_sounds,
    scene_of,
)
from soundseam.pipeline.evaluation.labelled import LabelledFolderError
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import Acoustics, GeneralFacts, Repetition
from tests.support.builders import an_event

BARK = TrueSound(event_class=EventClass.ANIMAL, branch=Branch.GENERAL, label="Bark", onset=1.0, offset=2.0)
KNOCK = TrueSound(event_class=EventClass.OBJECT, branch=Branch.GENERAL, label="Knock", onset=3.0, offset=4.0)


def acoustics(**changes: object) -> Acoustics:
    plain = {
        "level_dbfs": -20.0,
        "peak_dbfs": -3.0,
        "noise_floor_dbfs": -60.0,
        "dynamic_range_db": 40.0,
        "silence_share": 0.5,
        "bandwidth_hz": 4_000,
        "decay_time_ms": 500,
    }
    return Acoustics.model_validate({**plain, **changes})


def measured(facts: GeneralFacts, truth: SoundTruth) -> dict[str, float]:
    return dict(measure_facts(facts, truth, is_repetition_measured=True))


def test_measures_are_errors_and_shares() -> None:
    truth = SoundTruth(
        file="a.wav", level_dbfs=-21.5, silence_share=0.4, bandwidth_hz=5_000, decay_time_ms=400, period_ms=1_000
    )
    found = measured(
        GeneralFacts(acoustics=acoustics(), repetition=Repetition(period_ms=1_050, count=4, regularity=0.9)), truth
    )
    assert found == pytest.approx(
        {
            "level_error_db": 1.5,
            "silence_error": 0.1,
            "bandwidth_error": 0.2,
            "decay_found": 1.0,
            "decay_error": 0.25,
            "period_right": 1.0,
        }
    )


def test_what_is_not_known_is_not_measured() -> None:
    assert measured(GeneralFacts(acoustics=acoustics()), SoundTruth(file="a.wav")) == {}


@pytest.mark.parametrize(("period_ms", "right"), [(None, 0.0), (800, 0.0), (2_000, 0.0), (1_099, 1.0)])
def test_a_period_is_right_within_a_tenth(period_ms: int | None, right: float) -> None:
    repetition = None if period_ms is None else Repetition(period_ms=period_ms, count=4, regularity=0.9)
    assert measured(GeneralFacts(repetition=repetition), SoundTruth(file="a", period_ms=1_000)) == {
        "period_right": right
    }


def test_no_repetition_is_right_where_nothing_repeats() -> None:
    assert measured(GeneralFacts(), SoundTruth(file="a", period_ms=0)) == {"period_right": 1.0}


def test_an_event_is_named_where_one_of_its_name_covers_half_of_it() -> None:
    truth = SoundTruth(file="a.wav", events=(BARK, KNOCK))
    found = [an_event(EventClass.ANIMAL, 1_400, 2_000, "bark"), an_event(EventClass.OBJECT, 3_600, 4_000, "Knock")]
    assert list(named_shares(truth, found)) == [1.0, 0.0]


def test_events_are_called_by_class_where_classes_are_known_else_by_branch() -> None:
    truth = SoundTruth(file="a.wav", events=(BARK,))
    found = [an_event(EventClass.OBJECT, 1_000, 2_000)]
    assert scene_of(truth, found, by_class=True).truth[0].label == "animal"
    assert scene_of(truth, found, by_class=True).found[0].label == "object"
    assert scene_of(truth, found, by_class=False).found[0].label == "general"


class Hears:
    """A detector that finds the same events in everything."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def detect(self, waveform: Waveform) -> Detection:
        classes = tuple({event.event_class for event in self._events})
        frames = waveform.num_samples // 320
        return Detection(self._events, FrameScores(20, classes, np.zeros((frames, len(classes)), np.float16)))


def write_sound(folder: Path, truth: SoundTruth) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * 16_000)
    soundfile.write(folder / truth.file, noise, 16_000)
    (folder / "sounds.jsonl").write_text(truth.model_dump_json(by_alias=True) + "\n")


def scores_of(folder: Path, *events: Event) -> dict[str, BackendScores]:
    found = evaluate_general(folder, [MeasuredEvents(), SegmentAcoustics()], [Hears(*events)])
    return {scores.backend: scores for scores in found.backends}


def test_detection_and_each_backend_are_scored_for_what_they_say(tmp_path: Path) -> None:
    pytest.importorskip("sed_eval")
    write_sound(tmp_path, SoundTruth(file="a.wav", events=(BARK, KNOCK), level_dbfs=-20.0, bandwidth_hz=8_000))
    scores = scores_of(tmp_path, an_event(EventClass.ANIMAL, 1_000, 2_000), an_event(EventClass.OBJECT, 0, 900))
    assert scores["detection"].event_f1 == scores["events"].event_f1 == 0.5
    assert scores["acoustics"].event_f1 is None
    assert dict(scores["acoustics"].measures)["level_error_db"] == pytest.approx(0, abs=0.2)
    assert dict(scores["events"].measures)["level_error_db"] is None
    assert scores["events"].times_real_time > 1


def test_scenes_known_by_branch_alone_serve_too(tmp_path: Path) -> None:
    (tmp_path / "scenes.jsonl").write_text(
        '{"file": "a.wav", "duration": 5.0, "events": [{"cls": "general", "onset": 1.0, "offset": 2.0}, '
        '{"cls": "music", "onset": 0.0, "offset": 5.0, "role": "background"}]}\n'
    )
    (truth,) = read_sounds(tmp_path)
    assert [(event.branch, event.event_class, event.onset) for event in truth.events] == [(Branch.GENERAL, None, 1.0)]


def test_a_folder_without_either_list_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabelledFolderError, match=r"sounds\.jsonl nor scenes\.jsonl"):
        read_sounds(tmp_path)

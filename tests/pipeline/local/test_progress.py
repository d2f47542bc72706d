from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.speech.voice import VoiceMeasures
from soundseam.pipeline.local.meter import START_UP_S, Meter
from soundseam.pipeline.local.progress import ProgressLog, Step, default_speed
from soundseam.pipeline.work import ShardTask, StageTask
from tests.support.workloads import recording_id_of, source_of

COSTS = {"segments": 0.01, "annotations/speech/voice": 0.04, "captions": 0.001}
MINUTE = 60_000


def work_at(*stages: str, names: tuple[str, ...] = ("a", "b")) -> ShardTask:
    sources = tuple(source_of(name) for name in names)
    keys = tuple((source.recording_id, "key") for source in sources)
    return ShardTask(shard=0, sources=sources, stages=tuple(StageTask(stage=stage, keys=keys) for stage in stages))


def meter_of(*tasks: ShardTask, minutes: int = 1, workers: int = 1) -> Meter:
    durations = {source.recording_id: minutes * MINUTE for work in tasks for source in work.sources}
    return Meter(tasks, durations, COSTS, workers)


def done(stage: str, *names: str, audio_ms: int = 0) -> Step:
    ids = tuple(recording_id_of(name) for name in names)
    return Step(stage=stage, state="done", recording_ids=ids, audio_ms=audio_ms)


def test_nothing_is_done_at_first() -> None:
    reading = meter_of(work_at(*COSTS)).read()
    assert (reading.recordings, reading.recordings_done, reading.share) == (2, 0, 0.0)
    assert reading.audio_ms == 2 * MINUTE


def test_what_others_have_committed_counts_without_a_speed() -> None:
    meter = meter_of(work_at(*COSTS))
    meter.take_committed("segments", [recording_id_of("a"), recording_id_of("b"), recording_id_of("unknown")])
    expected = COSTS["segments"] / sum(COSTS.values())
    assert meter.read().share == pytest.approx(expected)
    assert meter.read().recordings_done == 0
    for stage in COSTS:
        meter.take_committed(stage, [recording_id_of("a")])
    reading = meter.read()
    assert (reading.recordings_done, reading.audio_ms_done) == (1, MINUTE)
    assert meter.stage_metrics() == ()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only entry; tests set it."""
    now = [1000.0]
    monkeypatch.setattr("soundseam.pipeline.local.meter.time.monotonic", lambda: now[0])
    return now


def test_the_first_estimate_is_the_start_of_workers_and_their_share_of_the_work(clock: list[float]) -> None:
    expected_s = 2 * 60 * sum(COSTS.values()) / 2
    assert meter_of(work_at(*COSTS), workers=2).read().seconds_left == pytest.approx(START_UP_S + expected_s)


def test_a_slow_start_raises_the_estimate_before_anything_is_done(clock: list[float]) -> None:
    meter = meter_of(work_at(*COSTS))
    expected_s = 2 * 60 * sum(COSTS.values())
    clock[0] += 4 * START_UP_S
    assert meter.read().seconds_left == pytest.approx(4 * expected_s)
    meter.take_step(done("segments", "z"), 0.0)
    assert meter.read().seconds_left == pytest.approx(4 * expected_s)


def test_the_time_left_follows_the_pace_that_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("soundseam.pipeline.local.progress.time.monotonic", lambda: now)
    meter = meter_of(work_at("segments"), minutes=600)
    expected_s = 600 * 60 * COSTS["segments"]
    meter.take_step(done("segments", "z"), 0.1)
    now += 10 * expected_s
    meter.take_step(done("segments", "a", audio_ms=600 * MINUTE), 10 * expected_s)
    assert 9 * expected_s < meter.read().seconds_left < 11 * expected_s


def test_the_share_grows_with_each_stage_by_its_cost() -> None:
    meter = meter_of(work_at(*COSTS))
    meter.take_step(done("segments", "a", audio_ms=MINUTE), 60 * COSTS["segments"])
    assert abs(meter.read().share - 0.01 / sum(COSTS.values()) / 2) < 1e-9


def test_a_stage_that_turns_out_slow_is_expected_to_stay_slow_and_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("soundseam.pipeline.local.progress.time.monotonic", lambda: now)
    meter = meter_of(work_at(*COSTS), minutes=600)
    hours_s = 600 * 60
    meter.take_step(done("segments", "z"), 0.0)
    now += hours_s * (0.01 + 0.8)
    meter.take_step(done("segments", "a", audio_ms=600 * MINUTE), hours_s * 0.01)
    before = meter.read().share
    meter.take_step(done("annotations/speech/voice", "a"), hours_s * 0.8)
    expected_s = hours_s * (0.01 + 0.8 + 2 * 0.001)
    assert 0.9 * expected_s < meter.read().seconds_left < 1.1 * expected_s
    assert before <= meter.read().share < 0.6


def test_large_models_are_expected_to_be_slower_than_small_ones_and_than_measures() -> None:
    sizes = ["large-v3", "large-v3-turbo", "small", "base", "tiny.en"]
    speeds = [default_speed(FasterWhisper(weights=size)) for size in sizes]
    assert speeds == sorted(speeds)
    assert default_speed(SherpaOnnx()) < default_speed(VoiceMeasures())


def test_a_recording_counts_as_done_when_nothing_of_it_is_left() -> None:
    meter = meter_of(work_at(*COSTS))
    meter.take_step(done("segments", "a", audio_ms=MINUTE), 1.0)
    assert meter.read().recordings_done == 0
    meter.finish([recording_id_of("a")])
    reading = meter.read()
    assert (reading.recordings_done, reading.audio_ms_done) == (1, MINUTE)


def test_the_decoded_length_takes_the_place_of_the_guess() -> None:
    meter = meter_of(work_at(*COSTS))
    meter.take_step(done("segments", "a", audio_ms=5 * MINUTE), 1.0)
    assert meter.read().audio_ms == 6 * MINUTE


def test_a_step_that_is_repeated_counts_once() -> None:
    meter = meter_of(work_at("captions"))
    for _ in range(3):
        meter.take_step(done("captions", "a"), 1.0)
    assert abs(meter.read().share - 0.5) < 1e-9


def test_a_stage_is_measured_by_what_it_heard_and_what_went_through_it() -> None:
    meter = meter_of(work_at(*COSTS))
    meter.take_step(done("annotations/speech/voice", "a", audio_ms=30_000), 2.0)
    meter.finish([recording_id_of("a"), recording_id_of("b")])
    (metrics,) = meter.stage_metrics()
    assert (metrics.stage, metrics.seconds, metrics.speed) == ("annotations/speech/voice", 2.0, 15.0)
    assert (metrics.audio_ms, metrics.recording_ms) == (30_000, 2 * MINUTE)


@given(st.lists(st.tuples(st.sampled_from([*COSTS, "list"]), st.sampled_from("abz"), st.integers(0, 10 * MINUTE))))
def test_all_is_done_once_every_recording_is_finished(steps: list[tuple[str, str, int]]) -> None:
    meter = meter_of(work_at(*COSTS))
    for stage, name, audio_ms in steps:
        meter.take_step(done(stage, name, audio_ms=audio_ms), 0.1)
        assert 0.0 <= meter.read().share <= 1.0
    meter.finish([recording_id_of("a"), recording_id_of("b")])
    reading = meter.read()
    assert reading.recordings_done == 2
    assert reading.audio_ms_done == reading.audio_ms


def steps_in(path: Path) -> list[Step]:
    return [Step.model_validate_json(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_takes_long_shows_that_it_lives_until_it_is_done(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    with ProgressLog(path=str(path)).alive("load", every_s=0.01):
        deadline = time.monotonic() + 30
        while len(steps_in(path)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    shown = steps_in(path)
    assert {(step.stage, step.state, step.recording_ids) for step in shown} == {("load", "alive", ())}
    time.sleep(0.05)
    assert steps_in(path) == shown


def test_what_is_done_at_once_shows_nothing(tmp_path: Path) -> None:
    with ProgressLog(path=str(tmp_path / "steps.jsonl")).alive("load"):
        pass
    assert steps_in(tmp_path / "steps.jsonl") == []


def test_what_never_ends_does_not_show_life_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    with ProgressLog(path=str(path)).alive("load", every_s=0.01, max_s=0.0):
        time.sleep(0.05)
    assert steps_in(path) == []

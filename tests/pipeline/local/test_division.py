"""How the work of a long recording is divided, and that its rows do not show it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.launch import Launch, RunRequest, prepare_run
from soundseam.pipeline.local import division
from soundseam.pipeline.local.division import Division
from soundseam.pipeline.local.meter import Reading
from soundseam.pipeline.local.progress import ProgressLog, Step
from soundseam.pipeline.local.supervisor import LocalJob, Poison, run_local
from soundseam.pipeline.plan import stage_keys
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE, Portion, ShardTask, StageTask
from soundseam.schemas.record import Record
from tests.support.builders import a_segment
from tests.support.corpora import copy_samples, tables_of
from tests.support.workloads import source_of

CONFIG = load_config("embedded")
WHOLE = ["annotations/speech/onnx_diarization", "annotations/music/structure"]


@given(st.integers(0, 40), st.integers(1, 12))
def test_portions_together_are_all_segments_once_and_in_order(count: int, total: int) -> None:
    segments = [a_segment(start_ms=1000 * index, end_ms=1000 * index + 500) for index in range(count)]
    portions = [Portion(number=number, total=total).of(segments) for number in range(total)]
    assert [segment for portion in portions for segment in portion] == segments
    assert max(map(len, portions)) - min(map(len, portions)) <= 1


def all_work(name: str = "long", config: RunConfig = CONFIG) -> ShardTask:
    source = source_of(name)
    keys = ((source.recording_id, "key"),)
    return ShardTask(
        shard=0, sources=(source,), stages=tuple(StageTask(stage=stage, keys=keys) for stage in stage_keys(config))
    )


def a_division(minutes: int, workers: int = 2, beside: int = 0) -> Division:
    lengths = {source_of("long").recording_id: minutes * 60_000, source_of("others").recording_id: beside * 60_000}
    return Division(CONFIG, lengths, workers)


def stages_of(work: ShardTask) -> list[str]:
    return [stage.stage for stage in work.stages]


def test_a_long_recording_is_cut_first_and_then_annotated_in_portions() -> None:
    first, second = a_division(60).rounds([all_work()])
    assert [(stages_of(work), work.portion) for work in first] == [([SEGMENTS_STAGE], None)]
    whole = [work for work in second if work.portion == Portion(number=0, total=1)]
    assert [stages_of(work) for work in whole] == [[stage] for stage in WHOLE]
    portions = [work.portion for work in second if work not in whole]
    assert portions == [Portion(number=number, total=8) for number in range(8)]
    clips = stages_of(second[-1])
    assert "annotations/general/yamnet" in clips
    assert not {*WHOLE, CAPTIONS_STAGE, "annotations/general/events", "annotations/speech/speech_caption"} & {*clips}


def test_what_is_done_already_is_in_no_round() -> None:
    work = all_work()
    left = work.model_copy(update={"stages": tuple(one for one in work.stages if one.stage == CAPTIONS_STAGE)})
    assert a_division(60).rounds([left]) == []


@pytest.mark.parametrize("undivided", [a_division(60, workers=1), a_division(9), a_division(60, beside=300)])
def test_a_recording_is_not_divided_if_that_gains_nothing(undivided: Division) -> None:
    assert undivided.rounds([all_work()]) == []


def test_a_group_of_several_recordings_is_not_divided() -> None:
    assert a_division(60).rounds([all_work(), all_work("others")]) == []


class Rounds(Record):
    """Notes what it is given, and dies once at a portion, or at each one."""

    folder: str
    dies_at: Portion | None = None

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        (work,) = tasks
        progress.write("any", "start", [work.sources[0].recording_id])
        with (Path(self.folder) / "noted").open("a") as file:
            file.write(f"{len(work.stages)} {work.portion.number if work.portion else 'whole'}\n")
        if work.portion is not None and work.portion == self.dies_at:
            os._exit(7)
        progress.write("any", "done", [work.sources[0].recording_id])


class Watching:
    def __init__(self) -> None:
        self.finished: list[str] = []

    def take_step(self, step: Step, seconds: float) -> None: ...

    def tick(self) -> None: ...

    def finish(self, recording_ids: Collection[str]) -> None:
        self.finished.extend(recording_ids)

    def give_up(self, poison: Poison) -> None:
        raise AssertionError(poison)

    def remaining(self, work: ShardTask) -> ShardTask | None:
        return work


@pytest.mark.parametrize("dies_at", [None, Portion(number=3, total=8)])
def test_the_group_itself_comes_last_and_once_whatever_becomes_of_a_portion(
    tmp_path: Path, dies_at: Portion | None
) -> None:
    watching, work = Watching(), all_work()
    run_local([work], LocalJob(Rounds(folder=str(tmp_path), dies_at=dies_at), watching, 2, 60.0, a_division(60)))
    noted = (tmp_path / "noted").read_text().splitlines()
    assert noted[0] == "1 whole", "the cut"
    assert noted.count(f"{len(work.stages)} whole") == 1
    assert watching.finished == [work.sources[0].recording_id]
    if dies_at is None:
        assert len(noted) == 1 + len(WHOLE) + 8 + 1
        assert noted[-1] == f"{len(work.stages)} whole"


class Silent:
    def show(self, reading: Reading) -> None: ...

    def note(self, message: str) -> None: ...


def test_the_rows_of_a_divided_recording_are_those_of_an_undivided_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE)
    inputs = copy_samples(tmp_path / "raw", "meeting.flac")
    for name, shortest_ms in (("undivided", 600_000), ("divided", 1_000)):
        monkeypatch.setattr(division, "MIN_DIVIDED_MS", shortest_ms)
        request = RunRequest(inputs=(str(inputs),), output=str(tmp_path / name), profile=str(profile), workers=2)
        Launch(request, prepare_run(request), None, Silent()).run()
    tables = tables_of(tmp_path / "divided")
    assert tables == tables_of(tmp_path / "undivided")
    assert {row["backend"] for row in tables["annotations/speech"]} == {"onnx_diarization", "voice", "speech_caption"}
    assert {row["backend"] for row in tables["annotations/general"]} == {"events", "acoustics", "general_caption"}


PROFILE = """
detectors:
  - kind: embedded
branches:
  speech:
    - kind: onnx_diarization
    - kind: voice
    - kind: speech_caption
  general:
    - kind: events
    - kind: acoustics
    - kind: general_caption
"""
"""Whole recordings, clips of segments, clips of the source, and backends that read the rows of others."""

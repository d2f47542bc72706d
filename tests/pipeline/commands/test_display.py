from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from rich.console import Console

from soundseam.pipeline.commands.display import (
    ProgressDisplay,
    closing_line,
    duration,
    hours,
    plan_view,
    reading_line,
)
from soundseam.pipeline.config import load_config
from soundseam.pipeline.input.index import SourceIndex
from soundseam.pipeline.input.sources import Listing
from soundseam.pipeline.inspection import Inspection, RunSummary
from soundseam.pipeline.launch import Prepared
from soundseam.pipeline.local.meter import START_UP_S, Reading
from soundseam.pipeline.plan import Plan, StagePlan
from soundseam.pipeline.retries import Lost
from soundseam.pipeline.work import ShardTask, StageTask
from tests.support.workloads import source_of

HALFWAY = Reading(
    recordings=1200,
    recordings_done=600,
    audio_ms=7_200_000,
    audio_ms_done=3_600_000,
    share=0.5,
    elapsed_s=36.0,
    seconds_left=36.0,
)


def shown(text: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(text)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (40.4, "40 s"), (600, "10 min"), (5400, "1 h 30 min"), (360_000, "100 h 00 min")],
)
def test_a_time_to_wait_has_two_figures(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_length_of_audio_is_in_minutes_below_an_hour() -> None:
    assert (hours(90_000), hours(5_400_000), hours(3_600_000 * 12_345)) == ("1.5 min", "1.5 h", "12,345.0 h")


def test_progress_shows_recordings_audio_speed_and_time_left() -> None:
    line = reading_line(HALFWAY)
    assert line == "600 of 1,200 recordings, 1.0 h of ~2.0 h, 100 x real time, ~36 s left"


def planned(folder: Path, stages: tuple[StagePlan, ...], kept: int, seconds: float, workers: int) -> Prepared:
    """A plan of one recording of an hour, of which only captions take time."""
    source = source_of("a")
    task = StageTask(stage="captions", keys=((source.recording_id, "key"),))
    return Prepared(
        config=load_config("embedded"),
        unavailable=(),
        listing=Listing((source,), ()),
        index=SourceIndex(str(folder / "sources.parquet")),
        plan=Plan(stages=stages, tasks=(ShardTask(shard=0, sources=(source,), stages=(task,)),), kept=kept),
        durations_ms={source.recording_id: 3_600_000},
        costs={"captions": seconds / 3600},
        workers=workers,
        lost=Lost(again={}, to_retry=(), left=()),
        damaged=(),
    )


def test_a_plan_says_why_a_stage_has_something_to_do_and_how_long_it_takes_with_the_start_of_workers(
    tmp_path: Path,
) -> None:
    stages = (
        StagePlan(stage="segments", todo=0, done=3, changed=0),
        StagePlan(stage="annotations/speech/voice", todo=3, done=0, changed=0),
        StagePlan(stage="captions", todo=3, done=0, changed=2),
    )
    text = shown(plan_view(planned(tmp_path, stages, kept=4, seconds=20.0, workers=2)))
    assert "up to date" in text
    assert "new" in text
    assert "1 new, 2 with another configuration or manifest" in text
    assert "4 recordings of earlier runs" in text
    assert f"about {10 + START_UP_S:.0f} s with 2 workers" in text


def test_without_a_terminal_a_line_appears_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("soundseam.pipeline.commands.display.time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=200)
    lines = []
    with ProgressDisplay(console) as display:
        for _ in range(120):
            now += 0.2
            display.show(HALFWAY)
            assert isinstance(console.file, io.StringIO)
            lines.append(len(console.file.getvalue().splitlines()))
    assert lines[int(5 / 0.2)] == 1
    assert lines[-1] == 3
    assert console.file.getvalue().splitlines()[-1].startswith("100%  1,200 of 1,200 recordings")


def test_an_interrupted_run_says_how_far_it_came() -> None:
    console = Console(file=io.StringIO(), width=200)
    with contextlib.suppress(KeyboardInterrupt), ProgressDisplay(console) as display:
        display.show(HALFWAY)
        raise KeyboardInterrupt
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "stopped after 1 s: 600 of 1,200 recordings, 1.0 h of ~2.0 h\n"


CORPUS = Inspection.model_validate(
    dict.fromkeys(Inspection.model_fields, 0) | dict.fromkeys(("branches", "classes", "annotations", "rejected"), ())
)


def summary_with(**fields: object) -> RunSummary:
    nothing: dict[str, object] = {"reject_rate": 0.0, "inputs_with_segments": 13, "recordings_done": 0}
    nothing |= {"recordings_given_up": 0, "recordings_to_retry": 0, "recordings_retried_in_vain": 0}
    nothing |= {"audio_ms": 0, "seconds": 0.4, "workers": 2, "unavailable": ()}
    return RunSummary.model_validate({"corpus": CORPUS, **nothing, **fields})


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"recordings_up_to_date": 13}, "This run had nothing to do: 13 recordings up to date"),
        ({}, "This run had nothing to do: no input can be used"),
        (
            {"recordings_done": 13, "audio_ms": 260_000, "seconds": 20.0},
            "13 recordings done in 20.0 s, 13.0 x real time",
        ),
        (
            {"recordings_done": 1, "audio_ms": 1_000, "seconds": 2.0, "recordings_up_to_date": 12},
            "1 recording done in 2.0 s, 0.5 x real time; 12 already up to date",
        ),
        (
            {"recordings_done": 13, "audio_ms": 13_000, "seconds": 1.0, "stages": ("captions",), "all_stages": False},
            "13 recordings done in 1.0 s, 13.0 x real time (captions only)",
        ),
        (
            {"recordings_done": 2, "audio_ms": 1_000, "seconds": 1.0, "recordings_tried_again": 1},
            "2 recordings done in 1.0 s, 1.0 x real time; 1 of them tried again",
        ),
        (
            {"recordings_given_up": 1, "recordings_up_to_date": 3},
            "0 recordings done in 0.4 s, 0.0 x real time; 1 given up; 3 already up to date",
        ),
    ],
)
def test_the_closing_line_says_what_this_run_did(fields: dict[str, object], line: str) -> None:
    assert closing_line(summary_with(**fields)) == line


def test_on_a_terminal_the_bar_shows_the_share() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with ProgressDisplay(console) as display:
        display._shown_s = 0.0
        display.show(HALFWAY)
    assert isinstance(console.file, io.StringIO)
    assert "600 of 1,200 recordings" in console.file.getvalue()
    assert "50 %" in console.file.getvalue()

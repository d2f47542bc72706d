from __future__ import annotations

import io

import pytest
from rich.console import Console

from soundseam.pipeline.commands.display import ProgressDisplay, duration, hours, plan_view, reading_line
from soundseam.pipeline.local.progress import Reading
from soundseam.pipeline.plan import Plan, StagePlan

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
def test_a_time_to_wait_is_told_to_two_figures(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_length_of_audio_is_told_in_minutes_below_an_hour() -> None:
    assert (hours(90_000), hours(5_400_000), hours(3_600_000 * 12_345)) == ("1.5 min", "1.5 h", "12,345.0 h")


def test_progress_tells_recordings_audio_speed_and_time_left() -> None:
    line = reading_line(HALFWAY)
    assert line == "600 of 1,200 recordings, 1.0 h of ~2.0 h, 100 x real time, ~36 s left"


def test_a_plan_tells_why_a_stage_is_to_be_done() -> None:
    stages = (
        StagePlan(stage="segments", todo=0, done=3, changed=0),
        StagePlan(stage="annotations/speech/voice", todo=3, done=0, changed=0),
        StagePlan(stage="captions", todo=3, done=0, changed=2),
    )
    text = shown(plan_view(Plan(stages=stages, tasks=(), kept=4), 3_600_000, {"captions": 20.0}, workers=2))
    assert "up to date" in text
    assert "new" in text
    assert "1 new, 2 with another configuration or manifest" in text
    assert "4 recordings of earlier runs" in text
    assert "about 10 s with 2 workers" in text


def test_without_a_terminal_a_line_appears_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("soundseam.pipeline.commands.display.time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=200)
    with ProgressDisplay(console) as display:
        for _ in range(120):
            now += 0.2
            display.show(HALFWAY)
    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == 2


def test_on_a_terminal_the_bar_shows_the_share() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with ProgressDisplay(console) as display:
        display._shown_s = 0.0
        display.show(HALFWAY)
    assert isinstance(console.file, io.StringIO)
    assert "600 of 1,200 recordings" in console.file.getvalue()
    assert "50 %" in console.file.getvalue()

from __future__ import annotations

import time
from pathlib import Path

from pipeline.local.progress import ProgressLog, Step


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
    with ProgressLog(path=str(path)).alive("load", every_s=0.01, most_s=0.0):
        time.sleep(0.05)
    assert steps_in(path) == []

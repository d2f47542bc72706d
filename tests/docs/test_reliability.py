"""Every test that the page on reliability names exists."""

from __future__ import annotations

import re
from pathlib import Path

from soundseam.pipeline.commands import cli
from soundseam.schemas.recording import PASSING_REASONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_reasons_and_exit_codes_are_those_of_the_code() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`([a-z_]+)`", table)) >= PASSING_REASONS
    codes = {cli.FAILED, cli.WRONG_SETUP, cli.DAMAGED, cli.INTERRUPTED, cli.TERMINATED}
    assert codes <= {int(number) for line in table.splitlines() for number in re.findall(r"\d+", line.split("|")[1])}

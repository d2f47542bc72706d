"""`soundseam filter` over what a run made, and the run again after it."""

from __future__ import annotations

from pathlib import Path

from tests.support.corpora import copy_samples, quick_profile, rows_of, run_cli

STRICT = ("--set", "length.min_words=16")


def test_a_run_after_a_filter_has_nothing_to_do_and_brings_nothing_back(tmp_path: Path) -> None:
    inputs = copy_samples(tmp_path / "in", "speech-phone-menu.flac", "sound-chime.flac")
    run = ("run", inputs, "--output", tmp_path / "out", "--profile", quick_profile(tmp_path))
    run_cli(*run)
    output = tmp_path / "out"
    before = rows_of(output, "captions")
    assert "captions would be filtered" in run_cli("filter", output, *STRICT, "--dry-run")
    assert rows_of(output, "captions") == before
    assert "captions are filtered" in run_cli("filter", output, *STRICT)
    assert "Nothing to do" in run_cli("filter", output, *STRICT)
    left = rows_of(output, "captions")
    assert 0 < len(left) < len(before)
    again = run_cli(*run, "--max-reject-rate", "0")
    assert "Nothing to do" in again
    assert "filtered captions" in again
    assert rows_of(output, "captions") == left
    assert {row["reason"] for row in rows_of(output, "rejected")} == {"too_short"}
    run_cli("filter", output, "--undo")
    assert rows_of(output, "captions") == before
    assert "--undo cannot be combined" in run_cli("filter", output, "--undo", "--set", "jargon=false", expect=2)

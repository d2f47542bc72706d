"""Describing, judging and rejecting within a run: rows of one backend are what the next one reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.asking import as_json
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer
from tests.support.corpora import Row, copy_samples, rows_of, run_cli
from tests.support.served_answers import JUDGED, record_for

PROFILE = """
detectors: [{{kind: embedded}}]
branches:
  general:
    - kind: events
    - kind: anchor
    - {{kind: describe, gives_caption: false, server: {{urls: ["{url}"], model: tiny}}}}
    - {{kind: judge, server: {{urls: ["{url}"], model: tiny}}}}
"""
RECORDINGS = ("sound-bell.flac", "sound-trash.wav")


def judge_by(faithful: int) -> Scripted:
    verdicts = {name: {**verdict, "score": 5} for name, verdict in JUDGED.items()}
    verdicts["faithful"]["score"] = faithful

    def say(asked: Asked) -> str:
        title = (asked.json_schema or {}).get("title")
        return as_json(**verdicts) if title == "Verdicts" else record_for(asked) or ""

    return Scripted(say)


@pytest.mark.parametrize("faithful", [5, 1])
def test_a_description_reaches_the_corpus_only_past_its_judge(faithful: int, tmp_path: Path) -> None:
    inputs, profile = copy_samples(tmp_path / "in", *RECORDINGS), tmp_path / "profile.yaml"
    with ChatServer(judge_by(faithful)) as server:
        profile.write_text(PROFILE.format(url=server.url))
        run_cli("run", inputs, "--output", tmp_path / "out", "--profile", profile, "--workers", "1")
    rows = rows_of(tmp_path / "out", "annotations/general")
    segments = {row["segment_id"] for row in rows_of(tmp_path / "out", "segments")}
    assert {row["segment_id"] for row in _by(rows, "describe")} == segments
    assert all(row["description"]["text"] and row["caption"] is None for row in _by(rows, "describe"))
    assert all(row["anchor"]["composer"] == "events" for row in _by(rows, "anchor"))
    accepted = {row["segment_id"]: row for row in _by(rows, "judge")}
    rejected = [row for row in rows_of(tmp_path / "out", "rejected") if row["stage"] == "annotations/general/judge"]
    if faithful == 5:
        told = {row["segment_id"]: row["description"]["text"] for row in _by(rows, "describe")}
        assert {name: row["caption"] for name, row in accepted.items()} == told
        assert "A sound is heard." in told.values()
        assert not rejected
    else:
        assert not accepted
        assert {row["segment_id"] for row in rejected} == segments
        assert {row["reason"] for row in rejected} == {"below_threshold"}


def _by(rows: list[Row], backend: str) -> list[Row]:
    return [row for row in rows if row["backend"] == backend]

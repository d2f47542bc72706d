"""Any row becomes lanes and facts, by the shape and names of its fields."""

from __future__ import annotations

import pytest

from soundseam.pipeline.report.lanes import fact, lanes_of, sheet_of
from soundseam.pipeline.report.page_data import Fact

ROW = {
    "segment_id": "s",
    "recording_id": "r",
    "branch": "music",
    "backend": "new",
    "model": "model",
    "revision": "1",
    "config_key": "k",
    "caption": "A caption is not a fact.",
    "caption_claims": [],
    "nothing": None,
    "bars": [{"start_ms": 1500, "end_ms": 2500, "label": "first", "weight_db": -3.0}],
    "nested": {"beats_ms": [1000, 1500], "tempo_bpm": 120.0, "empty": []},
    "text": "some words",
}


def test_spans_and_instants_become_lanes_in_the_segment_s_own_time() -> None:
    bars, beats = lanes_of(ROW, 1000)
    assert (bars.name, bars.kind, beats.name, beats.kind) == ("bars · new", "spans", "beats · new", "ticks")
    assert [(item.start_ms, item.end_ms, item.label) for item in bars.items] == [(500, 1500, "first")]
    assert bars.items[0].notes == (Fact(name="weight", value="-3.0 dB"),)
    assert [item.start_ms for item in beats.items] == [0, 500]


def test_everything_else_becomes_a_fact_with_its_unit() -> None:
    sheet = sheet_of(ROW)
    assert sheet.facts == (Fact(name="tempo", value="120.0 BPM"),)
    assert sheet.texts == (Fact(name="text", value="some words"),)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("longest_pause_ms", 1250, ("longest pause", "1.25 s")),
        ("voiced_share", 0.5, ("voiced share", "50 %")),
        ("usable_for_training", False, ("usable for training", "no")),
        ("flags", ["one", "two"], ("flags", "one, two")),
        ("level_dbfs", -20.5, ("level", "-20.5 dBFS")),
        ("pairs", [{"first": "a"}], ("pairs", '{"first": "a"}')),
    ],
)
def test_facts_are_in_words(name: str, value: object, shown: tuple[str, str]) -> None:
    found = fact(name, value)
    assert (found.name, found.value) == shown

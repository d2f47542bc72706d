"""What the truth says is what can be heard."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samples.make_samples import read_catalogue
from samples.scene import parse_rttm, read_scene
from tests.samples.audio import RECORDINGS, SAMPLES, decode, level_dbfs, read_lines

RATE_HZ = 16_000
TRUTH = SAMPLES / "truth"
(SCENE,) = read_lines(TRUTH / "scenes.jsonl")
EVENTS: list[dict[str, Any]] = SCENE["events"]
PLAN = read_scene(SAMPLES / "scene.yaml")

each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event['cls']}-{event['onset']}")


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return decode(TRUTH / SCENE["file"])


def level(samples: np.ndarray, onset_s: float, offset_s: float) -> float:
    return level_dbfs(samples[round(onset_s * RATE_HZ) : round(offset_s * RATE_HZ)])


def gaps() -> list[tuple[float, float]]:
    """The stretches of the scene without an event, in seconds."""
    found, end = [], 0.0
    for event in [*EVENTS, {"onset": SCENE["duration"], "offset": SCENE["duration"]}]:
        if event["onset"] > end:
            found.append((end, event["onset"]))
        end = max(end, event["offset"])
    return found


def overlapping() -> list[set[str]]:
    """The classes of each two events that sound together."""
    return [
        {a["cls"], b["cls"]}
        for i, a in enumerate(EVENTS)
        for b in EVENTS[i + 1 :]
        if min(a["offset"], b["offset"]) > max(a["onset"], b["onset"])
    ]


def test_every_truth_names_a_file_that_exists() -> None:
    rows = [row for path in TRUTH.glob("*.jsonl") for row in read_lines(path)]
    assert rows
    assert all((TRUTH / row["file"]).is_file() for row in rows)


def test_every_recording_but_the_scene_has_one_class() -> None:
    rows = {Path(row["file"]).name: row for row in read_lines(TRUTH / "clips.jsonl")}
    assert set(rows) | {"scene.flac"} == {path.name for path in RECORDINGS}
    assert {row["label"] for row in rows.values()} == {"speech", "music", "general"}


def test_the_transcripts_are_those_of_the_catalogue() -> None:
    said = {entry.file: entry.text for entry in read_catalogue() if entry.cls == "speech" and entry.text}
    rows = read_lines(TRUTH / "transcripts.jsonl")
    assert len(rows) >= 2
    assert {Path(row["file"]).name: row["text"] for row in rows} == said


def test_the_events_are_those_of_the_plan() -> None:
    planned = [placement for placement in PLAN.placements if placement.turns is None]
    labelled = [event for event in EVENTS if event["label"] is not None]
    assert [(event["cls"], event["label"], event["role"]) for event in labelled] == [
        (placement.cls, placement.label, placement.role) for placement in sorted(planned, key=lambda each: each.at)
    ]


def test_the_scene_is_long_and_varied_enough() -> None:
    assert 90 <= SCENE["duration"] <= 120
    assert {event["cls"] for event in EVENTS} == {"speech", "music", "general"}
    assert {event["role"] for event in EVENTS} == {"foreground", "background"}
    assert {"speech", "general"} in overlapping()
    assert {"speech", "music"} in overlapping()
    assert {"speech"} in overlapping()
    foreground = [event["cls"] for event in EVENTS if event["role"] == "foreground"]
    assert sum(a != b for a, b in pairwise(foreground)) >= 6


@each_event
def test_an_event_lies_inside_the_scene(event: dict[str, Any]) -> None:
    assert 0 <= event["onset"] < event["offset"] <= SCENE["duration"]


@each_event
def test_an_event_is_louder_than_the_gaps_around_it(event: dict[str, Any], scene: np.ndarray) -> None:
    before = [gap for gap in gaps() if gap[1] <= event["onset"]][-1:]
    after = [gap for gap in gaps() if gap[0] >= event["offset"]][:1]
    heard = level(scene, event["onset"], event["offset"])
    assert heard > max(level(scene, *gap) for gap in before + after) + 12


@pytest.mark.parametrize(
    "onset",
    [event["onset"] for event in EVENTS if event["label"] for gap in gaps() if gap[1] == event["onset"]],
)
def test_a_labelled_event_that_follows_a_gap_begins_at_its_onset(onset: float, scene: np.ndarray) -> None:
    assert level(scene, onset, onset + 0.03) > level(scene, onset - 0.05, onset - 0.01) + 6


def test_the_gaps_are_near_silence_but_for_the_quiet_noise(scene: np.ndarray) -> None:
    noisy = [(noise.onset, noise.offset) for noise in PLAN.noise]
    inside = [gap for gap in gaps() if any(start < gap[1] and gap[0] < end for start, end in noisy)]
    for onset, offset in gaps():
        if (onset, offset) not in inside and offset - onset > 0.5:
            assert level(scene, onset + 0.1, offset - 0.2) < -75
    quiet = [level(scene, max(gap[0], noisy[0][0]) + 0.3, min(gap[1], noisy[0][1]) - 0.3) for gap in inside]
    assert quiet == pytest.approx([PLAN.noise[0].level_dbfs] * len(inside), abs=1.5)


def test_the_meeting_is_loud_where_somebody_has_the_turn() -> None:
    meeting = decode(SAMPLES / "recordings/meeting.flac")
    turns = parse_rttm((TRUTH / "meeting.rttm").read_text(encoding="utf-8"))
    spoken = np.zeros(len(meeting), dtype=bool)
    for turn in turns:
        assert 0 <= turn.onset < turn.offset <= len(meeting) / RATE_HZ
        spoken[round(turn.onset * RATE_HZ) : round(turn.offset * RATE_HZ)] = True
    assert level_dbfs(meeting[spoken]) > level_dbfs(meeting[~spoken]) + 12


def test_both_forms_of_the_meetings_turns_say_the_same() -> None:
    turns = parse_rttm((TRUTH / "meeting.rttm").read_text(encoding="utf-8"))
    (row,) = read_lines(TRUTH / "ami.jsonl")
    assert row["turns"] == [turn._asdict() for turn in turns]
    assert len({turn.speaker for turn in turns}) == 2

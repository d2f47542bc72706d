"""Mixing is deterministic and writes down the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.scene import Noise, Placement, Scene, Turn, mix_scene, parse_rttm

TURNS = (Turn(0.5, 1.25, "a"), Turn(1.0, 2.0, "b"))


def tone(name: str) -> tuple[np.ndarray, int]:
    """1 s of a stereo tone at 44.1 kHz, after and before 0.5 s of silence."""
    assert name == "tone"
    times = np.arange(44_100) / 44_100
    samples = np.pad(np.sin(2 * np.pi * 440 * times), 22_050)
    return np.stack([samples, samples], axis=1).astype(np.float32), 44_100


def turns(name: str) -> tuple[Turn, ...]:
    assert name == "turns"
    return TURNS


def scene_with(*placements: Placement, noise: tuple[Noise, ...] = ()) -> Scene:
    return Scene(duration=10, floor_dbfs=-80, noise=noise, placements=placements)


def placed(at: float, **fields: object) -> Placement:
    return Placement.model_validate({"at": at, "file": "tone", "peak_dbfs": -6, "cls": "general", **fields})


@given(st.integers(0, 8_000))
def test_an_event_lies_where_the_sound_was_placed(at_ms: int) -> None:
    samples, (event,) = mix_scene(scene_with(placed(at_ms / 1000)), tone, turns)
    assert event.onset == pytest.approx(at_ms / 1000 + 0.5, abs=0.011)
    assert event.offset == pytest.approx(at_ms / 1000 + 1.5, abs=0.011)
    loud = np.flatnonzero(abs(samples[:, 0]) > 0.1) / 16_000
    assert event.onset - 0.001 <= loud[0] <= loud[-1] <= event.offset + 0.001


def test_a_placement_has_the_peak_it_was_given() -> None:
    samples, _ = mix_scene(scene_with(placed(1, peak_dbfs=-12)), tone, turns)
    assert abs(samples).max() == pytest.approx(10 ** (-12 / 20), rel=0.01)


def test_a_part_of_a_source_is_as_long_as_asked() -> None:
    _, (event,) = mix_scene(scene_with(placed(3, **{"from": 0.7, "to": 1.1})), tone, turns)
    assert (event.onset, event.offset) == pytest.approx((3.0, 3.4), abs=0.02)


def test_turns_become_events_in_the_scenes_time() -> None:
    _, events = mix_scene(scene_with(placed(4, turns="turns", **{"from": 0.75, "to": 1.75})), tone, turns)
    assert [(event.onset, event.offset) for event in events] == [(4.0, 4.5), (4.25, 5.0)]


def test_the_same_plan_gives_the_same_samples() -> None:
    scene = scene_with(placed(1), placed(2), noise=(Noise(onset=5, offset=8, level_dbfs=-40),))
    assert np.array_equal(mix_scene(scene, tone, turns)[0], mix_scene(scene, tone, turns)[0])


def test_noise_has_its_level_and_stays_in_its_place() -> None:
    samples, events = mix_scene(scene_with(noise=(Noise(onset=5, offset=8, level_dbfs=-40),)), tone, turns)
    levels = [10 * np.log10(np.mean(samples[start * 16_000 : end * 16_000] ** 2)) for start, end in ((0, 5), (5, 8))]
    assert levels == pytest.approx([-80, -40], abs=0.5)
    assert events == ()


def test_rttm_lines_become_turns_in_order_of_time() -> None:
    text = "SPEAKER x 1 2.5 0.5 <NA> <NA> b <NA> <NA>\n;; a comment\nSPEAKER x 1 1.0 2.0 <NA> <NA> a <NA> <NA>\n"
    assert parse_rttm(text) == (Turn(1.0, 3.0, "a"), Turn(2.5, 3.0, "b"))

"""The embedded detector: what it hears, and that blocks and chunks leave no trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from soundseam.annotators.detection.embedded import (
    ALIGNMENT,
    EVENT_NET_FILE,
    EVENT_NET_SHA256,
    REACH_FRAMES,
    Embedded,
    listen,
)
from soundseam.annotators.detection.silero_vad import SILERO_FILE, SILERO_SHA256
from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.schemas.event import Event, EventClass
from tests.annotators.detection.sounds import ArrayWaveform, beeps, mixed, noise, tune

SILERO = open_session(carried_weights(SILERO_FILE), SILERO_SHA256)
NET = open_session(carried_weights(EVENT_NET_FILE), EVENT_NET_SHA256)
SCENE = ArrayWaveform(
    noise(80, -55) + mixed(80, (3, tune(9, -22)), (20, beeps(2, -25)), (40, tune(30, -25)), (75, beeps(1, -30)))
)


def events_in(waveform: ArrayWaveform) -> tuple[Event, ...]:
    return Embedded().load().detect(waveform).events


def test_the_network_reaches_no_further_than_it_is_given() -> None:
    rng = np.random.default_rng(0)
    frames = 1_000
    spectrum = rng.uniform(-6, 0, (1, 2, 2 * frames, 48)).astype(np.float32)
    speech = rng.random((1, frames)).astype(np.float32)
    before = NET.run(None, {"spectrum": spectrum, "speech": speech})[0][0]
    spectrum[:, :, 2 * 600 :] = 0.0
    speech[:, 600:] = 0.0
    after = NET.run(None, {"spectrum": spectrum, "speech": speech})[0][0]
    np.testing.assert_allclose(before[:, : 600 - REACH_FRAMES], after[:, : 600 - REACH_FRAMES], atol=1e-6)
    assert REACH_FRAMES % ALIGNMENT == 0


@pytest.mark.parametrize("chunk_frames", [64, 480, 1_000_000])
def test_scores_do_not_depend_on_the_chunk(chunk_frames: int) -> None:
    whole = listen(SCENE, SILERO, NET).scores
    cut_up = listen(SCENE, SILERO, NET, chunk_frames=chunk_frames).scores
    np.testing.assert_allclose(cut_up.astype(float), whole.astype(float), atol=2e-3)


@pytest.mark.parametrize("block", [501, 16_000, 10**7])
def test_events_do_not_depend_on_the_block_size(block: int) -> None:
    assert events_in(replace(SCENE, forced_block=block)) == events_in(SCENE)


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 16_000, 48_077])
def test_scores_cover_every_sample_and_no_more(samples: int) -> None:
    heard = listen(ArrayWaveform(noise(4, -40)[:samples]), SILERO, NET)
    assert len(heard.scores) == len(heard.level_db) == -(-samples // 512)


def test_a_recording_without_samples_has_no_events() -> None:
    assert events_in(ArrayWaveform(np.zeros(0, dtype=np.float32))) == ()


def test_silence_and_room_tone_are_no_events() -> None:
    assert events_in(ArrayWaveform(np.zeros(160_000, dtype=np.float32))) == ()
    assert events_in(ArrayWaveform(noise(20, -65))) == ()


def test_steady_noise_from_end_to_end_is_one_event() -> None:
    (event,) = events_in(ArrayWaveform(noise(20, -30)))
    assert (event.event_class, event.label) == (EventClass.SOURCE_AMBIGUOUS, "steady sound")
    assert (event.onset_ms, event.offset_ms) == (0, 20_000)


def test_steady_noise_around_another_sound_is_no_event_of_its_own() -> None:
    events = events_in(ArrayWaveform(noise(30, -40) + mixed(30, (10, tune(8, -18)))))
    assert events
    assert all(event.label != "steady sound" for event in events)


def test_steady_noise_stays_no_event_where_a_recording_ends_in_the_middle_of_a_frame() -> None:
    assert events_in(ArrayWaveform(noise(30, -60)[:-100])) == ()


def test_a_melody_is_music_and_its_edges_are_found() -> None:
    events = events_in(ArrayWaveform(noise(20, -60) + mixed(20, (6, tune(8, -22)))))
    (found,) = [event for event in events if event.score > 0.4]
    assert found.event_class is EventClass.MUSIC
    assert found.onset_ms == pytest.approx(6_000, abs=150)
    assert found.offset_ms == pytest.approx(14_000, abs=350)


@pytest.mark.parametrize("frequencies_hz", [(440.0,), (1_000.0,), (350.0, 440.0)])
def test_a_tone_that_never_changes_is_a_steady_sound_and_no_music(frequencies_hz: tuple[float, ...]) -> None:
    seconds = np.arange(6 * 16_000) / 16_000
    tone = sum(0.2 * np.sin(2 * np.pi * frequency * seconds) for frequency in frequencies_hz)
    events = events_in(ArrayWaveform(noise(10, -80) + mixed(10, (2, np.asarray(tone, dtype=np.float32)))))
    assert events
    assert {event.event_class for event in events} == {EventClass.SOURCE_AMBIGUOUS}


def test_beeps_are_other_sound_even_25_db_under_the_loudest() -> None:
    quiet = mixed(30, (2, tune(8, -20)), (20, beeps(1.5, -45)))
    found = [event for event in events_in(ArrayWaveform(noise(30, -70) + quiet)) if event.onset_ms > 15_000]
    assert [event.event_class for event in found] == [EventClass.SOURCE_AMBIGUOUS]
    assert found[0].onset_ms == pytest.approx(20_000, abs=200)

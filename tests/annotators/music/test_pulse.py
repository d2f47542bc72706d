from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.music.mir import Mir
from soundseam.schemas.music import Rhythm
from tests.annotators.music.builders import chord, clicks, clip, noise, note, silence


def rhythm_of(samples: np.ndarray, start_ms: int = 0) -> Rhythm:
    rhythm = Mir().load().annotate([clip(samples, start_ms)])[0].rhythm
    assert rhythm is not None
    return rhythm


def even(tempo_bpm: float, seconds: float) -> np.ndarray:
    return np.arange(0.3, seconds - 0.1, 60 / tempo_bpm)


@pytest.mark.parametrize("tempo", [72.0, 90.0, 120.0, 133.0, 150.0])
def test_the_tempo_of_a_metronome_is_its_own_or_an_octave_of_it_among_the_alternatives(tempo: float) -> None:
    rhythm = rhythm_of(clicks(even(tempo, 12), 12))
    assert rhythm.tempo_bpm is not None
    assert any(heard == pytest.approx(tempo, rel=0.01) for heard in (rhythm.tempo_bpm, *rhythm.tempo_alternatives_bpm))
    assert rhythm.tempo_confidence > 0.8


def test_beats_lie_on_the_strokes_of_a_metronome() -> None:
    times = even(110, 12)
    beats = np.array(rhythm_of(clicks(times, 12)).beats_ms) / 1000
    assert len(beats) >= len(times) - 2
    assert all(np.min(np.abs(times - beat)) < 0.03 for beat in beats)


def test_beats_are_in_the_recordings_own_time() -> None:
    samples = clicks(even(120, 10), 10)
    early, late = rhythm_of(samples), rhythm_of(samples, start_ms=60_000)
    assert late.beats_ms == tuple(beat + 60_000 for beat in early.beats_ms)
    assert late.tempo_bpm == early.tempo_bpm


def test_beats_follow_a_player_who_slows_down() -> None:
    gaps = np.linspace(0.45, 0.55, 24)
    times = 0.3 + np.concatenate([[0], np.cumsum(gaps)])
    beats = np.array(rhythm_of(clicks(times, float(times[-1]) + 0.5)).beats_ms) / 1000
    hits = [np.min(np.abs(beats - time)) < 0.07 for time in times]
    assert np.mean(hits) > 0.8


@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_bars_begin_where_bass_and_harmony_change(beats_per_bar: int) -> None:
    beat = 0.6
    roots = [48, 53, 55, 48, 57, 50, 55, 48]
    bars = []
    for root in roots:
        bar = chord([root - 12, root, root + 4, root + 7], beats_per_bar * beat)
        for index in range(1, beats_per_bar):
            first = round(index * beat * 22_050)
            strum = 0.6 * chord([root + 12, root + 16, root + 19], beat)
            bar[first : first + len(strum)] += strum[: len(bar) - first]
        bars.append(bar)
    played = np.concatenate([silence(0.4), *bars])
    count = len(roots) * beats_per_bar
    rhythm = rhythm_of(played + clicks(0.4 + beat * np.arange(count), len(played) / 22_050))
    assert rhythm.beats_per_bar == beats_per_bar
    starts = 400 + np.arange(len(roots)) * beats_per_bar * beat * 1000
    assert all(np.min(np.abs(starts - downbeat)) < 70 for downbeat in rhythm.downbeats_ms)
    assert set(rhythm.downbeats_ms) <= set(rhythm.beats_ms)


def test_a_plain_metronome_has_no_bars() -> None:
    rhythm = rhythm_of(clicks(even(120, 12), 12))
    assert (rhythm.beats_per_bar, rhythm.downbeats_ms, rhythm.meter_confidence) == (None, (), 0.0)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(noise(10), id="noise"),
        pytest.param(silence(10), id="silence"),
        pytest.param(np.full(220_500, 0.5), id="a constant offset"),
        pytest.param(note(60, 10), id="one long note"),
        pytest.param(clicks([5.0], 10), id="a single click"),
        pytest.param(note(69, 0.05), id="50 ms"),
        pytest.param(np.array([0.3]), id="one sample"),
        pytest.param(clicks(np.sort(np.random.default_rng(1).uniform(0, 12, 9)), 12), id="uneven strokes"),
    ],
)
def test_without_a_pulse_there_is_no_tempo_and_there_are_no_beats(samples: np.ndarray) -> None:
    rhythm = rhythm_of(samples)
    assert (rhythm.tempo_bpm, rhythm.tempo_confidence, rhythm.beats_ms, rhythm.tempo_alternatives_bpm) == (
        None,
        0.0,
        (),
        (),
    )


def test_onsets_are_counted_a_second() -> None:
    assert rhythm_of(clicks(np.arange(0.2, 9.9, 0.25), 10)).onset_rate_hz == pytest.approx(3.9, abs=0.2)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 30_000), st.integers(0, 10), st.floats(0.001, 2.0))
def test_any_noise_of_any_length_is_answered_within_the_clip(length: int, seed: int, amplitude: float) -> None:
    samples = np.clip(np.random.default_rng(seed).normal(0, amplitude, length), -1, 1)
    rhythm = rhythm_of(samples, start_ms=1_000)
    end_ms = 1_000 + 1000 * length / 22_050
    assert all(1_000 <= beat <= end_ms + 1 for beat in rhythm.beats_ms)
    assert list(rhythm.beats_ms) == sorted(set(rhythm.beats_ms))


def test_gain_changes_no_beat() -> None:
    samples = clicks(even(100, 10), 10)
    assert rhythm_of(samples * 0.05).beats_ms == rhythm_of(samples).beats_ms

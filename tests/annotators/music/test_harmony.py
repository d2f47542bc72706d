from __future__ import annotations

import itertools

import numpy as np
import pytest

from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.structure import Structure
from soundseam.schemas.music import Chord, Mode, MusicFacts, Tonality
from tests.annotators.music.builders import chord, clicks, clip, noise, note, silence

MAJOR_PIECE = [(48, "maj"), (53, "maj"), (55, "7"), (48, "maj"), (57, "min"), (50, "min"), (55, "7"), (48, "maj")]
MINOR_PIECE = [(57, "min"), (50, "min"), (52, "7"), (57, "min"), (53, "maj"), (50, "min"), (52, "7"), (57, "min")]
STEPS = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10)}


def facts_of(samples: np.ndarray, start_ms: int = 0) -> MusicFacts:
    return Mir().load().annotate([clip(samples, start_ms)])[0]


def tonality_of(samples: np.ndarray) -> Tonality:
    tonality = Structure().load().annotate([clip(samples)])[0].tonality
    assert tonality is not None
    return tonality


def chords_of(samples: np.ndarray, start_ms: int = 0) -> tuple[Chord, ...]:
    chords = facts_of(samples, start_ms).chords
    assert chords is not None
    return chords


def piece(chords: list[tuple[int, str]], transpose: float = 0, seconds: float = 2.0) -> np.ndarray:
    """Each chord struck twice, with its root in the bass."""
    parts = []
    for root, quality in chords:
        struck = chord([root - 12 + transpose, *(root + step + 12 + transpose for step in STEPS[quality])], seconds / 2)
        parts += [struck, struck]
    return np.concatenate(parts)


@pytest.mark.parametrize("transpose", range(-5, 7))
def test_a_cadence_in_any_major_key_is_in_that_key(transpose: int) -> None:
    tonality = tonality_of(piece(MAJOR_PIECE, transpose))
    assert (tonality.tonic, tonality.mode) == (
        ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")[transpose % 12],
        Mode.MAJOR,
    )


@pytest.mark.parametrize("transpose", [0, 3, 5])
def test_a_cadence_in_a_minor_key_is_in_that_key(transpose: int) -> None:
    tonality = tonality_of(piece(MINOR_PIECE, transpose))
    assert (tonality.tonic, tonality.mode) == ({0: "A", 3: "C", 5: "D"}[transpose], Mode.MINOR)
    assert tonality.runner_up is not None


@pytest.mark.parametrize("cents", [-30, 0, 20, 40])
def test_tuning_is_measured_and_does_not_move_the_key(cents: int) -> None:
    tonality = tonality_of(piece(MAJOR_PIECE, cents / 100))
    assert tonality.tuning_cents == pytest.approx(cents, abs=4)
    assert (tonality.tonic, tonality.mode) == ("C", Mode.MAJOR)


def test_chords_are_named_where_they_sound() -> None:
    chords = chords_of(piece(MAJOR_PIECE))
    for index, label in enumerate(["C:maj", "F:maj", "G:7", "C:maj", "A:min", "D:min", "G:7", "C:maj"]):
        middle = index * 2_000 + 1_000
        (here,) = [one for one in chords if one.start_ms <= middle < one.end_ms]
        assert here.label == label


def test_chords_cover_the_segment_without_gaps_in_the_recordings_own_time() -> None:
    samples = piece(MAJOR_PIECE)
    chords = chords_of(samples, start_ms=7_000)
    assert chords[0].start_ms == 7_000
    assert chords[-1].end_ms == 7_000 + round(1000 * len(samples) / 22_050)
    assert all(left.end_ms == right.start_ms for left, right in itertools.pairwise(chords))
    assert all(left.label != right.label for left, right in itertools.pairwise(chords))


def test_silence_before_the_music_is_no_chord() -> None:
    first = chords_of(np.concatenate([silence(3), piece(MAJOR_PIECE)]))[0]
    assert first.label == "N"
    assert first.end_ms == pytest.approx(3_000, abs=600)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(noise(10), id="noise"),
        pytest.param(silence(10), id="silence"),
        pytest.param(clicks(np.arange(0.2, 9.9, 0.5), 10), id="drum strokes"),
        pytest.param(np.full(220_500, 0.5), id="a constant offset"),
        pytest.param(clicks([5.0], 10), id="a single click"),
    ],
)
def test_without_harmony_there_is_no_key_and_there_are_no_chords(samples: np.ndarray) -> None:
    key = tonality_of(samples)
    assert (key.tonic, key.mode, key.runner_up, key.confidence) == (None, None, None, 0.0)
    assert facts_of(samples).chords == ()


def test_one_note_alone_has_no_key() -> None:
    assert tonality_of(np.concatenate([note(69, 2)] * 4)).tonic is None


def test_a_clip_of_50_ms_is_answered() -> None:
    samples = chord([60, 64, 67], 0.05)
    assert facts_of(samples).chords is not None
    assert tonality_of(samples).tonic is None


def test_clipping_does_not_move_the_key() -> None:
    assert tonality_of(np.clip(4 * piece(MAJOR_PIECE), -1, 1)).tonic == "C"


@pytest.mark.parametrize("tones", [(440.0,), (350.0, 440.0), (50.0, 100.0, 150.0), (523.3,)])
def test_a_sine_a_dial_tone_and_a_hum_have_no_key(tones: tuple[float, ...]) -> None:
    times = np.arange(12 * 22_050) / 22_050
    samples = sum(0.1 * np.sin(2 * np.pi * hz * times) for hz in tones)
    assert tonality_of(np.asarray(samples, dtype=np.float32)).tonic is None


def test_a_few_seconds_of_music_have_no_key() -> None:
    assert tonality_of(piece(MAJOR_PIECE, seconds=0.9)).tonic is None

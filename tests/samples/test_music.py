"""The scores, the truth made from them and the recordings agree."""

from __future__ import annotations

import io
import json
from itertools import accumulate
from pathlib import Path

import mido
import numpy as np
import pytest

from samples.make_samples import piece_rows, read_catalogue
from samples.midi import TICKS_PER_BEAT, midi_bytes
from samples.score import Score, chord_pitches, notes_of, pitch_number, read_score, truth_of
from tests.samples.audio import SAMPLES, decode, read_lines

RATE_HZ = 16_000
PIECES = {entry.source: entry.file for entry in read_catalogue() if entry.cls == "music" and entry.source}
CHORDS = [
    root + quality
    for root in ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    for quality in ("", "m")
]

each_piece = pytest.mark.parametrize("name", PIECES)


def score_named(name: str) -> Score:
    return read_score(SAMPLES / name)


def recording_of(name: str) -> np.ndarray:
    return decode(SAMPLES / "recordings" / PIECES[name])


def chroma(samples: np.ndarray) -> np.ndarray:
    """Magnitude in each of the 12 pitch classes, C first, between A2 and A5."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    frequencies_hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    tonal = (frequencies_hz > 107) & (frequencies_hz < 900)
    classes = np.round(69 + 12 * np.log2(frequencies_hz[tonal] / 440)).astype(int) % 12
    return np.bincount(classes, weights=spectrum[tonal], minlength=12)


def best_chord(samples: np.ndarray) -> str:
    """The triad with the most energy on its notes: crude, for melody and bass pull it, but chance is 1 in 24."""
    heard = chroma(samples)
    return max(CHORDS, key=lambda chord: sum(heard[pitch % 12] for pitch in chord_pitches(chord, 48)[:3]))


@each_piece
def test_the_truth_is_that_of_the_score(name: str) -> None:
    written = json.loads((SAMPLES / name).with_suffix(".json").read_text(encoding="utf-8"))
    truth = truth_of(score_named(name), f"../recordings/{PIECES[name]}")
    assert written == truth.model_dump(mode="json")
    assert (SAMPLES / "scores" / truth.file).is_file()


def test_the_truth_for_evaluation_is_that_of_the_scores() -> None:
    rows = read_lines(SAMPLES / "truth" / "pieces.jsonl")
    assert rows == list(piece_rows())
    assert {row["key"] for row in rows} == {score_named(name).key for name in PIECES}
    assert {chord["label"] for row in rows for chord in row["chords"]} >= {"A:min", "F:maj"}


@each_piece
def test_the_chords_fill_the_bars(name: str) -> None:
    truth = truth_of(score_named(name), "")
    assert tuple(chord.onset_ms for chord in truth.chords) == truth.downbeats_ms
    assert [chord.offset_ms for chord in truth.chords[:-1]] == list(truth.downbeats_ms[1:])
    assert truth.chords[-1].offset_ms == truth.sections[-1].offset_ms < truth.duration_ms


@each_piece
def test_the_recording_is_as_long_as_the_score(name: str) -> None:
    assert len(recording_of(name)) / RATE_HZ == pytest.approx(score_named(name).duration_ms / 1000, abs=0.05)


@each_piece
def test_the_chords_are_heard_where_the_truth_has_them(name: str) -> None:
    samples = recording_of(name)
    chords = truth_of(score_named(name), "").chords
    heard = [best_chord(samples[chord.onset_ms * 16 : chord.offset_ms * 16]) for chord in chords]
    assert sum(a == b.label for a, b in zip(heard, chords, strict=True)) >= 0.7 * len(chords)


@each_piece
def test_the_level_rises_on_the_downbeats(name: str) -> None:
    samples = recording_of(name)
    levels = np.log(np.mean(samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2, axis=1) + 1e-9)
    rises = np.maximum(np.diff(levels), 0)
    downbeats = truth_of(score_named(name), "").downbeats_ms[1:]
    on_beat = np.mean([rises[ms // 20 - 2 : ms // 20 + 3].max() for ms in downbeats])
    between = np.mean([rises[i - 2 : i + 3].max() for i in range(2, len(rises) - 2)])
    assert on_beat > 1.5 * between


@each_piece
def test_no_channel_holds_a_pitch_twice(name: str) -> None:
    held: dict[tuple[int, int], float] = {}
    for note in notes_of(score_named(name)):
        assert note.onset >= held.get((note.channel, note.pitch), 0.0)
        held[note.channel, note.pitch] = note.onset + note.duration


@each_piece
def test_the_midi_file_holds_the_notes_of_the_score(name: str) -> None:
    score = score_named(name)
    expected = sorted((round(note.onset * TICKS_PER_BEAT), note.channel, note.pitch) for note in notes_of(score))
    assert sorted(note_ons(midi_bytes(score))) == expected


def note_ons(data: bytes) -> list[tuple[int, int, int]]:
    """(tick, channel, pitch) of each note-on in the one track of a MIDI file."""
    (track,) = mido.MidiFile(file=io.BytesIO(data)).tracks
    ticks = accumulate(message.time for message in track)
    return [
        (tick, message.channel, message.note)
        for tick, message in zip(ticks, track, strict=True)
        if message.type == "note_on"
    ]


def test_a_bar_with_too_few_beats_is_named(tmp_path: Path) -> None:
    text = (SAMPLES / "scores/low-tide.yaml").read_text(encoding="utf-8").replace("A4:2 C5:1", "A4:2")
    path = tmp_path / "short.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"bar 2 of the melody has 2\.0 beats"):
        read_score(path)


@pytest.mark.parametrize(("name", "number"), [("C4", 60), ("A4", 69), ("F#5", 78), ("Bb3", 58)])
def test_a_pitch_is_counted_from_middle_c(name: str, number: int) -> None:
    assert pitch_number(name) == number


def test_a_chord_lies_close_above_its_lowest_note() -> None:
    assert chord_pitches("Am", pitch_number("C4")) == (60, 64, 69, 72)
    assert chord_pitches("F#", pitch_number("C4")) == (61, 66, 70, 73)

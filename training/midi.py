"""Random pieces of music as standard MIDI files, for a General MIDI synthesiser to play."""

from __future__ import annotations

from dataclasses import dataclass, field

import mido
import numpy as np

from samples.midi import Event, midi_file

TICKS = 480
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
DRUMS = 9
PITCHED = tuple(range(112))
"""General MIDI programs that play notes; above them come percussion and sound effects."""
ORCHESTRA = (40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 52, 56, 57, 58, 60, 61, 68, 70, 71, 73, 74, 75, 79)
PADS = (48, 49, 50, 51, 52, 53, 61, 88, 89, 91, 92, 94, 95, 16, 19)
BASSES = (32, 33, 34, 35, 36, 38, 43, 58, 70)
EFFECTS = (122, 123, 124, 125, 126, 127)
"""Seashore, bird, telephone, helicopter, applause, gunshot."""


@dataclass
class Piece:
    """Notes of a piece: (start in beats, channel, pitch, velocity, length in beats); programs by channel."""

    tempo_bpm: float
    programs: dict[int, int] = field(default_factory=dict)
    notes: list[tuple[float, int, int, int, float]] = field(default_factory=list)

    def add(self, start: float, channel: int, pitch: int, velocity: int, length: float) -> None:
        self.notes.append((start, channel, int(np.clip(pitch, 12, 115)), int(np.clip(velocity, 1, 127)), length))


def midi_bytes(piece: Piece) -> bytes:
    """The piece as a standard MIDI file with one track."""
    tempo = mido.MetaMessage("set_tempo", tempo=int(60_000_000 / piece.tempo_bpm))
    events: list[Event] = [(0, 0, tempo)]
    for channel, program in piece.programs.items():
        events.append((0, 1, mido.Message("program_change", channel=channel, program=program)))
    for start, channel, pitch, velocity, length in piece.notes:
        sound = {"channel": channel, "note": pitch}
        events.append((round(start * TICKS), 3, mido.Message("note_on", velocity=velocity, **sound)))
        events.append((round((start + length) * TICKS), 2, mido.Message("note_off", velocity=0, **sound)))
    return midi_file(events, TICKS, max(tick for tick, _, _ in events))


def random_piece(rng: np.random.Generator, seconds: float) -> Piece:
    """A piece of about `seconds`: a solo, a phrase, chords, an ensemble, an orchestra or percussion."""
    style = rng.choice(["solo", "solo", "phrase", "phrase", "chords", "ensemble", "ensemble", "orchestra", "drums"])
    piece = Piece(float(rng.uniform(50, 170)))
    beats = seconds * piece.tempo_bpm / 60
    root, scale = int(rng.integers(36, 60)), SCALES[rng.integers(len(SCALES))]
    if style in ("solo", "phrase"):
        piece.programs[0] = int(rng.choice(PITCHED if rng.random() < 0.6 else ORCHESTRA))
        _melody(piece, rng, 0, root + int(rng.choice([0, 12, 24])), scale, beats, slow=style == "phrase")
    elif style == "chords":
        piece.programs[0] = int(rng.choice(PITCHED))
        _chords(piece, rng, 0, root + 12, scale, beats)
    elif style == "drums":
        _drums(piece, rng, beats)
    else:
        orchestral = style == "orchestra"
        voices = ORCHESTRA if orchestral else PITCHED
        piece.programs = {0: int(rng.choice(PADS)), 1: int(rng.choice(BASSES)), 2: int(rng.choice(voices))}
        _chords(piece, rng, 0, root + 12, scale, beats)
        _melody(piece, rng, 1, root - 12, scale, beats, slow=True)
        _melody(piece, rng, 2, root + 24, scale, beats, slow=bool(rng.random() < 0.3))
        if rng.random() < 0.4:
            piece.programs[3] = int(rng.choice(voices))
            _melody(piece, rng, 3, root + 12, scale, beats, slow=False)
        if rng.random() < (0.3 if orchestral else 0.7):
            _drums(piece, rng, beats)
    return piece


def effect_piece(rng: np.random.Generator, seconds: float) -> Piece:
    """One of the synthesiser's sound effects, held."""
    piece = Piece(60.0, {0: int(rng.choice(EFFECTS))})
    piece.add(0.0, 0, int(rng.integers(48, 84)), int(rng.integers(80, 127)), seconds)
    return piece


def _degree(root: int, scale: tuple[int, ...], step: int) -> int:
    octave, index = divmod(step, len(scale))
    return root + 12 * octave + scale[index]


def _melody(
    piece: Piece, rng: np.random.Generator, channel: int, root: int, scale: tuple[int, ...], beats: float, slow: bool
) -> None:
    lengths = (1.0, 2.0, 2.0, 3.0, 4.0) if slow else (0.25, 0.5, 0.5, 1.0, 1.0, 1.5)
    at, step, touch = 0.0, int(rng.integers(0, 7)), float(rng.uniform(0.4, 1.05))
    rest, level = float(rng.uniform(0.0, 0.2)), int(rng.integers(50, 110))
    while at < beats:
        length = float(rng.choice(lengths))
        if rng.random() >= rest:
            piece.add(at, channel, _degree(root, scale, step), level + int(rng.integers(-15, 15)), length * touch)
        step = int(np.clip(step + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4]), -4, 12))
        at += length


def _chords(
    piece: Piece, rng: np.random.Generator, channel: int, root: int, scale: tuple[int, ...], beats: float
) -> None:
    at, broken, level = 0.0, bool(rng.random() < 0.5), int(rng.integers(40, 100))
    bar = float(rng.choice([2.0, 4.0, 4.0]))
    while at < beats:
        first = int(rng.choice([0, 3, 4, 5, 1]))
        for index in range(3):
            start = at + (index * bar / 4 if broken else 0.0)
            pitch = _degree(root, scale, first + 2 * index)
            piece.add(start, channel, pitch, level + int(rng.integers(-8, 8)), at + bar - start)
        at += bar


def _drums(piece: Piece, rng: np.random.Generator, beats: float) -> None:
    kit = rng.choice([35, 36, 38, 40, 41, 43, 45, 47, 48, 42, 46, 49, 51, 56, 60, 62, 64, 76], size=4, replace=False)
    grid = rng.random((4, 8)) < rng.uniform(0.15, 0.5)
    grid[0, 0] = True
    for half_beat in range(int(beats * 2)):
        for voice in np.flatnonzero(grid[:, half_beat % 8]):
            piece.add(half_beat / 2, DRUMS, int(kit[voice]), int(rng.integers(60, 120)), 0.25)

"""Reads a score of `scores/` and lays it out as notes, and as the truth that its recording is measured against.

The notation is explained at the head of scores/ferry-morning.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml

from soundseam.schemas.record import Record

PERCUSSION_CHANNEL = 9
"""General MIDI keeps channel 10, counted from 1, for percussion."""

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}
_CHORD_INTERVALS = {"": (0, 4, 7), "m": (0, 3, 7)}
_DRUM_PITCHES = {"kick": 36, "snare": 38, "hihat": 42}
_DOWNBEAT_ACCENT = 8


class Note(NamedTuple):
    """One note. `onset` and `duration` in beats from the start, `pitch` and `velocity` as in MIDI."""

    onset: float
    duration: float
    pitch: int
    velocity: int
    channel: int


class Section(Record):
    """A part of the form: one chord a bar."""

    section: str
    chords: str


class Part(Record):
    """An instrument: General MIDI program from 1, velocity and pan (64 is the middle) from 0 to 127."""

    program: int
    velocity: int
    pan: int = 64


class Melody(Part):
    line: str


class Chords(Part):
    """The chord of the bar struck in a rhythm, in beats."""

    lowest: str
    rhythm: str


class Arpeggio(Part):
    lowest: str
    steps: str


class Bass(Part):
    lowest: str
    line: str


class Drums(Record):
    """One character a sixteenth note of a bar, x for a stroke."""

    velocity: int
    kick: str
    snare: str
    hihat: str


class Score(Record):
    """A whole piece, as its YAML file says it. The meter's lower number is always 4."""

    title: str
    key: str
    meter: str
    tempo_bpm: int
    ring_beats: int
    """How long the last notes may ring after the last bar."""
    form: tuple[Section, ...]
    melody: Melody
    chords: Chords | None = None
    arpeggio: Arpeggio | None = None
    bass: Bass | None = None
    drums: Drums | None = None

    @property
    def beats_per_bar(self) -> int:
        return int(self.meter.split("/")[0])

    @property
    def bar_chords(self) -> tuple[str, ...]:
        """The chord of each bar."""
        return tuple(chord for section in self.form for chord in section.chords.split())

    @property
    def beat_ms(self) -> float:
        return 60_000 / self.tempo_bpm

    @property
    def parts(self) -> tuple[Part, ...]:
        """The pitched parts; a part's index is its MIDI channel."""
        return tuple(part for part in (self.melody, self.chords, self.arpeggio, self.bass) if part is not None)

    @property
    def duration_ms(self) -> int:
        """With the ring of the last notes."""
        return round((len(self.bar_chords) * self.beats_per_bar + self.ring_beats) * self.beat_ms)


class LabelledSpan(Record):
    """A chord or a section and when it sounds, half-open."""

    label: str
    onset_ms: int
    offset_ms: int


class MusicTruth(Record):
    """What is true of a rendered piece, in the time of its recording."""

    file: str
    title: str
    duration_ms: int
    tempo_bpm: int
    key: str
    meter: str
    beats_ms: tuple[int, ...]
    downbeats_ms: tuple[int, ...]
    sections: tuple[LabelledSpan, ...]
    chords: tuple[LabelledSpan, ...]
    melody: tuple[tuple[int, int, int], ...]
    """Onset and offset in ms, and MIDI pitch, of each note of the melody."""


def read_score(path: Path) -> Score:
    """Raises pydantic.ValidationError on a field that no score has, ValueError on bars that do not add up."""
    score = Score.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for bar, notes in enumerate(_bars(score.melody.line), start=1):
        beats = sum(float(note.split(":")[1]) for note in notes)
        if beats != score.beats_per_bar:
            raise ValueError(f"{path.name}: bar {bar} of the melody has {beats} beats")
    if len(_bars(score.melody.line)) != len(score.bar_chords):
        raise ValueError(f"{path.name}: the melody and the form differ in their number of bars")
    return score


def notes_of(score: Score) -> tuple[Note, ...]:
    """All notes of a piece, ordered by onset."""
    notes = list(melody_notes(score))
    for bar, chord in enumerate(score.bar_chords):
        notes += _bar_notes(score, bar, chord)
    return tuple(sorted(notes))


def melody_notes(score: Score) -> tuple[Note, ...]:
    notes: list[Note] = []
    channel = score.parts.index(score.melody)
    for bar, written in enumerate(_bars(score.melody.line)):
        onset = float(bar * score.beats_per_bar)
        for pitch, beats in (item.split(":") for item in written):
            if pitch != "-":
                notes.append(Note(onset, float(beats), pitch_number(pitch), score.melody.velocity, channel))
            onset += float(beats)
    return tuple(notes)


def truth_of(score: Score, file: str) -> MusicTruth:
    """The truth about `file`, a recording of `score` that starts with its first beat."""
    bars = len(score.bar_chords)
    bar_starts = [bar * score.beats_per_bar for bar in range(bars + 1)]
    section_starts = [0]
    for section in score.form:
        section_starts.append(section_starts[-1] + len(section.chords.split()))
    return MusicTruth(
        file=file,
        title=score.title,
        duration_ms=score.duration_ms,
        tempo_bpm=score.tempo_bpm,
        key=score.key,
        meter=score.meter,
        beats_ms=tuple(_ms(score, beat) for beat in range(bars * score.beats_per_bar)),
        downbeats_ms=tuple(_ms(score, beat) for beat in bar_starts[:-1]),
        sections=tuple(
            _labelled(score, section.section, bar_starts[start], bar_starts[end])
            for section, start, end in zip(score.form, section_starts, section_starts[1:], strict=False)
        ),
        chords=tuple(
            _labelled(score, chord, start, end)
            for chord, start, end in zip(score.bar_chords, bar_starts, bar_starts[1:], strict=False)
        ),
        melody=tuple(
            (_ms(score, note.onset), _ms(score, note.onset + note.duration), note.pitch) for note in melody_notes(score)
        ),
    )


def pitch_number(name: str) -> int:
    """MIDI number of a pitch such as C#4; C4 is 60."""
    return 12 * (int(name[-1]) + 1) + _NATURALS[name[0]] + _ACCIDENTALS[name[1:-1]]


def chord_pitches(chord: str, lowest: int) -> tuple[int, ...]:
    """The chord's three notes in close position, none under `lowest`, and the first of them an octave higher."""
    root = _root(chord)
    classes = [(root + interval) % 12 for interval in _CHORD_INTERVALS[chord[1:].lstrip("#b")]]
    pitches = sorted(lowest + (pitch_class - lowest) % 12 for pitch_class in classes)
    return (*pitches, pitches[0] + 12)


def _root(chord: str) -> int:
    accidental = chord[1:2] if chord[1:2] in ("#", "b") else ""
    return (_NATURALS[chord[0]] + _ACCIDENTALS[accidental]) % 12


def _bars(line: str) -> list[list[str]]:
    return [bar.split() for bar in line.split("|")]


def _ms(score: Score, beat: float) -> int:
    return round(beat * score.beat_ms)


def _labelled(score: Score, label: str, start: int, end: int) -> LabelledSpan:
    return LabelledSpan(label=label, onset_ms=_ms(score, start), offset_ms=_ms(score, end))


def _bar_notes(score: Score, bar: int, chord: str) -> list[Note]:
    start = float(bar * score.beats_per_bar)
    last = bar == len(score.bar_chords) - 1
    notes: list[Note] = []
    if score.chords is not None:
        notes += _strummed(score, score.chords, chord, start)
    if score.arpeggio is not None:
        notes += _arpeggio(score, score.arpeggio, chord, start, last)
    if score.bass is not None:
        notes += _bass(score, score.bass, chord, start)
    if score.drums is not None and not last:
        notes += _drums(score.drums, start)
    return notes


def _strummed(score: Score, part: Chords, chord: str, start: float) -> list[Note]:
    notes = []
    onset = start
    for beats in map(float, part.rhythm.split()):
        velocity = part.velocity + (_DOWNBEAT_ACCENT if onset == start else 0)
        channel, pitches = score.parts.index(part), chord_pitches(chord, pitch_number(part.lowest))
        notes += [Note(onset, beats, pitch, velocity, channel) for pitch in pitches]
        onset += beats
    return notes


def _arpeggio(score: Score, part: Arpeggio, chord: str, start: float, last: bool) -> list[Note]:
    """Each note rings to the bar's end, or until its pitch sounds again: a channel cannot hold one pitch twice."""
    pitches = chord_pitches(chord, pitch_number(part.lowest))
    steps = [int(step) - 1 for step in part.steps.split()]
    length = score.beats_per_bar / len(steps)
    notes = []
    for i, step in enumerate(steps):
        again = step in steps[i + 1 :]
        held = (steps.index(step, i + 1) - i if again else len(steps) - i) * length
        ring = score.ring_beats if last and not again else 0
        onset = start + i * length
        notes.append(Note(onset, held + ring, pitches[step], part.velocity, score.parts.index(part)))
    return notes


def _bass(score: Score, part: Bass, chord: str, start: float) -> list[Note]:
    lowest = pitch_number(part.lowest)
    root = lowest + (_root(chord) - lowest) % 12
    notes = []
    onset = start
    for item in part.line.split():
        degree, beats = item.split(":")
        velocity = part.velocity + (_DOWNBEAT_ACCENT if onset == start else 0)
        pitch = root + (7 if degree == "5" else 0)
        notes.append(Note(onset, float(beats), pitch, velocity, score.parts.index(part)))
        onset += float(beats)
    return notes


def _drums(drums: Drums, start: float) -> list[Note]:
    lines = {"kick": drums.kick, "snare": drums.snare, "hihat": drums.hihat}
    return [
        Note(start + step / 4, 0.25, _DRUM_PITCHES[drum], drums.velocity, PERCUSSION_CHANNEL)
        for drum, line in lines.items()
        for step, stroke in enumerate(line)
        if stroke == "x"
    ]

"""Notes for a score: accompaniment, bass, drums and melody, each section with a style of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.rendered_music.harmony import Chord
from benchmarks.rendered_music.score import Meter, PlacedChord, Score

COMP, BASS, MELODY, PAD, DRUMS = 0, 1, 2, 3, 9
"""MIDI channels; 9 is percussion in General MIDI."""
_COMP_PROGRAMS = (0, 1, 4, 5, 6, 11, 12, 16, 21, 24, 25, 26, 27, 45, 46, 108)
_PAD_PROGRAMS = (48, 49, 50, 52, 88, 89, 91, 19)
_BASS_PROGRAMS = (32, 33, 34, 35, 38, 43, 58)
_MELODY_PROGRAMS = (0, 11, 22, 40, 42, 56, 60, 65, 68, 71, 73, 74, 75, 80, 81, 52)
KICK, SNARE, HAT, OPEN_HAT, RIDE, CRASH, STICK = 36, 38, 42, 46, 51, 49, 37


@dataclass(frozen=True)
class Note:
    """Times in beats of the score; `pitch` is a MIDI number."""

    channel: int
    pitch: int
    start_beat: float
    end_beat: float
    velocity: int


@dataclass(frozen=True)
class Program:
    """An instrument change, at the start of a section."""

    channel: int
    number: int
    beat: float


@dataclass(frozen=True)
class Style:
    """How one section is played; a program of None leaves the part out."""

    comp: str
    bass: str | None
    drums: int | None
    has_melody: bool
    has_pad: bool
    programs: dict[int, int]
    syncopation: float
    loudness: float


def arrange(score: Score, rng: np.random.Generator) -> tuple[list[Note], list[Program]]:
    styles = _draw_styles(score, rng)
    melodies = {letter: rng.integers(2**31) for letter in styles}
    notes: list[Note] = []
    programs: list[Program] = []
    for section in score.sections:
        style = styles[section.letter]
        programs += [Program(channel, number, section.start_beat) for channel, number in style.programs.items()]
        inside = [c for c in score.chords if section.start_beat <= c.start_beat < section.end_beat]
        for placed in inside:
            notes += _accompany(placed, style, score.meter)
        if style.drums is not None:
            notes += _drum(section.start_beat, section.end_beat, style.drums, score.meter)
        if style.has_melody:
            # A repeated section repeats its tune.
            notes += _melody(inside, style, score, np.random.default_rng(melodies[section.letter]))
        notes = [n for n in notes if n.end_beat > n.start_beat]
    return [_played(note, rng) for note in notes], programs


def _draw_styles(score: Score, rng: np.random.Generator) -> dict[str, Style]:
    drummed = rng.random() < 0.6
    bass_program = int(rng.choice(_BASS_PROGRAMS))
    base_comp, base_bass = _draw_comp(score.meter, rng), _draw_bass(rng)
    styles = {}
    for letter in sorted({section.letter for section in score.sections}):
        fresh = letter != "A"
        drums = int(rng.integers(3)) if drummed and rng.random() < 0.85 else None
        has_bass = drums is not None or rng.random() < 0.7
        styles[letter] = Style(
            comp=_draw_comp(score.meter, rng) if fresh else base_comp,
            bass=(base_bass if not fresh or rng.random() < 0.5 else _draw_bass(rng)) if has_bass else None,
            drums=drums,
            has_melody=bool(rng.random() < 0.75),
            has_pad=bool(rng.random() < 0.4),
            programs={
                COMP: int(rng.choice(_COMP_PROGRAMS)),
                PAD: int(rng.choice(_PAD_PROGRAMS)),
                BASS: bass_program,
                MELODY: int(rng.choice(_MELODY_PROGRAMS)),
            },
            syncopation=float(rng.choice([0.0, 0.1, 0.3])),
            loudness=float(rng.uniform(0.7, 1.0)),
        )
    return styles


def _draw_comp(meter: Meter, rng: np.random.Generator) -> str:
    return str(rng.choice(["block", "beats", "arpeggio", "offbeat", "arpeggio" if meter.subdivision == 3 else "strum"]))


def _draw_bass(rng: np.random.Generator) -> str:
    return str(rng.choice(["root", "alternate", "beats", "walking"]))


def _accompany(placed: PlacedChord, style: Style, meter: Meter) -> list[Note]:
    notes = _comp(placed, style, meter)
    if style.has_pad:
        notes += [
            Note(PAD, p, placed.start_beat, placed.end_beat, _velocity(50, style)) for p in _voicing(placed.chord)
        ]
    if style.bass is not None:
        notes += _bass(placed, style, meter)
    else:
        pitch = _near(placed.chord.bass, 46)
        notes.append(Note(COMP, pitch, placed.start_beat, placed.end_beat, _velocity(75, style)))
    return notes


def _comp(placed: PlacedChord, style: Style, meter: Meter) -> list[Note]:
    voicing = _voicing(placed.chord)
    start, end = placed.start_beat, placed.end_beat
    step = 1 / meter.subdivision
    if style.comp == "block":
        return [Note(COMP, p, start, end - 0.05, _velocity(75, style)) for p in voicing]
    if style.comp == "arpeggio":
        order = [*voicing, *voicing[-2:0:-1]]
        places = np.arange(start, end - 1e-6, step)
        return [
            Note(COMP, order[i % len(order)], float(b), min(end, float(b) + 2 * step), _velocity(70, style))
            for i, b in enumerate(places)
        ]
    if style.comp == "offbeat":
        places = np.arange(start, end - 1e-6, 1.0) + step * (meter.subdivision - 1)
    elif style.comp == "strum":
        places = np.array([b for b in np.arange(start, end - 1e-6, 0.5) if (b - start) % 2 in (0, 1, 1.5)])
    else:
        places = np.arange(start, end - 1e-6, 1.0)
    return [Note(COMP, p, float(b), float(b) + 0.8 * step, _velocity(72, style)) for b in places for p in voicing]


def _bass(placed: PlacedChord, style: Style, meter: Meter) -> list[Note]:
    root = _near(placed.chord.bass, 38)
    fifth = _near((placed.chord.root + 7) % 12, root)
    third = _near(placed.chord.tones[1], root + 4)
    beats = np.arange(placed.start_beat, placed.end_beat - 1e-6, 1.0)
    velocity = _velocity(88, style)
    if style.bass == "root":
        return [Note(BASS, root, placed.start_beat, placed.end_beat - 0.1, velocity)]
    if style.bass == "alternate":
        every = 2 if meter.beats_per_bar == 4 else meter.beats_per_bar
        return [
            Note(BASS, (root, fifth)[i % 2], float(b), float(b) + 0.9, velocity) for i, b in enumerate(beats[::every])
        ]
    line = (root, third, fifth, third) if style.bass == "walking" else (root,)
    return [Note(BASS, line[i % len(line)], float(b), float(b) + 0.9, velocity) for i, b in enumerate(beats)]


def _drum(start: int, end: int, pattern: int, meter: Meter) -> list[Note]:
    notes = [Note(DRUMS, CRASH, start, start + 0.5, 85)]
    step = 1 / meter.subdivision
    for beat in range(start, end):
        place = (beat - start) % meter.beats_per_bar
        strokes = [(KICK, 105)] if place == 0 else []
        if meter.beats_per_bar == 4:
            strokes += {0: [], 1: [(SNARE, 95)], 2: [(KICK, 92)], 3: [(SNARE, 95)]}[place]
        elif meter.beats_per_bar == 3:
            strokes += [] if place == 0 else [(SNARE if pattern else STICK, 78)]
        else:
            strokes += [(SNARE, 95)] if place == 1 else []
        notes += [Note(DRUMS, drum, beat, beat + 0.2, velocity) for drum, velocity in strokes]
        cymbal = RIDE if pattern == 1 else HAT
        parts = 1 if pattern == 2 else meter.subdivision
        notes += [Note(DRUMS, cymbal, beat + k * step, beat + k * step + 0.1, 75 - 15 * (k > 0)) for k in range(parts)]
        if pattern == 0 and meter.beats_per_bar == 4 and place == 2:
            notes.append(Note(DRUMS, KICK, beat + 0.5, beat + 0.6, 85))
    return notes


def _melody(chords: list[PlacedChord], style: Style, score: Score, rng: np.random.Generator) -> list[Note]:
    scale = (0, 2, 3, 5, 7, 8, 10) if score.is_minor else (0, 2, 4, 5, 7, 9, 11)
    step = 1 / score.meter.subdivision
    pitch = _near(chords[0].chord.root, 72)
    notes = []
    for placed in chords:
        beat = placed.start_beat
        while beat < placed.end_beat - 1e-6:
            length = float(rng.choice([step, 1.0, 2.0], p=(0.45, 0.4, 0.15)))
            length = min(length, placed.end_beat - beat)
            on_beat = abs(beat - round(beat)) < 1e-6
            choices = placed.chord.tones if on_beat else [(score.tonic + s) % 12 for s in scale]
            pitch = _near(int(rng.choice(choices)), int(np.clip(pitch, 66, 82)))
            shift = step if rng.random() < style.syncopation else 0.0
            if rng.random() < 0.88:
                end = min(beat + shift + length * 0.9, placed.end_beat)
                notes.append(Note(MELODY, pitch, beat + shift, end, _velocity(90, style)))
            beat += length
    return notes


def _voicing(chord: Chord) -> list[int]:
    return sorted(_near(tone, 60) for tone in chord.tones)


def _near(pitch_class: int, around: int) -> int:
    """The pitch of the class nearest to `around`."""
    return around + (pitch_class - around + 6) % 12 - 6


def _velocity(plain: int, style: Style) -> int:
    return int(plain * style.loudness)


def _played(note: Note, rng: np.random.Generator) -> Note:
    accent = 6 if float(note.start_beat).is_integer() else 0
    velocity = int(np.clip(note.velocity + accent + rng.normal(0, 4), 20, 127))
    return Note(note.channel, note.pitch, note.start_beat, note.end_beat, velocity)

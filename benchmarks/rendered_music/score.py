"""What a piece is before it has notes: key, meter, tempo curve, form and harmony, all drawn from a generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.rendered_music.harmony import Chord, HarmonyStyle, draw_progression, tonic_chord

_FORMS = ("AABA", "ABAB", "AABB", "ABAC", "ABCA", "ABA", "ABACA")


@dataclass(frozen=True)
class Meter:
    """`subdivision` is 2 where beats halve (simple), 3 where they fall into three (compound)."""

    beats_per_bar: int
    subdivision: int


@dataclass(frozen=True)
class PlacedChord:
    start_beat: float
    end_beat: float
    chord: Chord


@dataclass(frozen=True)
class Section:
    """`letter` is equal where sections repeat."""

    letter: str
    start_beat: int
    end_beat: int


@dataclass(frozen=True)
class Score:
    """`beat_times_s` (num_beats + 1,): when each beat falls, and where the last one ends."""

    tonic: int
    is_minor: bool
    meter: Meter
    tuning_cents: float
    beat_times_s: NDArray[np.float64]
    sections: tuple[Section, ...]
    chords: tuple[PlacedChord, ...]

    def time_s(self, beat: float) -> float:
        return float(np.interp(beat, np.arange(len(self.beat_times_s)), self.beat_times_s))


def draw_score(rng: np.random.Generator) -> Score:
    """Tempi 60 to 180 beats a minute (dotted quarters, to 110, in compound meter), sections of about 8 to 20 s."""
    meter = _draw_meter(rng)
    fastest = 110 if meter.subdivision == 3 else 180
    tempo = float(60 * (fastest / 60) ** rng.random())
    bar_s = 60 / tempo * meter.beats_per_bar
    bars = next((count for count in (4, 8, 12, 16) if count * bar_s >= 8), 16)
    tonic, is_minor = int(rng.integers(12)), bool(rng.random() < 0.4)
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    sections = _sections(form, bars * meter.beats_per_bar)
    chords = _chords(sections, tonic, is_minor, meter, rng)
    return Score(
        tonic=tonic,
        is_minor=is_minor,
        meter=meter,
        tuning_cents=float(rng.uniform(-25, 25)) if rng.random() < 0.4 else 0.0,
        beat_times_s=_beat_times(sections, tempo, rng),
        sections=sections,
        chords=chords,
    )


def _draw_meter(rng: np.random.Generator) -> Meter:
    meters = (Meter(4, 2), Meter(3, 2), Meter(2, 3))
    return meters[int(rng.choice(3, p=(0.6, 0.25, 0.15)))]


def _sections(form: str, beats: int) -> tuple[Section, ...]:
    return tuple(Section(letter, index * beats, (index + 1) * beats) for index, letter in enumerate(form))


def _chords(
    sections: tuple[Section, ...], tonic: int, is_minor: bool, meter: Meter, rng: np.random.Generator
) -> tuple[PlacedChord, ...]:
    style = HarmonyStyle(seventh_share=float(rng.uniform(0, 0.5)), inversion_share=float(rng.uniform(0, 0.4)))
    length = sections[0].end_beat - sections[0].start_beat
    plans = {letter: _plan(length, meter, rng) for letter in sorted({section.letter for section in sections})}
    progressions = {letter: draw_progression(tonic, is_minor, len(plan), style, rng) for letter, plan in plans.items()}
    placed = [
        PlacedChord(section.start_beat + start, section.start_beat + end, chord)
        for section in sections
        for (start, end), chord in zip(plans[section.letter], progressions[section.letter], strict=True)
    ]
    # The piece ends at home.
    last = placed[-1]
    placed[-1] = PlacedChord(last.start_beat, last.end_beat, tonic_chord(tonic, is_minor))
    return tuple(placed)


def _plan(beats: int, meter: Meter, rng: np.random.Generator) -> list[tuple[float, float]]:
    """When chords change: by bars, now and then by half or by two bars."""
    bar = meter.beats_per_bar
    two_bars = rng.random() < 0.15
    spans: list[tuple[float, float]] = []
    position = 0
    while position < beats:
        if two_bars and beats - position >= 2 * bar:
            spans.append((position, position + 2 * bar))
            position += 2 * bar
            continue
        split = bar // 2 if bar % 2 == 0 else bar - 1
        if rng.random() < 0.2:
            spans += [(position, position + split), (position + split, position + bar)]
        else:
            spans.append((position, position + bar))
        position += bar
    return spans


def _beat_times(sections: tuple[Section, ...], tempo: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Steady (40 %), drifting by about 3 % (35 %), or with arcs of up to 10 % and slowing at section ends (25 %)."""
    count = sections[-1].end_beat
    kind = rng.random()
    curve = np.ones(count)
    if kind >= 0.4:
        steps = rng.normal(0, 1, count)
        drift = np.convolve(steps, np.hanning(18)[1:-1], mode="same")
        curve += 0.03 * drift / max(1e-9, float(np.abs(drift).max()))
    if kind >= 0.75:
        for section in sections:
            length = section.end_beat - section.start_beat
            place = np.arange(length) / length
            arc = 0.06 * np.sin(np.pi * place) - 0.1 * np.maximum(0, place - 0.85) / 0.15
            curve[section.start_beat : section.end_beat] += arc
    start = float(rng.uniform(0.05, 1.0))
    return start + np.concatenate([[0.0], np.cumsum(60 / (tempo * curve))])

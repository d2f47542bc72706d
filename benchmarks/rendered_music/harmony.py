"""Chords, and progressions of them drawn from a grammar of scale degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundseam.schemas.music import PITCH_CLASSES

QUALITIES = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
}
_DEGREE_NAMES = {3: "b3", 4: "3", 7: "5", 10: "b7", 11: "7"}

# degree: (semitones over the tonic, triad, seventh chord, weights of what follows)
_MAJOR: dict[str, tuple[int, str, str, dict[str, float]]] = {
    "I": (0, "maj", "maj7", {"IV": 3, "V": 3, "vi": 3, "ii": 2, "iii": 1, "bVII": 0.5}),
    "ii": (2, "min", "min7", {"V": 6, "IV": 1, "vi": 1}),
    "iii": (4, "min", "min7", {"vi": 4, "IV": 3}),
    "IV": (5, "maj", "maj7", {"V": 4, "I": 3, "ii": 2}),
    "V": (7, "maj", "7", {"I": 5, "vi": 2, "IV": 1}),
    "vi": (9, "min", "min7", {"IV": 3, "ii": 3, "V": 2, "iii": 1, "V/V": 1}),
    "V/V": (2, "maj", "7", {"V": 1}),
    "bVII": (10, "maj", "7", {"IV": 2, "I": 1}),
}
_MINOR: dict[str, tuple[int, str, str, dict[str, float]]] = {
    "i": (0, "min", "min7", {"iv": 3, "VI": 3, "VII": 2, "V": 3, "III": 1}),
    "III": (3, "maj", "maj7", {"VI": 3, "VII": 2, "iv": 2}),
    "iv": (5, "min", "min7", {"V": 4, "i": 2, "VII": 2}),
    "V": (7, "maj", "7", {"i": 5, "VI": 2}),
    "VI": (8, "maj", "maj7", {"III": 2, "VII": 3, "iv": 2, "V": 1}),
    "VII": (10, "maj", "7", {"i": 3, "III": 3, "VI": 1}),
}


@dataclass(frozen=True)
class Chord:
    """`root` and `bass` are pitch classes, 0 = C."""

    root: int
    quality: str
    bass: int

    @property
    def tones(self) -> tuple[int, ...]:
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])

    @property
    def label(self) -> str:
        """In Harte's notation, as in A:min7/b3."""
        step = (self.bass - self.root) % 12
        inversion = f"/{_DEGREE_NAMES[step]}" if step else ""
        return f"{PITCH_CLASSES[self.root]}:{self.quality}{inversion}"


@dataclass(frozen=True)
class HarmonyStyle:
    """How often a chord carries a seventh or stands on another tone than its root."""

    seventh_share: float
    inversion_share: float


def draw_progression(
    tonic: int, is_minor: bool, length: int, style: HarmonyStyle, rng: np.random.Generator
) -> tuple[Chord, ...]:
    """`length` chords, mostly from the tonic on and mostly with a dominant at the end."""
    table = _MINOR if is_minor else _MAJOR
    home = "i" if is_minor else "I"
    degree = home if rng.random() < 0.75 else str(rng.choice(list(table)))
    degrees = []
    for _ in range(length):
        degrees.append(degree)
        followers = table[degree][3]
        weights = np.array(list(followers.values()))
        degree = str(rng.choice(list(followers), p=weights / weights.sum()))
    if length > 2 and rng.random() < 0.7:
        degrees[-1] = "V"
    return tuple(_draw_chord(table[name], tonic, style, rng) for name in degrees)


def tonic_chord(tonic: int, is_minor: bool) -> Chord:
    return Chord(root=tonic, quality="min" if is_minor else "maj", bass=tonic)


def _draw_chord(
    degree: tuple[int, str, str, dict[str, float]], tonic: int, style: HarmonyStyle, rng: np.random.Generator
) -> Chord:
    step, triad, seventh, _ = degree
    # Dominants carry their seventh far more often than other chords do.
    share = min(1.0, style.seventh_share * (2 if seventh == "7" else 1))
    quality = seventh if rng.random() < share else triad
    root = (tonic + step) % 12
    tones = [(root + interval) % 12 for interval in QUALITIES[quality]]
    bass = int(rng.choice(tones[1:])) if rng.random() < style.inversion_share else root
    return Chord(root=root, quality=quality, bass=bass)

"""Sections by repetition and change of sound, and the key, of whole pieces: `structure`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Backend, RecordingAnnotator, Samples, checked_samples
from soundseam.annotators.music.bars import find_bars
from soundseam.annotators.music.fitted import weights_key
from soundseam.annotators.music.harmony import ChordPath, find_chords, find_key, step_edges_ms
from soundseam.annotators.music.pieces import MIN_KEY_MS, Part, PieceFacts, SectionAnnotator, no_key
from soundseam.annotators.music.pulse import find_pulse, gaussian
from soundseam.annotators.music.spectra import (
    FRAME_MS,
    RATE_HZ,
    SLOW_FRAME_MS,
    WINDOW,
    Array,
    Chroma,
    Indices,
    Spectra,
    measure_chroma,
    measure_spectra,
    onset_strength,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.music import PITCH_CLASSES, MusicFacts, Tonality

_EMBEDDED = 4
"""Steps per embedded position, so that similarity includes the context."""
_NEIGHBOURS = 0.02
"""Share of all positions that count as similar to a position."""
_SMOOTH_STEPS = 6.0
_KERNEL_STEPS = 12
_MIN_NOVELTY = 0.1
_SAME = 0.6
_ALIKE, _ALIKE_DB = 0.8, 5.0
"""Cosine of the mean harmony, and difference of the mean colour, of stretches of one loop."""


@dataclass(frozen=True)
class Steps:
    """A piece in steps of a beat or so: `edges_ms` (num_steps + 1,), `harmony` (num_steps, 24) of unit length,
    `colour` (num_steps, n) levels of frequency bands in dB; `downbeats` are indices of steps, empty without bars."""

    edges_ms: Array
    harmony: Array
    colour: Array
    downbeats: Indices


def find_sections(steps: Steps, shortest_ms: float) -> list[tuple[float, float, str]]:
    """(start_ms, end_ms, letter) of each section, none shorter than `shortest_ms`; empty if there are not at least
    two.
    """
    count = len(steps.harmony)
    if count < 4 * _EMBEDDED:
        return []
    places = _embedded(np.concatenate([steps.harmony, _scaled(steps.colour)], axis=1))
    novelty = _scaled_peak(_repetition_novelty(places)) + _scaled_peak(_sound_novelty(places))
    boundaries = _peaks(novelty / 2, steps, shortest_ms)
    if not boundaries:
        return []
    edges = [0, *boundaries, count]
    if not _stand_out(steps, edges):
        return []
    labels = _labels(places, edges)
    return [
        (float(steps.edges_ms[start]), float(steps.edges_ms[end]), label)
        for (start, end), label in zip(pairwise(edges), labels, strict=True)
    ]


def _embedded(features: Array) -> Array:
    """Each step together with those around its start, repeating the outermost ones: (num_steps, n * _EMBEDDED)."""
    count = len(features)
    follow = np.clip(np.arange(count)[:, None] + np.arange(_EMBEDDED) - _EMBEDDED // 2, 0, count - 1)
    embedded: Array = features[follow].reshape(count, -1)
    return embedded


def _scaled(colour: Array) -> Array:
    """Deviations from the piece's mean, scaled to about the length of the harmony's vectors."""
    centred = colour - colour.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1)
    scaled: Array = centred / max(float(lengths.mean()), 1e-6)
    return scaled


def _distances(places: Array) -> Array:
    squares = np.square(places).sum(axis=1)
    distances: Array = np.maximum(squares[:, None] + squares[None, :] - 2 * places @ places.T, 0)
    return distances


def _repetition_novelty(places: Array) -> Array:
    """The change of the lags of repetition from one step to the next."""
    count = len(places)
    distances = _distances(places)
    nearest = max(2, round(_NEIGHBOURS * count))
    limits = np.sort(distances, axis=1)[:, min(nearest, count - 1)]
    recurs = (distances <= np.minimum(limits[:, None], limits[None, :])).astype(np.float64)
    np.fill_diagonal(recurs, 0)
    lags = (np.arange(count)[:, None] + np.arange(count)[None, :]) % count
    by_lag = recurs[np.arange(count)[:, None], lags]
    smooth = _smoothed(_smoothed(by_lag, _SMOOTH_STEPS).T, 1.0).T
    return np.concatenate([[0.0], np.square(np.diff(smooth, axis=0)).sum(axis=1)])


def _sound_novelty(places: Array) -> Array:
    """A checkerboard kernel over the self-similarity: high at the border of two homogeneous stretches."""
    count = len(places)
    distances = _distances(places)
    likeness = np.exp(-distances / max(float(np.median(distances)), 1e-9))
    reach = min(_KERNEL_STEPS, count // 2)
    taper = np.exp(-0.5 * ((np.arange(-reach, reach) + 0.5) / (0.5 * reach)) ** 2)
    signs = np.sign(np.arange(-reach, reach) + 0.5)
    kernel = np.outer(signs * taper, signs * taper)
    padded = np.pad(likeness, reach, mode="edge")
    return np.array([float((padded[i : i + 2 * reach, i : i + 2 * reach] * kernel).sum()) for i in range(count)])


def _smoothed(values: Array, sigma: float) -> Array:
    """Gaussian smoothing along the first axis."""
    kernel = gaussian(sigma)
    reach = len(kernel) // 2
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    smooth: Array = windows @ kernel
    return smooth


def _scaled_peak(novelty: Array) -> Array:
    inner = np.maximum(novelty - float(np.median(novelty)), 0)
    highest = float(np.percentile(inner, 99)) if inner.any() else 0.0
    scaled: Array = np.minimum(inner / highest, 1.0) if highest > 0 else inner
    return scaled


def _peaks(novelty: Array, steps: Steps, shortest_ms: float) -> list[int]:
    """Steps where sections begin, selected by strength, at least `shortest_ms` from each other and from the ends."""
    at = _on_downbeats(novelty, steps)
    times = steps.edges_ms
    taken: list[int] = []
    for step in np.argsort(-at, kind="stable"):
        if at[step] < _MIN_NOVELTY:
            break
        others = [float(times[0]), float(times[-1]), *(float(times[one]) for one in taken)]
        if all(abs(float(times[step]) - other) >= shortest_ms for other in others):
            taken.append(int(step))
    return sorted(taken)


def _on_downbeats(novelty: Array, steps: Steps) -> Array:
    """The novelty with each peak moved to the nearest downbeat; unchanged without bars."""
    if not steps.downbeats.size:
        return novelty
    nearest = steps.downbeats[np.abs(np.arange(len(novelty))[:, None] - steps.downbeats[None, :]).argmin(axis=1)]
    moved = np.zeros_like(novelty)
    np.maximum.at(moved, nearest, novelty)
    return moved


def _stand_out(steps: Steps, edges: list[int]) -> bool:
    """Whether any two neighbours differ in harmony or colour: a repeated loop has no sections."""
    means = [(steps.harmony[a:b].mean(axis=0), steps.colour[a:b].mean(axis=0)) for a, b in pairwise(edges)]
    for (harmony, colour), (next_harmony, next_colour) in pairwise(means):
        lengths = float(np.linalg.norm(harmony) * np.linalg.norm(next_harmony))
        likeness = float(harmony @ next_harmony) / lengths if lengths > 0 else 1.0
        if likeness < _ALIKE or float(np.sqrt(np.square(colour - next_colour).mean())) > _ALIKE_DB:
            return True
    return False


def _labels(places: Array, edges: list[int]) -> list[str]:
    """Letters in order of appearance: a section gets the letter of the first one that is similar, step by step."""
    spread = float(np.median(_distances(places)))
    firsts: list[tuple[int, int]] = []
    labels = []
    for start, end in pairwise(edges):
        letter = len(firsts)
        for index, (other_start, other_end) in enumerate(firsts):
            length = min(end - start, other_end - other_start)
            apart = np.square(places[start : start + length] - places[other_start : other_start + length]).sum(axis=1)
            if float(np.mean(np.exp(-apart / max(spread, 1e-9)))) >= _SAME:
                letter = index
                break
        if letter == len(firsts):
            firsts.append((start, end))
        labels.append(_letter(letter))
    return labels


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index - 25}"


_BANDS = 20
_FLOOR_DB = -60.0


class Structure(Backend[MusicFacts]):
    """Sections of whole pieces (adjacent music segments), with the same letter if a part repeats; and one key.

    Pieces shorter than two sections have no sections, pieces of less than 8 s no key.
    """

    kind: Literal["structure"] = "structure"
    shortest_section_ms: int = 6_000
    """Minimum length of a section."""
    longest_piece_s: int = Field(default=600, ge=60, le=3_600)
    """Maximum length per call: bounds memory, half a MiB per second."""

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    takes_recordings: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "structure-features"

    @property
    def revision(self) -> str:
        return f"4-{weights_key()}"

    def load(self) -> RecordingAnnotator[MusicFacts]:
        analyse = partial(analyse_piece, shortest_section_ms=self.shortest_section_ms)
        return SectionAnnotator(analyse, RATE_HZ, 1000 * self.longest_piece_s)


def analyse_piece(samples: Samples, shortest_section_ms: int) -> PieceFacts:
    """The sections and the key of a piece, `samples` at 22.05 kHz.

    No sections where no two stand out, or there is no room for two.
    """
    duration_ms = 1000 * len(checked_samples(samples)) / RATE_HZ
    if duration_ms < min(2 * shortest_section_ms, MIN_KEY_MS):
        return PieceFacts((), no_key(None))
    spectra = measure_spectra(samples)
    chroma = measure_chroma(spectra.slow)
    onsets = onset_strength(spectra.fast)
    pulse = find_pulse(onsets, chroma.harmony)
    chords = find_chords(chroma, None if pulse is None else pulse.beats, spectra.duration_ms)
    tonality = _tonality(chords, chroma.tuning_cents)
    if duration_ms < 2 * shortest_section_ms:
        return PieceFacts((), tonality)
    bars = None if pulse is None else find_bars(pulse.beats, onsets, chroma.harmony)
    edges = step_edges_ms(None if pulse is None else pulse.beats, spectra.duration_ms)
    downbeats = np.zeros(0, dtype=np.int64)
    if pulse is not None and bars is not None:
        times = pulse.beats[bars.phase :: bars.beats_per_bar] * FRAME_MS
        downbeats = np.unique(np.abs(edges[:-1, None] - times[None, :]).argmin(axis=0))
    steps = Steps(edges, _step_harmony(chroma, edges), _step_colour(spectra, edges), downbeats)
    return PieceFacts([Part(*section) for section in find_sections(steps, shortest_section_ms)], tonality)


def _tonality(chords: ChordPath, tuning_cents: float | None) -> Tonality:
    """One key for all of a piece, or none: segments of one piece never are in several."""
    estimate = find_key(chords.mean_features, chords.shares, float(chords.edges_ms[-1]))
    cents = None if tuning_cents is None else round(tuning_cents, 1) + 0.0
    if estimate is None:
        return no_key(cents)
    return Tonality(
        tonic=PITCH_CLASSES[estimate.best.tonic],
        mode=estimate.best.mode,
        confidence=estimate.confidence,
        runner_up=estimate.runner_up.text,
        tuning_cents=cents,
    )


def _step_harmony(chroma: Chroma, edges_ms: Array) -> Array:
    means = _means(chroma.harmony, edges_ms / SLOW_FRAME_MS)
    unit: Array = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    return unit


def _step_colour(spectra: Spectra, edges_ms: Array) -> Array:
    """Level of each of 20 bands from 60 Hz to 10 kHz, in dB over -60 dB under the clip's loudest."""
    edges = np.unique(np.geomspace(60, 10_000, _BANDS + 1) * WINDOW / RATE_HZ // 1).astype(np.int64)
    power = np.add.reduceat(np.square(spectra.fast), edges[:-1], axis=1)
    levels = 10 * np.log10(_means(power, edges_ms / FRAME_MS) + 1e-12)
    above: Array = np.maximum(levels - float(levels.max()), _FLOOR_DB) - _FLOOR_DB
    return above


def _means(values: Array, edges: Array) -> Array:
    """Mean of the rows between consecutive `edges`, which are positions between rows; at least one row."""
    count = len(values)
    places = np.clip(np.round(edges).astype(np.int64), 0, count)
    places[1:] = np.maximum(places[1:], np.minimum(places[:-1] + 1, count))
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    means: Array = (sums[places[1:]] - sums[places[:-1]]) / np.maximum(np.diff(places), 1)[:, None]
    return means

"""Sections by repetition and change of sound: `structure`."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from annotators.base import Backend, RecordingAnnotator, Samples
from annotators.music.bars import find_bars
from annotators.music.chords import step_edges_ms
from annotators.music.chroma import Chroma, measure_chroma
from annotators.music.onsets import onset_strength
from annotators.music.pieces import Part, SectionAnnotator
from annotators.music.pulse import find_pulse
from annotators.music.sections import Steps, find_sections
from annotators.music.spectra import FRAME_MS, RATE_HZ, SLOW_FRAME_MS, WINDOW, Array, Spectra, measure_spectra
from annotators.music.weights import weights_key
from schemas.event import Branch
from schemas.music import MusicFacts

_BANDS = 20
_FLOOR_DB = -60.0


class Structure(Backend[MusicFacts]):
    """Sections with letters, equal where a part comes again, of whole pieces: segments of music that adjoin.

    Pieces shorter than two sections have none.
    """

    kind: Literal["structure"] = "structure"
    shortest_section_ms: int = 6_000
    """No section is shorter."""
    longest_piece_s: int = Field(default=600, ge=60, le=3_600)
    """What is heard at once: bounds memory, half a MiB a second."""

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    hears_recordings: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "structure-features"

    @property
    def revision(self) -> str:
        return f"2-{weights_key()}"

    def load(self) -> RecordingAnnotator[MusicFacts]:
        find = partial(parts_of, shortest_section_ms=self.shortest_section_ms)
        return SectionAnnotator(find, RATE_HZ, 1000 * self.longest_piece_s)


def parts_of(samples: Samples, shortest_section_ms: int) -> list[Part]:
    """The sections of a piece, `samples` at 22.05 kHz; none where no two stand out."""
    return [Part(*section) for section in find_sections(measure_steps(measure_spectra(samples)), shortest_section_ms)]


def measure_steps(spectra: Spectra) -> Steps:
    """Harmony and colour of each beat, and which beats begin bars."""
    chroma = measure_chroma(spectra.slow)
    onsets = onset_strength(spectra.fast)
    pulse = find_pulse(onsets, chroma.harmony)
    bars = None if pulse is None else find_bars(pulse.beats, onsets, chroma.harmony)
    edges = step_edges_ms(None if pulse is None else pulse.beats, spectra.duration_ms)
    downbeats = np.zeros(0, dtype=np.int64)
    if pulse is not None and bars is not None:
        times = pulse.beats[bars.phase :: bars.beats_per_bar] * FRAME_MS
        downbeats = np.unique(np.abs(edges[:-1, None] - times[None, :]).argmin(axis=0))
    return Steps(edges, _step_harmony(chroma, edges), _step_colour(spectra, edges), downbeats)


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
    """Mean of the rows between consecutive `edges`, which are places between rows; one row at least."""
    count = len(values)
    places = np.clip(np.round(edges).astype(np.int64), 0, count)
    places[1:] = np.maximum(places[1:], np.minimum(places[:-1] + 1, count))
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    means: Array = (sums[places[1:]] - sums[places[:-1]]) / np.maximum(np.diff(places), 1)[:, None]
    return means

"""The two spectrograms shared by all measures of the music branch: computed once per clip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundseam.annotators.base import Samples, checked_samples
from soundseam.annotators.spectra import frames_of, level_hann, magnitude_spectra

RATE_HZ = 22_050
HOP = 256
"""Samples between frames of `fast`: 11.6 ms, a sixth of the window in which a beat counts as right."""
WINDOW = 2048
SLOW_HOP = 1024
SLOW_WINDOW = 8192
"""372 ms, bins 2.7 Hz apart: neighbouring semitones are separated from 80 Hz upwards."""
HIGHEST_PITCH_HZ = 5_000.0
FRAME_MS = 1000 * HOP / RATE_HZ
SLOW_FRAME_MS = 1000 * SLOW_HOP / RATE_HZ

Array = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Spectra:
    """Magnitudes, a full-scale sine being 1; frame i is centred at i hops.

    `fast` is (num_frames, 1025), for time; `slow` is (num_slow_frames, 1858), up to 5 kHz, for pitch.
    """

    samples: Array
    fast: Array
    slow: Array

    @property
    def duration_ms(self) -> float:
        return 1000 * self.samples.size / RATE_HZ


def measure_spectra(samples: Samples) -> Spectra:
    """`samples` is (num_samples,) at 22.05 kHz; a constant offset is removed.

    Raises AnnotationError for a clip without samples or with values that are not finite.
    """
    samples = checked_samples(samples)
    centred = (samples - np.mean(samples, dtype=np.float64)).astype(np.float32)
    return Spectra(
        samples=centred,
        fast=_magnitudes(centred, WINDOW, HOP, WINDOW // 2 + 1),
        slow=_magnitudes(centred, SLOW_WINDOW, SLOW_HOP, int(HIGHEST_PITCH_HZ * SLOW_WINDOW / RATE_HZ) + 1),
    )


def _magnitudes(samples: Array, window_samples: int, hop: int, bins: int) -> Array:
    padded = np.pad(samples, window_samples // 2)
    return magnitude_spectra(frames_of(padded, window_samples, hop), level_hann(window_samples), bins=slice(bins))


_LAG = 3
"""Frames (35 ms) over which a rise is measured: about half the effective window."""
_LOW_HZ, _HIGH_HZ = 35.0, 10_000.0
_LOW_BAND_HZ = 150.0
"""Bass drum and bass notes are below this."""


@dataclass(frozen=True)
class Onsets:
    """Onset strength per frame of `Spectra.fast` (num_frames,), >= 0, of the whole spectrum and of the bass."""

    full: Array
    bass: Array


def onset_strength(fast: Array) -> Onsets:
    """`fast` is (num_frames, 1025). The result does not depend on the gain; all zero for silence."""
    edges = _band_edges()
    bands = np.add.reduceat(fast, edges[:-1], axis=1)[:, : len(edges) - 1]
    reference = float(np.percentile(bands, 99)) if bands.size else 0.0
    if reference <= 1e-5:
        nothing = np.zeros(len(fast), dtype=np.float32)
        return Onsets(full=nothing, bass=nothing)
    logs = np.log10(1 + 100 * bands / reference)
    # Compared with the loudest of three neighbouring bands: vibrato is not an onset (Boeck & Widmer 2013, SuperFlux).
    wide = np.pad(logs, ((_LAG, 0), (1, 1)), mode="edge")[:-_LAG]
    before = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
    rises = np.maximum(logs - before, 0)
    rises[:_LAG] = 0
    bass_bands = int(np.searchsorted(edges * RATE_HZ / WINDOW, _LOW_BAND_HZ))
    return Onsets(full=rises.mean(axis=1), bass=rises[:, :bass_bands].mean(axis=1))


def _band_edges() -> Indices:
    octaves = np.log2(_HIGH_HZ / _LOW_HZ)
    frequencies = _LOW_HZ * 2 ** (np.arange(int(24 * octaves) + 1) / 24)
    return np.unique(np.round(frequencies * WINDOW / RATE_HZ).astype(np.int64))


def onset_frames(strength: Array) -> Indices:
    """Frames of the onsets: peaks well over the strength around them, at least 50 ms apart."""
    if not strength.any():
        return np.zeros(0, dtype=np.int64)
    reach, around = round(50 / FRAME_MS), round(400 / FRAME_MS)
    padded = np.pad(strength, reach)
    is_peak = strength >= sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    kernel = np.full(2 * around + 1, 1 / (2 * around + 1), dtype=np.float32)
    mean = np.convolve(np.pad(strength, around), kernel, mode="valid")
    threshold = np.maximum(1.5 * mean, 0.1 * float(np.percentile(strength, 99.5)))
    return np.flatnonzero(is_peak & (strength > threshold) & (strength > 0.02))


_PER_SEMITONE = 3
_LOWEST_MIDI, _HIGHEST_MIDI = 24, 110
"""C1 (33 Hz) to D8 (4.7 kHz): the logarithmic spectrum."""
_NOTES = np.arange(24, 97)
"""C1 to C7: the notes of the transcription."""
_PARTIALS, _DECAY = 16, 0.7
_ITERATIONS = 40


@dataclass(frozen=True)
class Chroma:
    """Strength of each pitch class, C first, per slow frame: (num_slow_frames, 12), of bass and treble.

    `tuning_cents` is the deviation from A4 = 440 Hz; None if nothing pitched was found.
    """

    treble: Array
    bass: Array
    tuning_cents: float | None
    notes: Array

    @property
    def harmony(self) -> Array:
        """Treble and bass concatenated (num_slow_frames, 24), each frame of unit length; zero in silence."""
        both = np.concatenate([self.treble, self.bass], axis=1)
        unit: Array = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9)
        return unit


def measure_chroma(slow: Array) -> Chroma:
    """`slow` is (num_slow_frames, 1858) magnitudes. All zero for silence; independent of the gain."""
    spectrum = slow @ _log_frequency_map().T
    cents = _tuning_cents(spectrum)
    tuned = _shift(spectrum, (cents or 0.0) / 100 * _PER_SEMITONE)
    notes = _transcribe(_whiten(tuned))
    return Chroma(
        treble=_fold(notes * _treble_weight()),
        bass=_fold(notes * _bass_weight()),
        tuning_cents=cents,
        notes=notes,
    )


@cache
def _log_frequency_map() -> Array:
    """(num_log_bins, num_bins): triangles of a third of a semitone, or of one bin if that is wider."""
    bins = int(5_000.0 * SLOW_WINDOW / RATE_HZ) + 1
    frequencies = np.arange(1, bins) * RATE_HZ / SLOW_WINDOW
    thirds = (69 + 12 * np.log2(frequencies / 440.0) - _LOWEST_MIDI) * _PER_SEMITONE
    centres = np.arange((_HIGHEST_MIDI - _LOWEST_MIDI) * _PER_SEMITONE)
    bin_width = 12 * _PER_SEMITONE * np.log2(1 + 1 / np.arange(1, bins))
    weights = np.maximum(0, 1 - np.abs(thirds[None, :] - centres[:, None]) / np.maximum(1.0, bin_width))
    matrix = np.concatenate([np.zeros((len(centres), 1)), weights], axis=1)
    mapped: Array = matrix.astype(np.float32)
    return mapped


def _tuning_cents(spectrum: Array) -> float | None:
    """From the phase of the spectrum's ripple over semitones; None if there is hardly any."""
    total = _whiten(spectrum).sum(axis=0)
    phase = np.exp(2j * np.pi * np.arange(len(total)) / _PER_SEMITONE) @ total
    if abs(phase) <= 0.05 * float(total.sum()):
        return None
    return float(np.angle(phase) / (2 * np.pi) * 100)


def _shift(spectrum: Array, bins: float) -> Array:
    """Moves the spectrum down by `bins` (a fraction of one), by linear interpolation."""
    whole = int(np.floor(bins))
    part = bins - whole
    padded = np.pad(spectrum, ((0, 0), (3, 3)), mode="edge")
    low = padded[:, 3 + whole : 3 + whole + spectrum.shape[1]]
    high = padded[:, 4 + whole : 4 + whole + spectrum.shape[1]]
    shifted: Array = (1 - part) * low + part * high
    return shifted


def _whiten(spectrum: Array) -> Array:
    """The excess over the mean of the surrounding octave, in units of its deviation."""
    reach = 18 * _PER_SEMITONE // 2
    kernel = np.ones(2 * reach + 1, dtype=np.float32)
    count = np.convolve(np.ones(spectrum.shape[1]), kernel, mode="same")
    mean = _running_sum(spectrum, reach) / count
    deviation = np.sqrt(np.maximum(_running_sum((spectrum - mean) ** 2, reach) / count, 0))
    floor = max(1e-6, 1e-4 * float(spectrum.max(initial=0.0)))
    whitened: Array = np.maximum(spectrum - mean, 0) / (deviation + floor)
    return whitened.astype(np.float32)


def _running_sum(values: Array, reach: int) -> Array:
    sums = np.cumsum(np.pad(values, ((0, 0), (reach + 1, reach)), mode="constant"), axis=1, dtype=np.float64)
    total: Array = (sums[:, 2 * reach + 1 :] - sums[:, : -2 * reach - 1]).astype(np.float32)
    return total


@cache
def _dictionary() -> Array:
    """(num_notes, num_log_bins): the partials of each note, each a triangle two thirds of a semitone wide."""
    centres = np.arange((_HIGHEST_MIDI - _LOWEST_MIDI) * _PER_SEMITONE)
    partials = np.arange(1, _PARTIALS + 1)
    places = (_NOTES[:, None] + 12 * np.log2(partials)[None, :] - _LOWEST_MIDI) * _PER_SEMITONE
    triangles = np.maximum(0, 1 - np.abs(centres[None, None, :] - places[:, :, None]) / 1.5)
    shapes = (triangles * _DECAY ** (partials - 1)[None, :, None]).sum(axis=1)
    unit: Array = shapes / np.linalg.norm(shapes, axis=1, keepdims=True)
    return unit.astype(np.float32)


def _transcribe(spectrum: Array) -> Array:
    """Non-negative weights (num_frames, num_notes) whose notes add up to the spectrum, by multiplicative updates."""
    dictionary = _dictionary()
    target = spectrum @ dictionary.T
    gram = dictionary @ dictionary.T
    weights: Array = target.copy()
    for _ in range(_ITERATIONS):
        weights *= target / (weights @ gram + 1e-6)
    return weights


def _treble_weight() -> Array:
    weight: Array = _ramp(_NOTES, 48, 60) * _ramp(-_NOTES, -96, -84)
    return weight


def _bass_weight() -> Array:
    return _ramp(_NOTES, 24, 30) * _ramp(-_NOTES, -60, -48)


def _ramp(values: Indices, low: float, high: float) -> Array:
    ramp: Array = np.clip((values - low) / (high - low), 0, 1)
    return ramp.astype(np.float32)


def _fold(notes: Array) -> Array:
    folded = np.zeros((len(notes), 12), dtype=np.float32)
    for pitch_class in range(12):
        folded[:, pitch_class] = notes[:, pitch_class == _NOTES % 12].sum(axis=1)
    return folded

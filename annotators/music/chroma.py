"""Which pitch classes sound: an approximate transcription by non-negative least squares, folded to octaves.

After Mauch & Dixon, Approximate note transcription for the improved identification of difficult chords (2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from annotators.music.spectra import RATE_HZ, SLOW_WINDOW, Array, Indices

_PER_SEMITONE = 3
_LOWEST_MIDI, _HIGHEST_MIDI = 24, 110
"""C1 (33 Hz) to D8 (4.7 kHz): the logarithmic spectrum."""
_NOTES = np.arange(24, 97)
"""C1 to C7: the notes that may sound."""
_PARTIALS, _DECAY = 16, 0.7
_ITERATIONS = 40


@dataclass(frozen=True)
class Chroma:
    """Strength of each pitch class, C first, in each slow frame: (num_slow_frames, 12), of the bass and of the rest.

    `tuning_cents` is the deviation from A4 = 440 Hz; None where nothing pitched was heard.
    """

    treble: Array
    bass: Array
    tuning_cents: float | None
    notes: Array

    @property
    def harmony(self) -> Array:
        """Treble and bass side by side (num_slow_frames, 24), each frame of unit length; zero where nothing sounds."""
        both = np.concatenate([self.treble, self.bass], axis=1)
        unit: Array = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-9)
        return unit


def measure_chroma(slow: Array) -> Chroma:
    """`slow` is (num_slow_frames, 1858) magnitudes. All zero for silence; not changed by gain."""
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
    """(num_log_bins, num_bins): triangles of a third of a semitone, or of one bin where that is wider."""
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
    """From the phase of the spectrum's ripple over semitones; None where it has none to speak of."""
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
    """What stands over the mean of the octave around, in units of its deviation."""
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

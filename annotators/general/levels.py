"""Level and spectrum of a clip over time: what both acoustic backends of the general branch measure on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples, checked_samples

RATE_HZ = 16_000
HOP_MS = 10
_HOP = RATE_HZ * HOP_MS // 1000
SILENCE_DBFS = -96.0
"""Rounding noise of 16-bit audio: what is under it counts as digital silence."""

WINDOW = 2048
"""Samples of a spectrum's window: 128 ms, bins 7.8 Hz apart, so that partials of a 60 Hz hum stand apart."""
STRIDE = 512
STRIDE_MS = 1000 * STRIDE / RATE_HZ
BIN_HZ = RATE_HZ / WINDOW

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Sound:
    """`power` (num_hops,): mean square of each 10 ms; `spectra` (num_frames, 1025): magnitude, frame i centred at
    `i * STRIDE` samples, a full-scale sine being 1; both of `samples` (num_samples,) less its mean."""

    samples: Array
    power: Array
    spectra: Array

    @property
    def duration_ms(self) -> float:
        return 1000 * self.samples.size / RATE_HZ

    @property
    def is_silent(self) -> bool:
        return bool(np.max(self.power, initial=0.0) <= to_power(SILENCE_DBFS))

    def frame_slice(self, start_ms: float, end_ms: float) -> slice:
        """The spectra centred inside the interval; the nearest one where none is."""
        first = int(np.ceil(start_ms / STRIDE_MS))
        last = int(np.ceil(end_ms / STRIDE_MS))
        count = len(self.spectra)
        first = min(first, count - 1)
        return slice(first, max(first + 1, min(last, count)))

    @property
    def inner_spectra(self) -> Array:
        """The spectra whose window lies wholly inside the clip; all of them in a clip too short for five such."""
        edge = WINDOW // STRIDE // 2
        return self.spectra[edge:-edge] if len(self.spectra) >= 2 * edge + 5 else self.spectra

    def hop_slice(self, start_ms: float, end_ms: float) -> slice:
        """The 10 ms steps that begin inside the interval; one at least."""
        first = min(int(start_ms // HOP_MS), len(self.power) - 1)
        return slice(first, max(first + 1, min(int(np.ceil(end_ms / HOP_MS)), len(self.power))))


def measure_sound(samples: Samples) -> Sound:
    """Raises AnnotationError for a clip without samples or with values that are no numbers."""
    checked_samples(samples)
    # A constant offset is not heard; left in, it would count as level.
    centred = (samples - np.mean(samples, dtype=np.float64)).astype(np.float32)
    return Sound(samples=centred, power=_hop_power(centred), spectra=magnitude_spectra(centred))


def _hop_power(samples: Array) -> Array:
    squares = np.square(samples)
    whole = samples.size // _HOP
    power = squares[: whole * _HOP].reshape(whole, _HOP).mean(axis=1)
    rest = squares[whole * _HOP :]
    return np.concatenate([power, [rest.mean()]]).astype(np.float32) if rest.size else power


def magnitude_spectra(samples: Array) -> Array:
    """Hann-windowed magnitudes (1 + num_samples // STRIDE, WINDOW // 2 + 1), with zeros around the clip."""
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    padded = np.pad(samples, (WINDOW // 2, WINDOW // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STRIDE]
    # In blocks, so that a long clip needs little more memory than its spectra.
    blocks = [np.abs(np.fft.rfft(frames[i : i + 512] * window, axis=1)) for i in range(0, len(frames), 512)]
    return np.concatenate(blocks).astype(np.float32)


def short_term_dbfs(power: Array, steps: int = 4) -> Array:
    """Level in dBFS over `steps` hops around each hop, SILENCE_DBFS at least; as many values as `power`."""
    steps = min(steps, len(power))
    sums = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    start = np.clip(np.arange(len(power)) - (steps - 1) // 2, 0, len(power) - steps)
    means = (sums[start + steps] - sums[start]) / steps
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(means, to_power(SILENCE_DBFS)))
    return levels.astype(np.float32)


def level_dbfs(power: Array) -> float | None:
    """RMS level in dBFS; None for digital silence."""
    mean = float(np.mean(power, dtype=np.float64)) if power.size else 0.0
    return rounded_db(10 * np.log10(mean)) if mean > to_power(SILENCE_DBFS) else None


def rounded_db(value: float) -> float:
    # Adding 0 turns -0.0, which a table would show, into 0.0.
    return round(float(value), 2) + 0.0


def to_power(level: float) -> float:
    return float(10 ** (level / 10))

"""Acoustic measures of the whole segment: `acoustics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples, checked_samples
from soundseam.annotators.spectra import frames_of, level_hann, magnitude_spectra
from soundseam.schemas.event import Branch
from soundseam.schemas.general import Acoustics, GeneralFacts

RATE_HZ = 16_000
HOP_MS = 10
_HOP = RATE_HZ * HOP_MS // 1000
SILENCE_DBFS = -96.0
"""Rounding noise of 16-bit audio: lower levels count as digital silence."""

WINDOW = 2048
"""Samples of a spectrum's window: 128 ms, bins 7.8 Hz apart, so that the partials of a 60 Hz hum are separated."""
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
        """The spectra centred inside the interval; the nearest one if there is none."""
        first = int(np.ceil(start_ms / STRIDE_MS))
        last = int(np.ceil(end_ms / STRIDE_MS))
        count = len(self.spectra)
        first = min(first, count - 1)
        return slice(first, max(first + 1, min(last, count)))

    @property
    def inner_spectra(self) -> Array:
        """The spectra whose window is entirely inside the clip; all of them if fewer than five are."""
        edge = WINDOW // STRIDE // 2
        return self.spectra[edge:-edge] if len(self.spectra) >= 2 * edge + 5 else self.spectra

    def hop_slice(self, start_ms: float, end_ms: float) -> slice:
        """The 10 ms steps that begin inside the interval; at least one."""
        first = min(int(start_ms // HOP_MS), len(self.power) - 1)
        return slice(first, max(first + 1, min(int(np.ceil(end_ms / HOP_MS)), len(self.power))))


def measure_sound(samples: Samples) -> Sound:
    """Raises AnnotationError for a clip without samples or with values that are not finite."""
    checked_samples(samples)
    # A constant offset is inaudible, but would count as level.
    centred = (samples - np.mean(samples, dtype=np.float64)).astype(np.float32)
    return Sound(samples=centred, power=_hop_power(centred), spectra=sound_spectra(centred))


def _hop_power(samples: Array) -> Array:
    squares = np.square(samples)
    whole = samples.size // _HOP
    power = squares[: whole * _HOP].reshape(whole, _HOP).mean(axis=1)
    rest = squares[whole * _HOP :]
    return np.concatenate([power, [rest.mean()]]).astype(np.float32) if rest.size else power


def sound_spectra(samples: Array) -> Array:
    """Magnitudes (1 + num_samples // STRIDE, WINDOW // 2 + 1), with zeros around the clip."""
    padded = np.pad(samples, WINDOW // 2)
    return magnitude_spectra(frames_of(padded, WINDOW, STRIDE), level_hann(WINDOW))


def short_term_dbfs(power: Array, steps: int = 4) -> Array:
    """Level in dBFS over `steps` hops around each hop, at least SILENCE_DBFS; as many values as `power`."""
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


_PARTIAL_POWER = 20.0
"""A partial's power over the median of its neighbourhood: 13 dB, which a bin of noise exceeds once in a million."""
_SURROUNDINGS = 31
"""Bins (240 Hz) in a partial's neighbourhood."""
_LOWEST_PARTIAL_HZ = 45.0
"""Below the hum of mains of 50 Hz."""


def brightness_hz(spectra: Array) -> float | None:
    """Spectral centroid of `spectra` (num_frames, num_bins), frames weighted by their power."""
    energy = np.square(spectra).sum(axis=1)
    magnitude = spectra.sum(axis=1)
    if not energy.sum() > 0:
        return None
    frequencies = np.arange(spectra.shape[1], dtype=np.float32) * BIN_HZ
    centroids = spectra @ frequencies / np.maximum(magnitude, 1e-12)
    return round(float(np.average(centroids, weights=energy)), 1)


def tonal_share(spectra: Array) -> float | None:
    """Share of frames (within 30 dB of the strongest) with more than half of their power in partials.

    A partial is a spectral peak 13 dB or more over its neighbourhood, with two bins on either side.
    """
    power = np.square(spectra)
    energy = power.sum(axis=1)
    if not energy.max(initial=0.0) > 0:
        return None
    power = power[energy >= energy.max() * 1e-3]
    lowest = int(_LOWEST_PARTIAL_HZ / BIN_HZ)
    padded = np.pad(power, ((0, 0), (_SURROUNDINGS // 2, _SURROUNDINGS // 2)), mode="reflect")
    # A median at every eighth bin is good enough: it changes slowly, and takes most of the time here.
    medians = np.median(sliding_window_view(padded, _SURROUNDINGS, axis=1)[:, ::8], axis=2)
    surroundings = np.repeat(medians, 8, axis=1)[:, : power.shape[1]]
    peaks = (
        (power > _PARTIAL_POWER * surroundings)
        & (power >= np.roll(power, 1, axis=1))
        & (power >= np.roll(power, -1, axis=1))
    )
    peaks[:, :lowest] = False
    partials = np.logical_or.reduce([np.roll(peaks, step, axis=1) for step in range(-2, 3)])
    in_partials = np.where(partials, power, 0).sum(axis=1)
    return round(float(np.mean(in_partials > 0.5 * power.sum(axis=1))), 3)


def attack_ms(power: Array) -> int | None:
    """Time from the start of `power` (10 ms steps) to its loudest 20 ms; None for digital silence."""
    levels = short_term_dbfs(power, steps=2)
    if levels.max() <= SILENCE_DBFS:
        return None
    return int(np.argmax(levels)) * HOP_MS


def bandwidth_hz(spectra: Array) -> int | None:
    """Highest frequency, to 100 Hz, with energy (the mean, or that of the strongest 5 % of frames) over the floor.

    That means 10 dB over the quietest tenth of the spectrum and within 60 dB of the strongest. None for silence.
    """
    per_band = max(1, round(100 / BIN_HZ))
    power = np.square(spectra[:, : spectra.shape[1] // per_band * per_band])
    levels = power.reshape(len(power), -1, per_band).mean(axis=2)
    bands = np.maximum(np.percentile(levels, 95, axis=0), levels.mean(axis=0))
    if bands.max() <= 10 ** (SILENCE_DBFS / 10) / 100:
        return None
    floor = np.quantile(bands, 0.1)
    loud = bands > bands.max() * 1e-6
    # Sound that fills the whole spectrum evenly has no floor to compare with.
    over = loud & (bands > 10 * floor) if bands.max() > 100 * floor else loud
    return round((int(np.flatnonzero(over)[-1]) + 1) * per_band * BIN_HZ / 100) * 100


def stationarity(spectra: Array, hop_levels: Array) -> float | None:
    """Mean similarity of each half second's spectrum to the clip's, reduced by the spread of the level.

    1 if neither changes. `spectra` (num_frames, num_bins), `hop_levels` in dBFS every 10 ms; None under 1 s.
    """
    per_block = 16
    if len(hop_levels) < 100 or hop_levels.max() <= SILENCE_DBFS or len(spectra) < 2 * per_block:
        return None
    edges = np.geomspace(8, spectra.shape[1], 25).astype(int)
    bands = np.add.reduceat(np.square(spectra), edges[:-1], axis=1)
    blocks = bands[: len(bands) // per_block * per_block].reshape(-1, per_block, bands.shape[1]).mean(axis=1)
    # Changes 60 dB below the strongest band are inaudible.
    shapes = np.log10(blocks + blocks.max(axis=1, keepdims=True) * 1e-6 + 1e-12)
    shapes -= shapes.mean(axis=1, keepdims=True)
    spectral_spread_db = 10 * float(np.std(shapes, axis=0).mean())
    level_spread_db = float(np.std(hop_levels[: len(hop_levels) // 10 * 10].reshape(-1, 10).mean(axis=1)))
    return round(float(np.exp(-(spectral_spread_db + level_spread_db) / 12)), 3)


def decay_time_ms(hop_levels: Array) -> int | None:
    """Median time to fall by 60 dB over the free decays of 20 dB or more; None if fewer than two were found.

    A free decay is a fall of the smoothed level from a loud point that fits a straight line (r² over 0.9).
    """
    if len(hop_levels) < 30:
        return None
    smooth = np.convolve(np.pad(hop_levels, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    falling = np.diff(smooth) < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], falling.astype(np.int8), [0]])))
    times = [_fall_ms(smooth[start : end + 1]) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    found = [time for time in times if time is not None]
    return round(float(np.median(found)) / 10) * 10 if len(found) >= 2 else None


def _fall_ms(levels: Array) -> float | None:
    # The first 5 dB depend on the source; the end bends towards the noise floor.
    part = levels[(levels < levels[0] - 5) & (levels > max(levels[-1] + 3, SILENCE_DBFS + 6))]
    if len(part) < 5 or levels[0] - levels[-1] < 20:
        return None
    steps = np.arange(len(part))
    slope, intercept = np.polyfit(steps, part, 1)
    residual = float(np.var(part - (slope * steps + intercept)))
    if slope >= 0 or residual > 0.1 * float(np.var(part)):
        return None
    return -60 / float(slope) * HOP_MS


_QUIET_DBFS = -60.0


class SegmentAcoustics(Backend[GeneralFacts]):
    """Level, dynamics, silence, bandwidth, stationarity and decay of the whole segment."""

    kind: Literal["acoustics"] = "acoustics"

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "acoustic-measures"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[GeneralFacts]:
        return AcousticsMeasurer()


class AcousticsMeasurer:
    """The annotator of `SegmentAcoustics`."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [GeneralFacts(acoustics=measure_acoustics(clip.samples)) for clip in clips]


def measure_acoustics(samples: Samples) -> Acoustics:
    """`samples` is (num_samples,), 16 kHz mono. A constant offset is removed before anything is measured."""
    sound = measure_sound(samples)
    levels = short_term_dbfs(sound.power)
    floor = None if sound.is_silent else float(np.percentile(levels, 10))
    peak = float(np.abs(sound.samples).max())
    return Acoustics(
        level_dbfs=None if sound.is_silent else _level(sound.samples),
        peak_dbfs=None if sound.is_silent else rounded_db(20 * float(np.log10(peak))),
        noise_floor_dbfs=None if floor is None else rounded_db(floor),
        dynamic_range_db=None if floor is None else _dynamic_range_db(levels, floor),
        silence_share=round(_silence_share(levels), 3),
        bandwidth_hz=None if sound.is_silent else bandwidth_hz(sound.inner_spectra),
        stationarity=_stationarity(sound, levels),
        decay_time_ms=decay_time_ms(levels),
    )


def _level(samples: Array) -> float | None:
    return level_dbfs(np.square(samples))


def _dynamic_range_db(levels: Array, floor: float) -> float | None:
    return rounded_db(float(np.percentile(levels, 95)) - floor) if len(levels) >= 20 else None


def _silence_share(levels: Array) -> float:
    floor = float(np.percentile(levels, 10))
    stands_out = float(np.percentile(levels, 95)) - floor >= 10
    quiet = levels < _QUIET_DBFS
    return float(np.mean(quiet | (levels <= floor + 3) if stands_out else quiet))


def _stationarity(sound: Sound, levels: Array) -> float | None:
    return None if sound.is_silent else stationarity(sound.inner_spectra, levels)

"""What a stretch of sound is like: brightness, tonality, attack, bandwidth, stationarity, decay."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from annotators.general.levels import BIN_HZ, HOP_MS, SILENCE_DBFS, Array, short_term_dbfs

_PARTIAL_POWER = 20.0
"""A partial's power over the median of its surroundings: 13 dB, which a bin of noise exceeds once in a million."""
_SURROUNDINGS = 31
"""Bins (240 Hz) whose median is a partial's surroundings."""
_LOWEST_PARTIAL_HZ = 60.0


def brightness_hz(spectra: Array) -> float | None:
    """Spectral centroid of `spectra` (num_frames, num_bins), each frame weighing as much as its power."""
    energy = np.square(spectra).sum(axis=1)
    magnitude = spectra.sum(axis=1)
    if not energy.sum() > 0:
        return None
    frequencies = np.arange(spectra.shape[1], dtype=np.float32) * BIN_HZ
    centroids = spectra @ frequencies / np.maximum(magnitude, 1e-12)
    return round(float(np.average(centroids, weights=energy)), 1)


def tonal_share(spectra: Array) -> float | None:
    """Share of frames (those within 30 dB of the strongest) more than half of whose power lies in partials.

    A partial is a spectral peak 13 dB or more over its surroundings, with the two bins to either side.
    """
    power = np.square(spectra)
    energy = power.sum(axis=1)
    if not energy.max(initial=0.0) > 0:
        return None
    power = power[energy >= energy.max() * 1e-3]
    lowest = int(_LOWEST_PARTIAL_HZ / BIN_HZ)
    padded = np.pad(power, ((0, 0), (_SURROUNDINGS // 2, _SURROUNDINGS // 2)), mode="reflect")
    # A median every eighth bin is as good as one at each: it changes slowly, and costs most of the time here.
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
    """Highest frequency, to 100 Hz, whose energy (the mean, or that of the strongest 5 % of frames) is over the floor.

    Over the floor is 10 dB over the quietest tenth of the spectrum and within 60 dB of the strongest. None for silence.
    """
    per_band = max(1, round(100 / BIN_HZ))
    power = np.square(spectra[:, : spectra.shape[1] // per_band * per_band])
    levels = power.reshape(len(power), -1, per_band).mean(axis=2)
    bands = np.maximum(np.percentile(levels, 95, axis=0), levels.mean(axis=0))
    if bands.max() <= 10 ** (SILENCE_DBFS / 10) / 100:
        return None
    floor = np.quantile(bands, 0.1)
    loud = bands > bands.max() * 1e-6
    # Sound that fills the whole spectrum evenly has no floor to stand over.
    over = loud & (bands > 10 * floor) if bands.max() > 100 * floor else loud
    return round((int(np.flatnonzero(over)[-1]) + 1) * per_band * BIN_HZ / 100) * 100


def stationarity(spectra: Array, hop_levels: Array) -> float | None:
    """Mean likeness of each half second's spectrum to the clip's, lessened by the spread of the level.

    1 where neither changes. `spectra` (num_frames, num_bins), `hop_levels` in dBFS every 10 ms; None under 1 s.
    """
    per_block = 16
    if len(hop_levels) < 100 or hop_levels.max() <= SILENCE_DBFS or len(spectra) < 2 * per_block:
        return None
    edges = np.geomspace(8, spectra.shape[1], 25).astype(int)
    bands = np.add.reduceat(np.square(spectra), edges[:-1], axis=1)
    blocks = bands[: len(bands) // per_block * per_block].reshape(-1, per_block, bands.shape[1]).mean(axis=1)
    # What lies 60 dB under the strongest band is not heard to change.
    shapes = np.log10(blocks + blocks.max(axis=1, keepdims=True) * 1e-6 + 1e-12)
    shapes -= shapes.mean(axis=1, keepdims=True)
    spectral_spread_db = 10 * float(np.std(shapes, axis=0).mean())
    level_spread_db = float(np.std(hop_levels[: len(hop_levels) // 10 * 10].reshape(-1, 10).mean(axis=1)))
    return round(float(np.exp(-(spectral_spread_db + level_spread_db) / 12)), 3)


def decay_time_ms(hop_levels: Array) -> int | None:
    """Median time to fall by 60 dB over the free decays of 20 dB or more; None where fewer than two were heard.

    A free decay is a fall of the smoothed level that a straight line explains (r² over 0.9), from a loud point on.
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
    # The first 5 dB belong to the source; the end bends towards the noise floor.
    part = levels[(levels < levels[0] - 5) & (levels > max(levels[-1] + 3, SILENCE_DBFS + 6))]
    if len(part) < 5 or levels[0] - levels[-1] < 20:
        return None
    steps = np.arange(len(part))
    slope, intercept = np.polyfit(steps, part, 1)
    residual = float(np.var(part - (slope * steps + intercept)))
    if slope >= 0 or residual > 0.1 * float(np.var(part)):
        return None
    return -60 / float(slope) * HOP_MS

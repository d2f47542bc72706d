"""Beat sequences: for each tempo the path through the onsets that keeps nearest to it, by dynamic programming.

After Ellis, Beat tracking by dynamic programming (2007); all tempi go through one loop over the frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotators.music.spectra import Array, Indices
from annotators.music.tempo import gaussian, lags_of

_TIGHTNESS = 120.0
_DISTANCES = 36
_STRETCH = 1.35
"""A beat may be this much longer or shorter than the tempo's."""


def track_beats(strengths: Sequence[Array], tempi: Sequence[float]) -> list[Indices]:
    """One sequence of beats (frames, ascending) for each tempo, through its own onset strength (num_frames,)."""
    local = np.stack([_local_score(s, tempo) for s, tempo in zip(strengths, tempi, strict=True)])
    periods = lags_of(np.asarray(tempi))
    ratios = np.geomspace(1 / _STRETCH, _STRETCH, _DISTANCES)
    distances = np.maximum(1, np.round(periods[:, None] * ratios).astype(np.int64))
    penalties = -_TIGHTNESS * np.log(distances / periods[:, None]) ** 2
    best, previous = _best_paths(local, distances, penalties)
    return [_trace(best[k], previous[k], local[k]) for k in range(len(tempi))]


def off_beats(strength: Array, beats: Indices) -> Array:
    """The strength with the onsets near `beats` taken out, so that a second path runs between them."""
    if len(beats) < 2:
        return np.zeros_like(strength)
    place = np.interp(np.arange(len(strength)), beats, np.arange(len(beats)))
    weight = 0.5 - 0.5 * np.cos(2 * np.pi * place)
    weight[: beats[0]] = weight[beats[-1] :] = 0.0
    masked: Array = strength * weight**2
    return masked


def _local_score(strength: Array, tempo: float) -> Array:
    smooth = np.convolve(strength, gaussian(float(lags_of(np.array([tempo]))[0]) / 32), mode="same")
    spread = float(np.std(smooth))
    scaled: Array = smooth / spread if spread > 0 else np.zeros(len(smooth))
    return scaled


def _best_paths(local: Array, distances: Indices, penalties: Array) -> tuple[Array, Indices]:
    count, frames = local.shape
    reach = int(distances.max())
    best = np.zeros((count, reach + frames))
    previous = np.full((count, frames), -1, dtype=np.int64)
    flat = best.reshape(-1)
    base = np.arange(count)[:, None] * (reach + frames) + reach - distances
    rows = np.arange(count)
    for frame in range(frames):
        scores = flat[base + frame] + penalties
        choice = scores.argmax(axis=1)
        best[:, reach + frame] = local[:, frame] + np.maximum(scores[rows, choice], 0)
        previous[:, frame] = np.where(scores[rows, choice] > 0, frame - distances[rows, choice], -1)
    return best[:, reach:], previous


def _trace(best: Array, previous: Indices, local: Array) -> Indices:
    if not local.any():
        return np.zeros(0, dtype=np.int64)
    peaks = np.flatnonzero((best[1:-1] > best[:-2]) & (best[1:-1] >= best[2:])) + 1
    good = peaks[best[peaks] > 0.5 * np.median(best[peaks])] if peaks.size else peaks
    frame = int(good[-1]) if good.size else int(np.argmax(best))
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(previous[frame])
    found = np.asarray(beats[::-1], dtype=np.int64)
    # Before the first and after the last onset only the tempo carries on: no beat is heard there.
    heard = np.flatnonzero(local[found] > 0.3 * np.sqrt(np.mean(local[found] ** 2)))
    return found[heard[0] : heard[-1] + 1] if heard.size else found[:0]

"""Notes from frame-wise activity: each begins at an onset and lasts while its pitch is active."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from annotators.music.spectra import Array
from schemas.record import Record

FRAME_SAMPLES = 256
LOWEST_MIDI = 21
"""A0, the lowest of 88 keys."""


class NoteLimits(Record):
    """The defaults are those of Basic Pitch."""

    onset: float = Field(default=0.5, gt=0.0, lt=1.0, description="onset activity at which a note begins")
    activity: float = Field(default=0.3, gt=0.0, lt=1.0, description="activity under which a note ends")
    gap_frames: int = Field(default=11, ge=0, description="frames of 11.6 ms under it that do not end a note yet")
    shortest_frames: int = Field(default=11, ge=1, description="notes of fewer frames are left out")


def find_notes(activity: Array, onsets: Array, limits: NoteLimits) -> list[tuple[int, int, int, float]]:
    """(first frame, frame after the last, key from A0, mean activity) of each note, in order.

    `activity` and `onsets` are (num_frames, num_keys) in [0, 1].
    """
    before = np.pad(onsets, ((1, 0), (0, 0)))[:-1]
    after = np.pad(onsets, ((0, 1), (0, 0)))[1:]
    begins = (onsets >= limits.onset) & (onsets >= before) & (onsets > after)
    found = []
    for key in np.flatnonzero(begins.any(axis=0)):
        starts = np.flatnonzero(begins[:, key])
        bounds = np.append(starts[1:], len(activity))
        for start, bound in zip(starts, bounds, strict=True):
            stop = _last_active(activity[start:bound, key], limits) + int(start)
            if stop - start >= limits.shortest_frames:
                strength = float(np.clip(activity[start:stop, key].mean(), 0, 1))
                found.append((int(start), stop, int(key), strength))
    return sorted(found)


def _last_active(activity: Array, limits: NoteLimits) -> int:
    """Frames until the activity has been low for longer than the gap allowed."""
    active = np.flatnonzero(activity >= limits.activity)
    if not active.size:
        return 0
    breaks = np.flatnonzero(np.diff(active, prepend=-1) > limits.gap_frames + 1)
    last = active[breaks[0] - 1] if breaks.size and breaks[0] > 0 else (-1 if breaks.size else active[-1])
    return int(last) + 1

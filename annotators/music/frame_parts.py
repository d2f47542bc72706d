"""From a structure model's frames to parts: boundaries where they peak, functions by what most frames between say."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from annotators.detection.session import Floats
from annotators.music.pieces import Part
from schemas.record import Record


class BoundaryLimits(Record):
    """What counts as a boundary."""

    threshold: float = Field(default=0.3, gt=0.0, lt=1.0, description="least probability")
    apart_s: float = Field(default=4.0, gt=0.0, description="no two are nearer to each other, or to the piece's ends")


def parts_of_frames(
    boundaries: Floats, functions: Floats, labels: Sequence[str], frame_s: float, limits: BoundaryLimits
) -> list[tuple[float, float, str]]:
    """(start_ms, end_ms, function) of each part, in order, without gaps.

    `boundaries` (num_frames,) and `functions` (num_frames, len(labels)) are probabilities of frames of `frame_s`.

    Neighbours of one function stay two where a boundary lies between them.
    """
    count = len(boundaries)
    edges = [0, *_peaks(boundaries, max(1, round(limits.apart_s / frame_s)), limits.threshold), count]
    frame_ms = 1000 * frame_s
    return [
        (frame_ms * first, frame_ms * last, labels[int(functions[first:last].mean(axis=0).argmax())])
        for first, last in pairwise(edges)
        if last > first
    ]


def lettered(parts: Sequence[tuple[float, float, str]]) -> list[Part]:
    """(start_ms, end_ms, function) with a letter for each function, in order of appearance."""
    letters = {name: _letter(index) for index, name in enumerate(dict.fromkeys(name for _, _, name in parts))}
    return [Part(start_ms, end_ms, letters[name], name) for start_ms, end_ms, name in parts]


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index - 25}"


def _peaks(probabilities: Floats, apart: int, threshold: float) -> list[int]:
    """Frames of the boundaries, the surest taken first."""
    taken: list[int] = []
    order: NDArray[np.int64] = np.argsort(-probabilities, kind="stable")
    for frame in order.tolist():
        if probabilities[frame] < threshold:
            break
        if all(abs(frame - other) >= apart for other in (0, len(probabilities), *taken)):
            taken.append(frame)
    return sorted(taken)

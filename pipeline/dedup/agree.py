"""Whether two sounds agree at an offset, for many pairs at once: all in arrays, no pair by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.fingerprint import Peaks, frames_and_bins, levels_of

STRONG_PART = 3
"""One in so many peaks is strong."""
STRETCHES, STRETCH_PEAKS = 8, 4
"""Most stretches, and fewest strong peaks in one."""

Whole = NDArray[np.int64]
_FRAME_STRIDE, _ITEM_STRIDE = 1 << 9, 1 << 43
"""Of a cell's code: wider than bins, and than frames of 256 times the longest recording there can be."""


class Agreement(NamedTuple):
    """How far the sounds of each pair agree in their strong peaks."""

    common: Whole
    """Strong peaks of the one that the other has too."""
    share: NDArray[np.float64]
    steadiness: NDArray[np.float64]
    """Lower quartile of the share in up to STRETCHES stretches of time: low where only parts are alike."""


class PeakTable:
    """The peaks of some items, one after another, each in order of time."""

    def __init__(self, items: Sequence[Peaks]) -> None:
        self.counts = np.array([len(item) for item in items], np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        whole = np.concatenate(items) if items else np.empty(0, np.uint64)
        owner = np.repeat(np.arange(len(items)), self.counts)
        self.frames, self.bins = frames_and_bins(whole)
        self.codes = owner * _ITEM_STRIDE + (self.frames + 2) * _FRAME_STRIDE + self.bins
        """Ascending: an item, a frame and a bin."""
        self.loudest = np.lexsort((-levels_of(whole), owner))
        """Places of an item's peaks, loudest first; of equal ones the earlier first."""


def agreements(table: PeakTable, one: Whole, other: Whole, offset: Whole) -> Agreement:
    """For each pair: where both overlap, a cell off at most; the lesser of both ways.

    `one` and `other` are places in `table`, of items that have peaks. Strong are the loudest third: noise and codecs
    leave them, and it is they that differ between two pieces that are made of the same notes or drums.
    """
    heard = [_reach(table, one) + offset[:, None], _reach(table, other)]
    first = np.maximum(heard[0][:, 0], heard[1][:, 0]) - 1
    last = np.minimum(heard[0][:, 1], heard[1][:, 1]) + 1
    ways = (
        _found_again(table, one, other, offset, np.stack([first, last], axis=1)),
        _found_again(table, other, one, -offset, np.stack([first, last], axis=1) - offset[:, None]),
    )
    return Agreement(*(np.minimum(there, back) for there, back in zip(*ways, strict=True)))


def _reach(table: PeakTable, item: Whole) -> Whole:
    """(items, 2): first and last frame."""
    starts = table.starts[item]
    return np.stack([table.frames[starts], table.frames[starts + table.counts[item] - 1]], axis=1)


def _found_again(table: PeakTable, one: Whole, other: Whole, offset: Whole, reach: Whole) -> Agreement:
    """How many of the strong peaks of `one` are among those of `other`; `reach` is in the frames of `other`."""
    pair, place = _strong(table, one, reach - offset[:, None])
    count = np.bincount(pair, minlength=len(one))
    frames, bins = table.frames[place] + offset[pair], table.bins[place]
    again = np.zeros(len(pair), bool)
    for step in (-1, 0, 1):
        near = frames + step
        lowest = other[pair] * _ITEM_STRIDE + (near + 2) * _FRAME_STRIDE + bins - 1
        found = table.codes[np.minimum(np.searchsorted(table.codes, lowest), len(table.codes) - 1)] - lowest
        again |= (found >= 0) & (found <= 2) & (near >= reach[pair, 0]) & (near <= reach[pair, 1])
    common = np.bincount(pair, again, len(one)).astype(np.int64)
    return Agreement(common, common / np.maximum(count, 1), _steadiness(pair, again, count))


def _strong(table: PeakTable, item: Whole, reach: Whole) -> tuple[Whole, Whole]:
    """(pair, place) of the strong peaks of each pair's `item` within `reach`, in order of time."""
    counts = table.counts[item]
    before = np.cumsum(counts) - counts
    pair = np.repeat(np.arange(len(item)), counts)
    loudest = table.loudest[np.arange(len(pair)) + (table.starts[item] - before)[pair]]
    frames = table.frames[loudest]
    inside = (frames >= reach[pair, 0]) & (frames <= reach[pair, 1])
    sizes = np.bincount(pair, inside, len(item)).astype(np.int64)
    rank = np.cumsum(inside) - (np.cumsum(sizes) - sizes)[pair]
    strong = inside & (rank <= -(-sizes // STRONG_PART)[pair])
    in_time = np.zeros(len(pair), bool)
    shift = before - table.starts[item]
    in_time[(loudest + shift[pair])[strong]] = True
    kept = np.flatnonzero(in_time)
    return pair[kept], kept - shift[pair[kept]]


def _steadiness(pair: Whole, again: NDArray[np.bool_], count: Whole) -> NDArray[np.float64]:
    """The lower quartile over stretches of as equal numbers of peaks as can be, longer ones first."""
    stretches = np.clip(count // STRETCH_PEAKS, 1, STRETCHES)
    length, longer = count // stretches, count % stretches
    nth = np.arange(len(pair)) - (np.cumsum(count) - count)[pair]
    edge = (longer * (length + 1))[pair]
    stretch = np.where(
        nth < edge, nth // (length[pair] + 1), longer[pair] + (nth - edge) // np.maximum(length[pair], 1)
    )
    cell = pair * STRETCHES + stretch
    sizes = np.bincount(cell, minlength=len(count) * STRETCHES)
    shares = np.bincount(cell, again, len(count) * STRETCHES) / np.maximum(sizes, 1)
    ordered = np.sort(np.where(sizes > 0, shares, np.inf).reshape(-1, STRETCHES), axis=1)
    lower = ordered[np.arange(len(count)), stretches // 4]
    return np.where(count > 0, lower, 0.0)

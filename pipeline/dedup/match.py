"""Finds fingerprints of the same sound: an inverted index on disk, votes for an offset, then a check.

Time is n log n in the amount of audio and memory is constant: peaks, keys and votes are on disk, keys and votes in
partitions, and a key shared by many items is only compared with its next MAX_SHARED neighbours.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseam.pipeline.dedup.fingerprint import FRAME_MS, TOKENS_A_PEAK, Peaks, frames_and_bins, levels_of, tokens_of
from soundseam.pipeline.dedup.spill import Partitions, Rows

STRONG_PART = 3
"""One peak in this many is strong."""
STRETCHES, STRETCH_PEAKS = 8, 4
"""Maximum number of stretches, and minimum number of strong peaks in one."""

Whole = NDArray[np.int64]
_FRAME_STRIDE, _ITEM_STRIDE = 1 << 9, 1 << 43
"""Strides of a cell's code: larger than bins, and than frames of 256 times the longest possible recording."""


class Agreement(NamedTuple):
    """The agreement of the sounds of each pair in their strong peaks."""

    common: Whole
    """Number of strong peaks of one that the other also has."""
    share: NDArray[np.float64]
    steadiness: NDArray[np.float64]
    """Lower quartile of the share over up to STRETCHES stretches of time: low if only parts are similar."""


class PeakTable:
    """The peaks of some items, one after another, each in order of time."""

    def __init__(self, items: Sequence[Peaks]) -> None:
        self.counts = np.array([len(item) for item in items], np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        whole = np.concatenate(items) if items else np.empty(0, np.uint64)
        owner = np.repeat(np.arange(len(items)), self.counts)
        self.frames, self.bins = frames_and_bins(whole)
        self.codes = owner * _ITEM_STRIDE + (self.frames + 2) * _FRAME_STRIDE + self.bins
        """Codes of item, frame and bin, ascending."""
        self.loudest = np.lexsort((-levels_of(whole), owner))
        """Positions of an item's peaks, loudest first; of equal ones the earlier first."""


def agreements(table: PeakTable, one: Whole, other: Whole, offset: Whole) -> Agreement:
    """The agreement of each pair over its overlap, at most one cell off; the smaller of both directions.

    `one` and `other` are positions in `table`, of items with peaks. The loudest third of peaks are strong: they survive
    noise and codecs, and they differ between two pieces with the same notes or drums.
    """
    ranges = [_reach(table, one) + offset[:, None], _reach(table, other)]
    first = np.maximum(ranges[0][:, 0], ranges[1][:, 0]) - 1
    last = np.minimum(ranges[0][:, 1], ranges[1][:, 1]) + 1
    ways = (
        _found_again(table, one, other, offset, np.stack([first, last], axis=1)),
        _found_again(table, other, one, -offset, np.stack([first, last], axis=1) - offset[:, None]),
    )
    return Agreement(*(np.minimum(there, back) for there, back in zip(*ways, strict=True)))


def _reach(table: PeakTable, item: Whole) -> Whole:
    """First and last frame of each item: (items, 2)."""
    starts = table.starts[item]
    return np.stack([table.frames[starts], table.frames[starts + table.counts[item] - 1]], axis=1)


def _found_again(table: PeakTable, one: Whole, other: Whole, offset: Whole, reach: Whole) -> Agreement:
    """The number of strong peaks of `one` that are among those of `other`; `reach` is in the frames of `other`."""
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
    """(pair, position) of the strong peaks of each pair's `item` within `reach`, in order of time."""
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
    selected = np.flatnonzero(in_time)
    return pair[selected], selected - shift[pair[selected]]


def _steadiness(pair: Whole, again: NDArray[np.bool_], count: Whole) -> NDArray[np.float64]:
    """The lower quartile over stretches with nearly equal numbers of peaks, longer ones first."""
    stretches = np.clip(count // STRETCH_PEAKS, 1, STRETCHES)
    length, longer = count // stretches, count % stretches
    nth = np.arange(len(pair)) - (np.cumsum(count) - count)[pair]
    edge = (longer * (length + 1))[pair]
    stretch = np.where(nth < edge, nth // (length[pair] + 1), longer[pair] + (nth - edge) // length[pair])
    cell = pair * STRETCHES + stretch
    sizes = np.bincount(cell, minlength=len(count) * STRETCHES)
    shares = np.bincount(cell, again, len(count) * STRETCHES) / np.maximum(sizes, 1)
    ordered = np.sort(np.where(sizes > 0, shares, np.inf).reshape(-1, STRETCHES), axis=1)
    lower = ordered[np.arange(len(count)), stretches // 4]
    return np.where(count > 0, lower, 0.0)


TOKEN = np.dtype([("key", "<u8"), ("item", "<u4"), ("frame", "<u4")])
VOTE = np.dtype([("one", "<u4"), ("other", "<u4"), ("offset", "<i4")])
CANDIDATE = np.dtype([("one", "<i8"), ("other", "<i8"), ("offset", "<i8"), ("rank", "<i8")])
TOKENS_A_PARTITION = 1_000_000
VOTES_PARTITIONS = 4
"""Partitions of votes per partition of tokens: a token casts up to MAX_SHARED votes."""
MAX_SHARED = 32
MAX_OFFSETS = 48
"""Maximum number of offsets to try per pair, most votes first: repetitive sounds match at many, and the right one has
few votes if the shift is not a whole number of frames.
"""
MIN_VOTES = 4
"""Minimum number of triples that agree on an offset for a candidate pair; unrelated sounds reached at most 4."""
MIN_PEAKS, MIN_SIMILARITY, MIN_STEADINESS = 5, 0.55, 0.55
"""Minimum number of common strong peaks, their share, and the lower quartile of the share over time, for one sound.

On the synthetic set of benchmarks/near_duplicates.py these lose 2 % of the duplicates, and no two pieces with the same
drums, which reach 0.63 and 0.5, are mistaken for each other.
"""
MIN_OVERLAP = 0.5
"""Minimum overlap, as a share of the shorter item."""
PEAKS_AT_ONCE = 400_000
"""Maximum number of peaks of candidates checked together."""


class Pair(NamedTuple):
    """Two items that are the same sound: frame `f` of `one` is frame `f + offset_frames` of `other`."""

    one: int
    other: int
    offset_frames: int
    overlap_ms: int
    similarity: float


class FingerprintIndex:
    """Items in the order in which they were added, their peaks on disk. Use as a context manager."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="soundseam-dedup-", dir=folder)
        self.folder = Path(self._folder.name)
        self._peaks_path = self.folder / "peaks"
        self._file = self._peaks_path.open("wb")
        self._ends = array("Q", [0])
        self._durations = array("Q")

    def __enter__(self) -> FingerprintIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._folder.cleanup()

    def add(self, peaks: Peaks, duration_ms: int) -> int:
        """Returns the item's number."""
        np.sort(peaks).astype("<u8").tofile(self._file)
        self._ends.append(self._ends[-1] + len(peaks))
        self._durations.append(duration_ms)
        return len(self._durations) - 1

    def pairs(self, first_known: int | None = None, left_out: NDArray[np.bool_] | None = None) -> Iterator[Pair]:
        """All pairs of items with the same sound; items from `first_known` on are not compared with each other.

        `left_out` marks items that are not compared at all.
        """
        if not self._ends[-1]:
            return
        self._file.flush()
        peaks: Peaks = np.memmap(self._peaks_path, dtype="<u8", mode="r")
        count = -(-self._ends[-1] * TOKENS_A_PEAK // TOKENS_A_PARTITION)
        known = len(self._durations) if first_known is None else first_known
        tokens = Partitions(self.folder / "tokens", TOKEN, count)
        self._add_tokens(tokens, peaks, left_out)
        votes = Partitions(self.folder / "votes", VOTE, count * VOTES_PARTITIONS)
        for part in tokens:
            for found in _votes(part, known):
                votes.add(found, _mixed(_pairs_of(found)))
        for part in votes:
            for candidates in self._batches(_candidates(part)):
                yield from self._accepted(peaks, candidates)

    def _add_tokens(self, tokens: Partitions, peaks: Peaks, left_out: NDArray[np.bool_] | None) -> None:
        for item, (start, end) in enumerate(zip(self._ends[:-1], self._ends[1:], strict=True)):
            if left_out is None or not left_out[item]:
                keys, frames = tokens_of(np.asarray(peaks[start:end]))
                rows = np.empty(len(keys), TOKEN)
                rows["key"], rows["item"], rows["frame"] = keys, item, frames
                tokens.add(rows, keys)

    def _batches(self, candidates: Rows) -> Iterator[Rows]:
        """Candidates with enough overlap, in batches; all candidates of a pair are in one batch."""
        durations = np.array(self._durations, np.int64)
        one, other = durations[candidates["one"]], durations[candidates["other"]]
        enough = _overlap_ms(one, other, candidates["offset"]) >= MIN_OVERLAP * np.minimum(one, other)
        candidates = candidates[enough]
        counts = np.diff(np.array(self._ends, np.int64))
        size = np.cumsum(counts[candidates["one"]] + counts[candidates["other"]])
        cut = np.flatnonzero(np.diff(size // PEAKS_AT_ONCE, prepend=0))
        new_pair = np.flatnonzero(_changes(candidates["one"]) | _changes(candidates["other"]))
        edges = np.append(new_pair, len(candidates))[np.searchsorted(new_pair, cut)]
        yield from (batch for batch in np.split(candidates, np.unique(edges)) if len(batch))

    def _accepted(self, peaks: Peaks, candidates: Rows) -> Iterator[Pair]:
        """The candidate pairs with the same sound, each at the first matching offset."""
        items, places = np.unique([candidates["one"], candidates["other"]], return_inverse=True)
        one, other = places.reshape(2, -1)
        table = PeakTable([np.asarray(peaks[self._ends[item] : self._ends[item + 1]]) for item in items])
        durations = np.array([self._durations[item] for item in items], np.int64)
        pair = np.cumsum(_changes(one) | _changes(other)) - 1
        done = np.zeros(pair[-1] + 1, bool)
        for rank in range(MAX_OFFSETS):
            tried = np.flatnonzero((candidates["rank"] == rank) & ~done[pair])
            offset = candidates["offset"][tried]
            found = agreements(table, one[tried], other[tried], offset)
            alike = (found.common >= MIN_PEAKS) & (found.share >= MIN_SIMILARITY)
            alike &= found.steadiness >= MIN_STEADINESS
            overlap = _overlap_ms(durations[one[tried]], durations[other[tried]], offset)
            done[pair[tried[alike]]] = True
            for at in np.flatnonzero(alike):
                first, second, frames, _ = candidates[tried[at]].item()
                yield Pair(first, second, frames, int(overlap[at]), round(float(found.share[at]), 3))


def _overlap_ms(one_ms: Whole, other_ms: Whole, offset: Whole) -> Whole:
    shift_ms = offset * FRAME_MS
    overlap: Whole = np.minimum(one_ms, other_ms - shift_ms) - np.maximum(0, -shift_ms)
    return overlap


def _votes(tokens: Rows, first_known: int) -> Iterator[Rows]:
    """One vote for an offset per pair of equal keys of different items, the item with the lower number first."""
    # Items are in order of their numbers, which a stable sort preserves.
    tokens = tokens[np.argsort(tokens["key"], kind="stable")]
    for apart in range(1, MAX_SHARED + 1):
        one, other = tokens[:-apart], tokens[apart:]
        alike = one["key"] == other["key"]
        if not alike.any():
            return
        alike &= (one["item"] != other["item"]) & (one["item"] < first_known)
        votes = np.empty(int(alike.sum()), VOTE)
        votes["one"], votes["other"] = one["item"][alike], other["item"][alike]
        votes["offset"] = other["frame"][alike].astype(np.int64) - one["frame"][alike].astype(np.int64)
        yield votes


def _candidates(votes: Rows) -> Rows:
    """Each pair at up to MAX_OFFSETS offsets with enough votes, including neighbours'; by pair, then by rank from 0."""
    pairs = _pairs_of(votes)
    order = np.argsort(pairs)
    number = np.cumsum(_changes(pairs[order])) - 1
    # Sorting by one number is many times as fast as sorting by two.
    cells = np.sort(number << 32 | votes["offset"][order].astype(np.int64) + 2**31)
    starts = np.flatnonzero(_changes(cells))
    counts = np.diff(np.append(starts, len(cells)))
    cells = cells[starts]
    joined = np.diff(cells) == 1
    beside = np.zeros_like(counts)
    beside[:-1] += np.where(joined, counts[1:], 0)
    beside[1:] = np.maximum(beside[1:], np.where(joined, counts[:-1], 0))
    enough = counts + beside >= MIN_VOTES
    cells, counts, beside = cells[enough], counts[enough], beside[enough]
    order, number = np.lexsort((-counts, -(counts + beside), cells >> 32)), order[np.flatnonzero(_changes(number))]
    return _ranked(cells[order], votes[number])


def _ranked(cells: Whole, first_votes: Rows) -> Rows:
    """Candidates of `cells` (number of the pair << 32 | offset), best first; `first_votes` has one vote of each
    pair.
    """
    pair = cells >> 32
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    cells, pair, rank = (each[rank < MAX_OFFSETS] for each in (cells, pair, rank))
    candidates = np.empty(len(cells), CANDIDATE)
    candidates["one"], candidates["other"] = first_votes["one"][pair], first_votes["other"][pair]
    candidates["offset"], candidates["rank"] = (cells & (2**32 - 1)) - 2**31, rank
    return candidates


def _pairs_of(votes: Rows) -> NDArray[np.uint64]:
    pairs: NDArray[np.uint64] = votes["one"].astype(np.uint64) << np.uint64(32) | votes["other"]
    return pairs


def _mixed(pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pairs hashed evenly, so that partitions of votes have similar sizes."""
    mixed: NDArray[np.uint64] = pairs * np.uint64(0x9E3779B1) >> np.uint64(20)
    return mixed


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True if a value differs from the one before it, and at the start."""
    changed = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    return changed

"""Which of many fingerprints are of the same sound: an inverted index on disk, votes for an offset, then a check.

Time is n log n in the amount of audio and memory is flat: keys and votes are partitioned on disk, and a key that many
items share is compared with its next MOST_SHARED neighbours only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.fingerprint import FRAME_MS, Peaks, frames_and_bins, levels_of, tokens_of
from pipeline.dedup.spill import Partitions, Rows

TOKEN = np.dtype([("key", "<u8"), ("item", "<u4"), ("frame", "<u4")])
VOTE = np.dtype([("one", "<u4"), ("other", "<u4"), ("offset", "<i4")])
TOKENS_A_PARTITION = 2_000_000
TOKENS_A_PEAK = 11
MOST_SHARED = 32
MOST_OFFSETS = 4
"""Tried for a pair, most votes first: what repeats is alike at several."""
LEAST_VOTES = 4
"""Triples that agree on an offset, from which a pair is looked at; unrelated sounds reached 4 at most."""
STRONG_PART = 3
"""One in so many peaks is strong."""
CELL_STRIDE = 512
LEAST_PEAKS, LEAST_SIMILARITY, LEAST_STEADINESS = 5, 0.55, 0.55
"""Strong peaks in common, their share, and the lower quartile of it over time, from which a pair is one sound.

On the made set of benchmarks/near_duplicates.py these lose 2 % of the duplicates, and pieces made of the same drums,
which reach 0.63 and 0.5, none is taken for another.
"""
STRETCHES, STRETCH_PEAKS = 8, 4
"""Most stretches, and fewest strong peaks in one."""
LEAST_OVERLAP = 0.5
"""Of the shorter of both."""


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
        self._peaks_path = Path(self._folder.name) / "peaks"
        self._file = self._peaks_path.open("wb")
        self._ends: list[int] = []
        self._durations: list[int] = []

    def __enter__(self) -> FingerprintIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._folder.cleanup()

    def add(self, peaks: Peaks, duration_ms: int) -> int:
        """Returns the item's number."""
        peaks.astype("<u8").tofile(self._file)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(peaks))
        self._durations.append(duration_ms)
        return len(self._ends) - 1

    def pairs(self, first_known: int | None = None) -> Iterator[Pair]:
        """Every two items that are the same sound; of items from `first_known` on, none with one another."""
        if not self._ends or not self._ends[-1]:
            return
        self._file.flush()
        peaks: Peaks = np.memmap(self._peaks_path, dtype="<u8", mode="r")
        count = -(-self._ends[-1] * TOKENS_A_PEAK // TOKENS_A_PARTITION)
        known = len(self._ends) if first_known is None else first_known
        tokens = self._tokens(peaks, count)
        votes = Partitions(Path(self._folder.name) / "votes", VOTE, count)
        for part in tokens:
            for found in _votes(part, known):
                mixed = (found["one"].astype(np.uint64) << np.uint64(32) | found["other"]) * np.uint64(0x9E3779B1)
                votes.add(found, ((mixed >> np.uint64(20)) % np.uint64(count)).astype(np.intp))
        for part in votes:
            done = (0, 0)
            for one, other, offset in _candidates(part):
                pair = None if (one, other) == done else self._checked(peaks, one, other, offset)
                if pair:
                    done = (one, other)
                    yield pair

    def _tokens(self, peaks: Peaks, count: int) -> Partitions:
        partitions = Partitions(Path(self._folder.name) / "tokens", TOKEN, count)
        for item in range(len(self._ends)):
            keys, frames = tokens_of(self._peaks(peaks, item))
            rows = np.empty(len(keys), TOKEN)
            rows["key"], rows["item"], rows["frame"] = keys, item, frames
            partitions.add(rows, (keys % np.uint64(count)).astype(np.intp))
        return partitions

    def _peaks(self, peaks: Peaks, item: int) -> Peaks:
        return np.asarray(peaks[self._ends[item - 1] if item else 0 : self._ends[item]])

    def _checked(self, peaks: Peaks, one: int, other: int, offset: int) -> Pair | None:
        """The pair at this offset, if enough of it overlaps and sounds alike."""
        shift_ms = offset * FRAME_MS
        start_ms = max(0, -shift_ms)
        overlap_ms = min(self._durations[one], self._durations[other] - shift_ms) - start_ms
        if overlap_ms < LEAST_OVERLAP * min(self._durations[one], self._durations[other]):
            return None
        found = agreement(self._peaks(peaks, one), self._peaks(peaks, other), offset)
        if found.common < LEAST_PEAKS or found.share < LEAST_SIMILARITY or found.steadiness < LEAST_STEADINESS:
            return None
        return Pair(one, other, offset, overlap_ms, round(found.share, 3))


class Agreement(NamedTuple):
    """How far two sounds agree in their strong peaks."""

    common: int
    """Strong peaks of the one that the other has too."""
    share: float
    steadiness: float
    """Lower quartile of the share in up to STRETCHES stretches of time: low where only parts are alike."""


def agreement(one: Peaks, other: Peaks, offset: int) -> Agreement:
    """Where they overlap, a cell off at most; the lesser of both ways.

    Strong are the loudest third: noise and codecs leave them, and it is they that differ between two pieces that are
    made of the same notes or drums.
    """
    here, there = _table_of(one, offset), _table_of(other, 0)
    if not len(here) or not len(there):
        return Agreement(0, 0.0, 0.0)
    first, last = max(here[0, 0], there[0, 0]) - 1, min(here[-1, 0], there[-1, 0]) + 1
    here, there = (each[(each[:, 0] >= first) & (each[:, 0] <= last)] for each in (here, there))
    ways = _found_again(here, there), _found_again(there, here)
    common, share, steadiness = (min(figures) for figures in zip(*ways, strict=True))
    return Agreement(int(common), share, steadiness)


def _table_of(peaks: Peaks, offset: int) -> NDArray[np.int64]:
    """(peaks, 3): frame, bin, level."""
    frames, bins = frames_and_bins(peaks)
    return np.stack([frames + offset, bins, levels_of(peaks)], axis=1)


def _found_again(peaks: NDArray[np.int64], among: NDArray[np.int64]) -> Agreement:
    """How many of the strong `peaks` are `among` others."""
    count = -(-len(peaks) // STRONG_PART)
    if not count or not len(among):
        return Agreement(0, 0.0, 0.0)
    strong = peaks[np.sort(np.argsort(-peaks[:, 2], kind="stable")[:count])]
    cells = np.concatenate([_cells(among, by_frames, by_bins) for by_frames in (-1, 0, 1) for by_bins in (-1, 0, 1)])
    again = np.isin(_cells(strong, 0, 0), cells)
    stretches = np.array_split(again, max(1, min(STRETCHES, count // STRETCH_PEAKS)))
    lower = sorted(float(stretch.mean()) for stretch in stretches)[len(stretches) // 4]
    return Agreement(int(again.sum()), float(again.mean()), lower)


def _cells(peaks: NDArray[np.int64], by_frames: int, by_bins: int) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = (peaks[:, 0] + by_frames) * CELL_STRIDE + peaks[:, 1] + by_bins
    return cells


def _votes(tokens: Rows, first_known: int) -> Iterator[Rows]:
    """A vote for an offset by each two equal keys of different items, the item with the lower number first."""
    tokens = tokens[np.lexsort((tokens["item"], tokens["key"]))]
    for apart in range(1, MOST_SHARED + 1):
        one, other = tokens[:-apart], tokens[apart:]
        alike = one["key"] == other["key"]
        if not alike.any():
            return
        alike &= (one["item"] != other["item"]) & (one["item"] < first_known)
        votes = np.empty(int(alike.sum()), VOTE)
        votes["one"], votes["other"] = one["item"][alike], other["item"][alike]
        votes["offset"] = other["frame"][alike].astype(np.int64) - one["frame"][alike].astype(np.int64)
        yield votes


def _candidates(votes: Rows) -> Iterator[tuple[int, int, int]]:
    """(one, other, offset) for each pair and up to MOST_OFFSETS with votes enough, a neighbour's added; best first."""
    votes = np.sort(votes, order=("one", "other", "offset"))
    new_pair = _changes(votes["one"]) | _changes(votes["other"])
    starts = np.flatnonzero(new_pair | _changes(votes["offset"]))
    counts = np.diff(np.append(starts, len(votes)))
    best = votes[starts]
    pair = np.cumsum(new_pair)[starts]
    beside = np.zeros_like(counts)
    joined = (pair[1:] == pair[:-1]) & (best["offset"][1:] == best["offset"][:-1] + 1)
    beside[:-1] += np.where(joined, counts[1:], 0)
    beside[1:] = np.maximum(beside[1:], np.where(joined, counts[:-1], 0))
    order = np.lexsort((-counts, -(counts + beside), pair))
    rank = np.arange(len(order)) - np.searchsorted(pair[order], pair[order])
    for at in order[(rank < MOST_OFFSETS) & ((counts + beside)[order] >= LEAST_VOTES)]:
        yield int(best["one"][at]), int(best["other"][at]), int(best["offset"][at])


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True where a value differs from the one before it, and at the start."""
    changed = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    return changed

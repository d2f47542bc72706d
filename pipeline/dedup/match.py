"""Which of many fingerprints are of the same sound: an inverted index on disk, votes for an offset, then a check.

Time is n log n in the amount of audio and memory is flat: peaks, keys and votes lie on disk, keys and votes in
partitions, and a key that many items share is compared with its next MOST_SHARED neighbours only.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.agree import PeakTable, Whole, agreements
from pipeline.dedup.fingerprint import FRAME_MS, TOKENS_A_PEAK, Peaks, tokens_of
from pipeline.dedup.spill import Partitions, Rows

TOKEN = np.dtype([("key", "<u8"), ("item", "<u4"), ("frame", "<u4")])
VOTE = np.dtype([("one", "<u4"), ("other", "<u4"), ("offset", "<i4")])
CANDIDATE = np.dtype([("one", "<i8"), ("other", "<i8"), ("offset", "<i8"), ("rank", "<i8")])
TOKENS_A_PARTITION = 1_000_000
VOTES_PARTITIONS = 4
"""To one of tokens: a token casts up to MOST_SHARED votes."""
MOST_SHARED = 32
MOST_OFFSETS = 48
"""Tried for a pair, most votes first: what repeats is alike at many, and the right one has few votes where a
shift is no whole number of frames."""
LEAST_VOTES = 4
"""Triples that agree on an offset, from which a pair is looked at; unrelated sounds reached 4 at most."""
LEAST_PEAKS, LEAST_SIMILARITY, LEAST_STEADINESS = 5, 0.55, 0.55
"""Strong peaks in common, their share, and the lower quartile of it over time, from which a pair is one sound.

On the made set of benchmarks/near_duplicates.py these lose 2 % of the duplicates, and pieces made of the same drums,
which reach 0.63 and 0.5, none is taken for another.
"""
LEAST_OVERLAP = 0.5
"""Of the shorter of both."""
PEAKS_AT_ONCE = 400_000
"""Of the candidates that are checked together."""


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
        """Every two items that are the same sound; of items from `first_known` on, none with one another.

        `left_out` says of each item whether it is compared with none.
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
        """Some candidates at a time, of which enough overlaps; all of a pair together."""
        durations = np.array(self._durations, np.int64)
        one, other = durations[candidates["one"]], durations[candidates["other"]]
        enough = _overlap_ms(one, other, candidates["offset"]) >= LEAST_OVERLAP * np.minimum(one, other)
        candidates = candidates[enough]
        counts = np.diff(np.array(self._ends, np.int64))
        size = np.cumsum(counts[candidates["one"]] + counts[candidates["other"]])
        cut = np.flatnonzero(np.diff(size // PEAKS_AT_ONCE, prepend=0))
        new_pair = np.flatnonzero(_changes(candidates["one"]) | _changes(candidates["other"]))
        edges = np.append(new_pair, len(candidates))[np.searchsorted(new_pair, cut)]
        yield from (batch for batch in np.split(candidates, np.unique(edges)) if len(batch))

    def _accepted(self, peaks: Peaks, candidates: Rows) -> Iterator[Pair]:
        """The pairs among candidates that are one sound, each at the first offset that shows it."""
        items, places = np.unique([candidates["one"], candidates["other"]], return_inverse=True)
        one, other = places.reshape(2, -1)
        table = PeakTable([np.asarray(peaks[self._ends[item] : self._ends[item + 1]]) for item in items])
        durations = np.array([self._durations[item] for item in items], np.int64)
        pair = np.cumsum(_changes(one) | _changes(other)) - 1
        done = np.zeros(pair[-1] + 1, bool)
        for rank in range(MOST_OFFSETS):
            tried = np.flatnonzero((candidates["rank"] == rank) & ~done[pair])
            offset = candidates["offset"][tried]
            found = agreements(table, one[tried], other[tried], offset)
            alike = (found.common >= LEAST_PEAKS) & (found.share >= LEAST_SIMILARITY)
            alike &= found.steadiness >= LEAST_STEADINESS
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
    """A vote for an offset by each two equal keys of different items, the item with the lower number first."""
    # Items came in order of their numbers, which a stable sort keeps.
    tokens = tokens[np.argsort(tokens["key"], kind="stable")]
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


def _candidates(votes: Rows) -> Rows:
    """Each pair at up to MOST_OFFSETS with votes enough, a neighbour's added; by pair, then by rank, 0 for the best."""
    pairs = _pairs_of(votes)
    order = np.argsort(pairs)
    number = np.cumsum(_changes(pairs[order])) - 1
    # Sorting one number is many times as fast as sorting by two.
    cells = np.sort(number << 32 | votes["offset"][order].astype(np.int64) + 2**31)
    starts = np.flatnonzero(_changes(cells))
    counts = np.diff(np.append(starts, len(cells)))
    cells = cells[starts]
    joined = (np.diff(cells) == 1) & (np.diff(cells >> 32) == 0)
    beside = np.zeros_like(counts)
    beside[:-1] += np.where(joined, counts[1:], 0)
    beside[1:] = np.maximum(beside[1:], np.where(joined, counts[:-1], 0))
    enough = counts + beside >= LEAST_VOTES
    cells, counts, beside = cells[enough], counts[enough], beside[enough]
    order, number = np.lexsort((-counts, -(counts + beside), cells >> 32)), order[np.flatnonzero(_changes(number))]
    return _ranked(cells[order], votes[number])


def _ranked(cells: Whole, first_votes: Rows) -> Rows:
    """Candidates of `cells` (number of the pair << 32 | offset), best first; `first_votes` has a vote of each pair."""
    pair = cells >> 32
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    cells, pair, rank = (each[rank < MOST_OFFSETS] for each in (cells, pair, rank))
    candidates = np.empty(len(cells), CANDIDATE)
    candidates["one"], candidates["other"] = first_votes["one"][pair], first_votes["other"][pair]
    candidates["offset"], candidates["rank"] = (cells & (2**32 - 1)) - 2**31, rank
    return candidates


def _pairs_of(votes: Rows) -> NDArray[np.uint64]:
    pairs: NDArray[np.uint64] = votes["one"].astype(np.uint64) << np.uint64(32) | votes["other"]
    return pairs


def _mixed(pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread evenly, so that votes fall into partitions of like size."""
    mixed: NDArray[np.uint64] = pairs * np.uint64(0x9E3779B1) >> np.uint64(20)
    return mixed


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True where a value differs from the one before it, and at the start."""
    changed = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    return changed

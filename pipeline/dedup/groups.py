"""From pairs to rows: the best match of each segment, clusters of segments, groups of recordings."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseam.pipeline.dedup.fingerprint import FRAME_MS
from soundseam.pipeline.dedup.match import FingerprintIndex, Pair
from soundseam.pipeline.dedup.spill import Texts
from soundseam.schemas.duplicate import Duplicate, Fingerprint, Match, Relation

DIGEST_DIGITS = 16
"""Hexadecimal digits in 64 bits; two such values identify a sound."""


class Items:
    """The compared items. Names are in a file; memory use is some 40 bytes per item, plus the names of recordings and
    sets.
    """

    def __init__(self, index: FingerprintIndex) -> None:
        self.index = index
        self.segments = 0
        self.audio_ms = 0
        """Total length of the segments."""
        self.recordings: list[str] = []
        self._names = Texts(index.folder / "names")
        self._recording = array("I")
        self._digests = (array("Q"), array("Q"))
        self._durations = array("Q")
        self._has_peaks = array("b")
        self._sets: list[tuple[int, str]] = []
        """(first item, origin)"""

    def __len__(self) -> int:
        return len(self._durations)

    def close(self) -> None:
        self._names.close()

    def add_segment(self, fingerprint: Fingerprint) -> None:
        """Adds a segment; segments of a recording must be consecutive."""
        recording = str(fingerprint.recording_id)
        if not self.recordings or self.recordings[-1] != recording:
            self.recordings.append(recording)
        self._recording.append(len(self.recordings) - 1)
        self._add(fingerprint)
        self.segments += 1
        self.audio_ms += fingerprint.duration_ms

    def add_set(self, source: str, fingerprints: Iterable[Fingerprint]) -> None:
        """Adds an evaluation set, after all segments."""
        self._sets.append((len(self), source))
        for fingerprint in fingerprints:
            self._add(fingerprint)

    def _add(self, fingerprint: Fingerprint) -> None:
        peaks = np.frombuffer(fingerprint.peaks, "<u8")
        self._names.append(fingerprint.name)
        for number, digest in enumerate(self._digests):
            start = number * DIGEST_DIGITS
            digest.append(int(fingerprint.audio_sha256[start : start + DIGEST_DIGITS], 16))
        self._durations.append(fingerprint.duration_ms)
        self._has_peaks.append(len(peaks) > 0)
        self.index.add(peaks, fingerprint.duration_ms)

    def name(self, item: int) -> str:
        return self._names[item]

    def recording_of(self, segment: int) -> int:
        """The number of a segment's recording."""
        return self._recording[segment]

    def source_of(self, item: int) -> str | None:
        """The evaluation set of an item; None for the corpus."""
        return next((source for first, source in reversed(self._sets) if item >= first), None)

    def duration_ms(self, item: int) -> int:
        return self._durations[item]

    def originals(self) -> NDArray[np.int64]:
        """item → the first item with equal samples, mostly itself; silence only equals itself."""
        numbers = np.arange(len(self))
        high, low = (np.frombuffer(digest, np.uint64) for digest in self._digests)
        order = np.lexsort((low, high))
        changes = np.ones(len(order), bool)
        changes[1:] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
        first = np.empty(len(order), np.int64)
        first[order] = order[changes][np.cumsum(changes) - 1] if len(order) else order
        return np.where(np.frombuffer(self._has_peaks, np.int8) > 0, first, numbers)


NONE = -1
BEST = np.dtype([("other", "<i8"), ("offset_ms", "<i8"), ("overlap_ms", "<i8"), ("similarity", "<f8"), ("exact", "?")])


class Found(NamedTuple):
    """A match of an item with `other`."""

    other: int
    offset_ms: int
    overlap_ms: int
    similarity: float
    exact: bool


class Sets:
    """Disjoint sets of numbers (union-find); the smallest number represents its set."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def find(self, number: int) -> int:
        root = number
        while (above := int(self._parent[root])) != root:
            root = above
        while (above := int(self._parent[number])) != root:
            self._parent[number], number = root, above
        return root

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low


class Links:
    """The links between segments, with their similarity: some 80 bytes per segment."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._originals = items.originals()
        self._best = {kind: _nothing(items.segments) for kind in ("corpus", "evaluation")}
        self._clusters, self._groups = Sets(items.segments), Sets(len(items.recordings))
        self._link_equals()

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Marks items with the same samples as an earlier one: they are linked to it, and compared with no other."""
        numbers = np.arange(len(self._items))
        copies: NDArray[np.bool_] = (self._originals != numbers) & (numbers < self._items.segments)
        return copies

    def link_pairs(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self._link(
                pair.one,
                Found(pair.other, pair.offset_frames * FRAME_MS, pair.overlap_ms, pair.similarity, exact=False),
            )

    def _link_equals(self) -> None:
        numbers = np.flatnonzero(self._originals != np.arange(len(self._items)))
        for item, original in zip(numbers.tolist(), self._originals[numbers].tolist(), strict=True):
            if original < self._items.segments:
                self._link(original, Found(item, 0, self._items.duration_ms(item), 1.0, exact=True))

    def _link(self, segment: int, found: Found) -> None:
        """Links both ways if the other item is a segment too."""
        if found.other >= self._items.segments:
            self._note("evaluation", segment, found)
            return
        self._note("corpus", segment, found)
        self._note("corpus", found.other, found._replace(other=segment, offset_ms=-found.offset_ms))
        self._clusters.join(segment, found.other)
        self._groups.join(self._items.recording_of(segment), self._items.recording_of(found.other))

    def _note(self, kind: str, segment: int, found: Found) -> None:
        known = Found(*self._best[kind][segment].item())
        if known.other == NONE or self._is_better(found, known):
            self._best[kind][segment] = found

    def _is_better(self, one: Found, other: Found) -> bool:
        ranks = [(not each.exact, -each.similarity) for each in (one, other)]
        if ranks[0] != ranks[1]:
            return ranks[0] < ranks[1]
        # By name, so that the order does not matter.
        return self._items.name(one.other) < self._items.name(other.other)

    def rows(self) -> Iterator[Duplicate]:
        """The rows in order of segment. Memory holds the names of marked segments."""
        corpus, evaluation = self._best["corpus"], self._best["evaluation"]
        marked = np.flatnonzero((corpus["other"] != NONE) | (evaluation["other"] != NONE)).tolist()
        names = {segment: self._items.name(segment) for segment in marked}
        first_of = _first_names((self._clusters.find(segment), name) for segment, name in names.items())
        group_of = self._group_names(segment for segment in marked if corpus["other"][segment] != NONE)
        for segment in sorted(marked, key=names.__getitem__):
            recording_id, in_corpus = self._recording_id(segment), corpus["other"][segment] != NONE
            cluster = first_of[self._clusters.find(segment)] if in_corpus else None
            yield Duplicate(
                segment_id=names[segment],
                recording_id=recording_id,
                cluster=cluster,
                group=group_of[recording_id] if in_corpus else None,
                first=cluster in (None, names[segment]),
                corpus=self._match(corpus[segment]),
                evaluation=self._match(evaluation[self._originals[segment]]),
            )

    def _group_names(self, segments: Iterable[int]) -> dict[str, str]:
        """recording_id → the first recording_id of its group."""
        numbers: dict[str, int] = {}
        for segment in segments:
            number = self._items.recording_of(segment)
            # If a recording's segments were not consecutive, it would have several numbers.
            self._groups.join(numbers.setdefault(self._recording_id(segment), number), number)
        least = _first_names((self._groups.find(number), name) for name, number in numbers.items())
        return {name: least[self._groups.find(number)] for name, number in numbers.items()}

    def _recording_id(self, segment: int) -> str:
        return self._items.recordings[self._items.recording_of(segment)]

    def _match(self, best: NDArray[np.void]) -> Match | None:
        found = Found(*best.item())
        if found.other == NONE:
            return None
        return Match(
            name=self._items.name(found.other),
            source=self._items.source_of(found.other),
            relation=Relation.EXACT if found.exact else Relation.NEAR,
            offset_ms=found.offset_ms,
            overlap_ms=found.overlap_ms,
            similarity=found.similarity,
        )


def _nothing(count: int) -> NDArray[np.void]:
    best = np.zeros(count, BEST)
    best["other"] = NONE
    return best


def _first_names(named: Iterable[tuple[int, str]]) -> dict[int, str]:
    """number → the first of its names."""
    least: dict[int, str] = {}
    for number, name in named:
        least[number] = min(name, least.get(number, name))
    return least

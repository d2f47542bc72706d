"""Whatever is compared, by number: first the segments of the corpus, then the items of evaluation sets."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.match import FingerprintIndex
from pipeline.dedup.spill import Texts
from schemas.duplicate import Fingerprint

DIGEST_DIGITS = 16
"""Hexadecimal ones in 64 bits; two such tell sounds apart."""


class Items:
    """Names lie in a file; memory holds some 40 bytes an item, and the names of recordings and sets."""

    def __init__(self, index: FingerprintIndex) -> None:
        self.index = index
        self.segments = 0
        self.audio_ms = 0
        """Of the segments."""
        self.recordings: list[str] = []
        self._names = Texts(index.folder / "names")
        self._recording = array("I")
        self._digests = (array("Q"), array("Q"))
        self._durations = array("Q")
        self._is_heard = array("b")
        self._sets: list[tuple[int, str]] = []
        """(first item, where it comes from)"""

    def __len__(self) -> int:
        return len(self._durations)

    def close(self) -> None:
        self._names.close()

    def add_segment(self, fingerprint: Fingerprint) -> None:
        """Adds a segment; those of a recording come one after another."""
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
        self._is_heard.append(len(peaks) > 0)
        self.index.add(peaks, fingerprint.duration_ms)

    def name(self, item: int) -> str:
        return self._names[item]

    def recording_of(self, segment: int) -> int:
        """The number of a segment's recording."""
        return self._recording[segment]

    def source_of(self, item: int) -> str | None:
        """The evaluation set that an item is of; None for the corpus."""
        return next((source for first, source in reversed(self._sets) if item >= first), None)

    def duration_ms(self, item: int) -> int:
        return self._durations[item]

    def originals(self) -> NDArray[np.int64]:
        """item → the first item with equal samples, mostly itself; silence is like no other silence."""
        numbers = np.arange(len(self))
        high, low = (np.frombuffer(digest, np.uint64) for digest in self._digests)
        order = np.lexsort((low, high))
        changes = np.ones(len(order), bool)
        changes[1:] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
        first = np.empty(len(order), np.int64)
        first[order] = order[changes][np.cumsum(changes) - 1] if len(order) else order
        return np.where(np.frombuffer(self._is_heard, np.int8) > 0, first, numbers)

"""Duplicates of a corpus: fingerprints, pairs, rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.dedup.fingerprint import VERSION
from pipeline.dedup.groups import Item, Linked, exact_match, link_pairs
from pipeline.dedup.match import FingerprintIndex
from pipeline.dedup.sources import corpus_fingerprints, evaluation_fingerprints, evaluation_key
from pipeline.dedup.store import read_marker, write_duplicates, write_fingerprints
from pipeline.errors import SetupError
from pipeline.storage import files
from pipeline.storage.commits import Corpus, stages_in
from pipeline.work import SEGMENTS_STAGE
from schemas.duplicate import Duplicate, Fingerprint
from schemas.record import Record, content_key


class DedupRequest(Record):
    output: str
    against: tuple[str, ...] = ()
    """Evaluation sets: folders of audio, or fingerprint files."""
    fingerprints: str | None = None
    """Where to write the corpus's own."""


class Deduplicated(NamedTuple):
    """What was found; all numbers but `hours` and `seconds` are of segments."""

    segments: int
    duplicates: int
    contaminated: int
    clusters: int
    hours: float
    seconds: float
    renewed: bool
    """False where the table was up to date already."""


def find_duplicates(request: DedupRequest) -> Deduplicated:
    """Marks duplicates in OUT/duplicates. Raises SetupError where there is no corpus or no evaluation set."""
    corpus = _load(request.output)
    key = _key(corpus, request.against)
    marker = read_marker(request.output)
    if marker and marker.key == key and not request.fingerprints:
        return Deduplicated(0, marker.rows, 0, 0, 0.0, 0.0, renewed=False)
    started = time.monotonic()
    with FingerprintIndex(files.scratch_folder(request.output)) as index:
        comparison = Comparison(index)
        fingerprints = comparison.read_corpus(corpus_fingerprints(corpus))
        if request.fingerprints:
            write_fingerprints(Path(request.fingerprints), fingerprints)
        else:
            for _ in fingerprints:
                pass
        for path in request.against:
            comparison.read_evaluation(path, evaluation_fingerprints(Path(path)))
        rows = list(comparison.rows())
    write_duplicates(request.output, key, rows)
    return Deduplicated(
        segments=comparison.segments,
        duplicates=sum(row.corpus is not None for row in rows),
        contaminated=sum(row.evaluation is not None for row in rows),
        clusters=len({row.cluster for row in rows if row.cluster}),
        hours=comparison.audio_ms / 3_600_000,
        seconds=time.monotonic() - started,
        renewed=True,
    )


class Comparison:
    """Fingerprints as they come: equal ones are linked at once, the others wait in the index."""

    def __init__(self, index: FingerprintIndex) -> None:
        self.segments = self.audio_ms = 0
        self._index = index
        self._items: list[Item] = []
        self._segments_end: int | None = None
        self._by_digest: dict[bytes, Item] = {}
        self._linked = Linked()

    def read_corpus(self, fingerprints: Iterable[Fingerprint]) -> Iterator[Fingerprint]:
        """Takes in segments, and passes them on."""
        for fingerprint in fingerprints:
            item = Item(name=fingerprint.name, recording_id=fingerprint.recording_id, source=None)
            self.segments += 1
            self.audio_ms += fingerprint.duration_ms
            original = self._by_digest.setdefault(bytes.fromhex(fingerprint.audio_sha256), item)
            if original is item:
                self._add(item, fingerprint)
            else:
                self._linked.link_copy(item, original, fingerprint.duration_ms)
            yield fingerprint

    def read_evaluation(self, source: str, fingerprints: Iterable[Fingerprint]) -> None:
        """Takes in an evaluation set, after all segments."""
        if self._segments_end is None:
            self._segments_end = len(self._items)
        for fingerprint in fingerprints:
            item = Item(name=fingerprint.name, recording_id=None, source=source)
            segment = self._by_digest.get(bytes.fromhex(fingerprint.audio_sha256))
            if segment is not None:
                self._linked.link(segment, item, exact_match(item, fingerprint.duration_ms))
            self._add(item, fingerprint)

    def rows(self) -> Iterator[Duplicate]:
        link_pairs(self._linked, self._items, self._index.pairs(self._segments_end))
        return self._linked.rows()

    def _add(self, item: Item, fingerprint: Fingerprint) -> None:
        self._index.add(np.frombuffer(fingerprint.peaks, "<u8"), fingerprint.duration_ms)
        self._items.append(item)


def _load(output: str) -> Corpus:
    if files.is_local(output) and not files.local_path(output).is_dir():
        raise SetupError(f"there is no folder {output}: name the --output of a run")
    if SEGMENTS_STAGE not in stages_in(output):
        raise SetupError(f"{output} holds no corpus: nothing was committed there")
    return Corpus.load_present(output, [SEGMENTS_STAGE])


def _key(corpus: Corpus, against: Sequence[str]) -> str:
    segments = sorted(entry.sha256 for commit in corpus.commits[SEGMENTS_STAGE] for entry in commit.files)
    return content_key([VERSION, segments, [[path, evaluation_key(Path(path))] for path in against]])

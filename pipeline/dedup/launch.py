"""Duplicates of a corpus: fingerprints, pairs, rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from soundseam.pipeline.dedup.fingerprint import VERSION
from soundseam.pipeline.dedup.fingerprint_files import (
    SegmentsFile,
    check_fingerprints_target,
    corpus_fingerprints,
    make_fingerprints,
    segment_files,
    segments_key,
    write_fingerprints,
)
from soundseam.pipeline.dedup.groups import Items, Links
from soundseam.pipeline.dedup.match import FingerprintIndex
from soundseam.pipeline.dedup.sources import evaluation_fingerprints, evaluation_key
from soundseam.pipeline.dedup.store import Found, MadeOf, read_marker, write_duplicates
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.duplicate import Duplicate
from soundseam.schemas.record import Record, content_key

REVISION = "4"
"""Raise it whenever equal segments and sets may give other matches."""


class DedupRequest(Record):
    output: str
    against: tuple[str, ...] = ()
    """Evaluation sets: folders of audio, or fingerprint files."""
    fingerprints: str | None = None
    """Where to write the corpus's own fingerprints."""
    workers: int = 1


class Deduplicated(NamedTuple):
    """The result, with the length of audio and the time; the time is None if the table was already up to date."""

    found: Found
    hours: float = 0.0
    seconds: float | None = None


def find_duplicates(request: DedupRequest, on_progress: Callable[[int, int], None]) -> Deduplicated:
    """Marks duplicates in OUT/duplicates. Raises SetupError if there is no corpus or no evaluation set.

    `on_progress` is called with the number of files with fingerprints and the total.
    """
    found = _load(request.output)
    if request.fingerprints:
        check_fingerprints_target(Path(request.fingerprints))
    made_of = _made_of(request, found)
    marker = read_marker(request.output)
    up_to_date = marker if marker and marker.key == made_of.key else None
    if up_to_date and not request.fingerprints:
        return Deduplicated(up_to_date.found)
    started = time.monotonic()
    make_fingerprints(request.output, found, request.workers, on_progress)
    if request.fingerprints:
        write_fingerprints(Path(request.fingerprints), corpus_fingerprints(request.output, found))
    if up_to_date:
        return Deduplicated(up_to_date.found)
    with FingerprintIndex(files.scratch_folder(request.output)) as index, closing(Items(index)) as items:
        rows = _compare(request, found, items)
        marker = write_duplicates(request.output, made_of, items.segments, rows)
        return Deduplicated(marker.found, items.audio_ms / 3_600_000, time.monotonic() - started)


def _made_of(request: DedupRequest, found: list[SegmentsFile]) -> MadeOf:
    segments = segments_key(found)
    sets = [[path, evaluation_key(Path(path))] for path in request.against]
    key = content_key([VERSION, REVISION, segments, sets])
    return MadeOf(key=key, segments_key=segments, against=request.against)


def _compare(request: DedupRequest, found: list[SegmentsFile], items: Items) -> list[Duplicate]:
    for fingerprint in corpus_fingerprints(request.output, found):
        items.add_segment(fingerprint)
    for path in request.against:
        items.add_set(path, evaluation_fingerprints(Path(path), request.workers))
    links = Links(items)
    links.link_pairs(items.index.pairs(items.segments, links.copies))
    return list(links.rows())


def _load(output: str) -> list[SegmentsFile]:
    require_corpus(output, SEGMENTS_STAGE)
    return segment_files(Corpus.load_present(output, [SEGMENTS_STAGE]))

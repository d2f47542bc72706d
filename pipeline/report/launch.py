"""A report from a corpus, shard by shard: memory holds the list of what is shown and one shard's annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import soundfile

from pipeline.errors import SetupError
from pipeline.report.assemble import (
    Row,
    SegmentRows,
    file_stem,
    reject_detail,
    reject_item,
    segment_detail,
    segment_item,
)
from pipeline.report.duplicates import duplicates_tile, marked_among
from pipeline.report.folder import ReportFolder
from pipeline.report.overview import summary_of
from pipeline.report.page_data import ListItem
from pipeline.report.picture import peaks_of, read_flac, spectrogram_png
from pipeline.report.read import segment_rows, shard_corpus, shards_of
from pipeline.report.totals import Totals
from pipeline.storage import files
from pipeline.storage.commits import Corpus
from pipeline.storage.ownership import require_corpus
from schemas.record import Record
from schemas.tables import Table

BESIDE = (Table.CAPTIONS, Table.SPEECH, Table.MUSIC, Table.GENERAL, Table.REJECTED)
"""What is joined to the segments."""
MOST_SEGMENTS = 5000
REPORT_FOLDER = "report"


class ReportRequest(Record):
    """What to show: of the corpus `output`, `segments` drawn by `seed`; in the folder `target`."""

    output: str
    target: str | None = None
    segments: int = 500
    seed: int = 0
    title: str | None = None


class Reported(NamedTuple):
    page: Path
    segments: int
    of: int


def make_report(request: ReportRequest) -> Reported:
    """Writes the report. Raises SetupError where there is no corpus, or the folder holds something else."""
    corpus = Corpus.load_present(request.output, require_corpus(request.output))
    if not corpus.commits:
        raise SetupError(f"{request.output} holds no corpus yet: nothing was committed there")
    folder = ReportFolder(_target(request))
    try:
        totals = Totals(corpus, request.segments, request.seed)
        items = sorted(_segment_items(corpus, totals.segments.names(), folder), key=_order)
        dropped = list(_reject_items(totals.rejects.rows(), folder))
        chunks = folder.write_items([*items, *dropped])
        title = request.title or files.name_of(request.output) or "corpus"
        summary = summary_of(title, totals, len(items), len(dropped), chunks)
        duplicates = duplicates_tile(request.output)
        folder.finish(summary.model_copy(update={"tiles": (*summary.tiles, *([duplicates] if duplicates else []))}))
    except BaseException:
        folder.abandon()
        raise
    return Reported(folder.target / "index.html", len(items), totals.segment_count)


def _target(request: ReportRequest) -> Path:
    if request.target is None and not files.is_local(request.output):
        raise SetupError("a report is written to a local folder: name it by --to")
    return Path(request.target) if request.target else files.local_path(request.output) / REPORT_FOLDER


def _segment_items(corpus: Corpus, chosen: frozenset[str], folder: ReportFolder) -> Iterator[ListItem]:
    marked = marked_among(corpus.output, chosen)
    for shard in shards_of(corpus):
        part = shard_corpus(corpus, shard)
        beside = {name: SegmentRows(duplicate=marked.get(name)) for name in chosen}
        for table in BESIDE:
            for row in segment_rows(part, table, chosen):
                beside[str(row["segment_id"])].add(table, row)
        for row in segment_rows(part, Table.SEGMENTS, chosen):
            yield _add_segment(row, beside.pop(str(row["segment_id"])), folder)


def _add_segment(row: Row, rows: SegmentRows, folder: ReportFolder) -> ListItem:
    audio = row["audio"]
    data = audio["bytes"] if isinstance(audio, dict) else b""
    stem = file_stem(str(row["segment_id"]))
    try:
        samples, rate_hz = read_flac(data)
    except soundfile.LibsndfileError as error:
        raise SetupError(f"the audio of segment {stem} cannot be decoded: {error}") from error
    detail = segment_detail(
        row,
        rows,
        peaks_of(samples),
        folder.add_media(f"{stem}.flac", data),
        folder.add_media(f"{stem}.png", spectrogram_png(samples, rate_hz)),
    )
    item = segment_item(row, detail, *folder.next_place)
    folder.add_detail(detail)
    return item


def _reject_items(rows: Iterable[object], folder: ReportFolder) -> Iterator[ListItem]:
    for row in rows:
        if isinstance(row, dict):
            detail = reject_detail(row)
            yield reject_item(row, detail, *folder.next_place)
            folder.add_detail(detail)


def _order(item: ListItem) -> tuple[str, str, int]:
    return item.name, item.id.partition("-")[0], item.start_ms or 0

"""Makes a report from a corpus, shard by shard: the list of segments and one shard's annotations are in memory."""

from __future__ import annotations

import json
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import NamedTuple

import soundfile

from soundseam.annotators.flac import read_flac
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.report.assemble import Row as PageRow
from soundseam.pipeline.report.assemble import (
    SegmentRows,
    duplicates_tile,
    file_stem,
    marked_among,
    reject_detail,
    reject_item,
    segment_detail,
    segment_item,
)
from soundseam.pipeline.report.page_data import ListItem, RecordingView, ShownChapter, ShownStretch
from soundseam.pipeline.report.picture import loudness_of, peaks_of, spectrogram_png
from soundseam.pipeline.report.totals import Totals, summary_of
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.corpus import Corpus, flac_in
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.schemas.long import Chapter, RecordingCaption
from soundseam.schemas.record import Record
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import SAMPLES_FOLDER, LongTable, Table

PAGE_FILES = {
    "page.html": "index.html",
    "page.css": "page.css",
    "page.js": "page.js",
    "overview.js": "overview.js",
    "recordings.js": "recordings.js",
    "browser.js": "browser.js",
    "detail.js": "detail.js",
    "marks.js": "marks.js",
}
"""File of this package → its name in the report."""
MARK = "soundseam-report.json"
DETAILS_A_CHUNK = 16
ITEMS_A_CHUNK = 500


class ReportFolder:
    """A report for `target`: written beside it, and moved there by `finish`."""

    def __init__(self, target: Path) -> None:
        if target.exists() and not (target / MARK).is_file() and (target.is_file() or any(target.iterdir())):
            raise SetupError(f"{target} exists and is not a report: choose another --output")
        self.target = target
        self._folder = target.parent / f".tmp-report-{target.name}"
        self._details: list[Record] = []
        self._chunks = 0
        self.loudness: dict[str, tuple[int, ...]] = {}
        """segment_id → the steps of its waveform, of the segments that were added."""
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "data").mkdir(parents=True)
        (self._folder / "media").mkdir()

    def add_media(self, name: str, data: bytes) -> str:
        """Writes a file that the page shows or plays; returns its path from the page."""
        (self._folder / "media" / name).write_bytes(data)
        return f"media/{name}"

    @property
    def next_place(self) -> tuple[int, int]:
        """(chunk, place) of the next detail."""
        return self._chunks, len(self._details)

    def add_detail(self, detail: Record) -> None:
        self._details.append(detail)
        if len(self._details) == DETAILS_A_CHUNK:
            self._flush_details()

    def _flush_details(self) -> None:
        if self._details:
            self._write_data(f"detail-{self._chunks}", [_json_of(detail) for detail in self._details])
            self._chunks += 1
            self._details = []

    def write_items(self, items: Sequence[Record]) -> int:
        """Writes the list; returns its number of chunks."""
        starts = range(0, len(items), ITEMS_A_CHUNK)
        for chunk, start in enumerate(starts):
            rows = [_json_of(item) for item in items[start : start + ITEMS_A_CHUNK]]
            self._write_data(f"list-{chunk}", rows)
        return len(starts)

    def finish(self, summary: Record) -> None:
        """Writes the rest, then replaces an earlier report."""
        self._flush_details()
        self._write_data("summary", _json_of(summary))
        for source, name in PAGE_FILES.items():
            content = package_files("soundseam.pipeline.report").joinpath(source).read_bytes()
            (self._folder / name).write_bytes(content)
        (self._folder / MARK).write_text('{"kind": "soundseam report"}\n', encoding="utf-8")
        earlier = self._folder.with_name(f"{self._folder.name}-earlier")
        shutil.rmtree(earlier, ignore_errors=True)
        if self.target.exists():
            self.target.rename(earlier)
        self._folder.rename(self.target)
        shutil.rmtree(earlier, ignore_errors=True)

    def abandon(self) -> None:
        """Removes what was written, after a failure."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_data(self, name: str, value: object) -> None:
        (self._folder / "data" / f"{name}.js").write_text(script_of(name, value), encoding="utf-8")


def script_of(name: str, value: object) -> str:
    """A script that passes `value` to the page: ASCII, and without `<`, so that it cannot end an element."""
    return f"soundseam.receive({json.dumps(name)},{json.dumps(value, separators=(',', ':'))});\n".replace(
        "<", "\\u003c"
    )


def _json_of(record: Record) -> object:
    return record.model_dump(mode="json")


BESIDE = (Table.CAPTIONS, Table.SPEECH, Table.MUSIC, Table.GENERAL, Table.REJECTED)
"""The tables that are joined to the segments."""
REPORT_FOLDER = "report"


class ReportRequest(Record):
    """What to show: `segments` of the corpus `output`, drawn by `seed`; in the folder `target`."""

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
    """Writes the report. Raises SetupError if there is no corpus, or the folder holds something else."""
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
        tiles = (*summary.tiles, *([duplicates] if duplicates else []))
        recordings = recording_views(corpus, folder.loudness)
        folder.finish(summary.model_copy(update={"tiles": tiles, "recordings": recordings}))
    except BaseException:
        folder.abandon()
        raise
    return Reported(folder.target / "index.html", len(items), totals.segment_count)


def _target(request: ReportRequest) -> Path:
    if request.target is None and not files.is_local(request.output):
        raise SetupError("a report needs a local folder: give it with --output")
    return Path(request.target) if request.target else files.local_path(request.output) / REPORT_FOLDER


def _segment_items(corpus: Corpus, chosen: frozenset[str], folder: ReportFolder) -> Iterator[ListItem]:
    marked = marked_among(corpus.output, chosen)
    for shard in corpus.shards():
        part = corpus.of_shard(shard)
        beside = {name: SegmentRows(duplicate=marked.get(name)) for name in chosen}
        for table in BESIDE:
            for row in part.rows_about(table, chosen):
                beside[str(row["segment_id"])].add(table, row)
        for name, sample in _samples_about(part, chosen):
            beside[name].samples.append(sample)
        for row in part.rows_about(Table.SEGMENTS, chosen):
            yield _add_segment(row, beside.pop(str(row["segment_id"])), folder)


def _samples_about(part: Corpus, chosen: frozenset[str]) -> Iterator[tuple[str, PageRow]]:
    """(segment_id, sample) for each training sample of these segments, by their first segment."""
    for table in sorted(stage for stage in part.commits if stage.startswith(f"{SAMPLES_FOLDER}/")):
        for row in part.rows(table, list(Sample.model_fields)):
            names = row["segment_ids"]
            if isinstance(names, list) and names and names[0] in chosen:
                yield str(names[0]), row


def _add_segment(row: PageRow, rows: SegmentRows, folder: ReportFolder) -> ListItem:
    data = flac_in(row)
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
    item = segment_item(row, rows, detail, folder.next_place)
    folder.add_detail(detail)
    folder.loudness[str(row["segment_id"])] = loudness_of(samples)
    return item


def _reject_items(rows: Iterable[object], folder: ReportFolder) -> Iterator[ListItem]:
    for row in rows:
        if isinstance(row, dict):
            detail = reject_detail(row)
            yield reject_item(row, detail, *folder.next_place)
            folder.add_detail(detail)


def _order(item: ListItem) -> tuple[str, str, int]:
    return item.name, item.id.partition("-")[0], item.start_ms or 0


MAX_RECORDINGS = 12


def recording_views(corpus: Corpus, loudness: Mapping[str, Sequence[int]]) -> tuple[RecordingView, ...]:
    """The recordings with captions of which most chapters can be listened to; `loudness` is segment_id → its steps, of
    the segments on the page."""
    if LongTable.RECORDING_CAPTIONS not in corpus.commits:
        return ()
    shown = sorted(loudness)
    found: list[RecordingView] = []
    for row in corpus.rows(LongTable.RECORDING_CAPTIONS):
        caption = RecordingCaption.model_validate(row)
        first = bisect_left(shown, caption.recording_id)
        names = shown[first : bisect_left(shown, f"{caption.recording_id}~")]
        if names:
            found.append(_view(caption, names, loudness))
            found.sort(key=lambda view: (-sum(bool(one.audio) for one in view.chapters), view.name))
            del found[MAX_RECORDINGS:]
    return tuple(found)


def _view(caption: RecordingCaption, names: Sequence[str], loudness: Mapping[str, Sequence[int]]) -> RecordingView:
    return RecordingView(
        name=caption.source_uri.rstrip("/").rpartition("/")[2],
        duration_ms=caption.duration_ms,
        summary=caption.long_summary.text,
        chapters=tuple(_chapter(chapter, frozenset(names)) for chapter in caption.chapters),
        waveform=tuple(_stretch(name, loudness[name]) for name in names),
    )


def _chapter(chapter: Chapter, shown: frozenset[str]) -> ShownChapter:
    return ShownChapter(
        start_ms=chapter.start_ms,
        end_ms=chapter.end_ms,
        title=chapter.title,
        sentence=chapter.sentence,
        event_class=chapter.event_class or "",
        audio=tuple(f"media/{file_stem(name)}.flac" for name in chapter.segment_ids if name in shown),
    )


def _stretch(name: str, steps: Sequence[int]) -> ShownStretch:
    start_ms, end_ms = map(int, name.rsplit("-", 2)[1:])
    return ShownStretch(start_ms=start_ms, end_ms=end_ms, loudness=tuple(steps))

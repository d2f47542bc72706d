"""The numbers of a corpus, and the choice of segments to show: one pass over a few columns, never the audio."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from soundseam.pipeline.inspection import percentile
from soundseam.pipeline.report.page_data import Bar, Bars, HistogramView, Summary, Tile
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.tables import RECORD_OF, SAMPLES_FOLDER, Table, arrow_schema

MAX_BINS, FEWEST_BINS = 60, 8
MIN_VALUE, MAX_VALUE = -1e6, 1e6


class Histogram:
    """Counts of numbers in bins `[n * step, (n + 1) * step)`, clamped to `low` and `high`; their median is exact."""

    def __init__(self, title: str, note: str, unit: str, step: float, low: float, high: float) -> None:
        self.title, self.note, self.unit = title, note, unit
        self._per_unit = 1 / step
        self._first, self._last = round(low / step), round(high / step) - 1
        self._bins: Counter[int] = Counter()
        self._thousandths: Counter[int] = Counter()

    @property
    def total(self) -> int:
        return self._bins.total()

    def add(self, value: object) -> None:
        """Counts a number; null and other values are ignored."""
        if isinstance(value, int | float) and value == value:  # noqa: PLR0124  # a NaN differs from itself
            place = (value * self._per_unit) // 1
            self._bins[int(min(max(place, self._first), self._last))] += 1
            self._thousandths[round(min(max(value, MIN_VALUE), MAX_VALUE) * 1000)] += 1

    def view(self) -> HistogramView:
        """The bins from the first to the last with counts; wide ranges in fewer, wider bins."""
        first, last = (min(self._bins), max(self._bins)) if self._bins else (0, 0)
        bins = min(MAX_BINS, max(FEWEST_BINS, 2 * math.isqrt(self.total)))  # few values in few bins
        merge = -(-(last - first + 1) // bins)
        first -= first % merge
        counts = [0] * ((last - first) // merge + 1)
        for place, count in self._bins.items():
            counts[(place - first) // merge] += count
        return HistogramView(
            title=self.title,
            note=self.note,
            unit=self.unit,
            start=round(first / self._per_unit, 6),
            step=round(merge / self._per_unit, 6),
            counts=tuple(counts),
            total=self.total,
            median=percentile(self._thousandths, 0.5) / 1000,
        )


Row = Mapping[str, object]

UNSAID = "not stated"
SPEECH_COLUMNS = ("voice.snr_db", "transcript.agreement", "transcript.language", "dnsmos.overall")
CLAIM_COLUMNS = ("claims.list.element.verdict", "claims.list.element.probability")


class Sampler:
    """The `count` rows of lowest rank: equal for the same corpus and seed, in any order of rows."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._heap: list[tuple[int, str, object]] = []

    def offer(self, name: str, row: object = None) -> None:
        rank = -int.from_bytes(hashlib.sha256(f"{self._seed}:{name}".encode()).digest()[:12], "big")
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, (rank, name, row))
        elif self._count and (rank, name) > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (rank, name, row))

    def names(self) -> frozenset[str]:
        return frozenset(name for _, name, _ in self._heap)

    def rows(self) -> list[object]:
        return [row for _, _, row in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


class Totals:
    """The counts for tiles, bars and histograms; `segments` and `rejects` are the rows to show."""

    def __init__(self, corpus: Corpus, count: int, seed: int) -> None:
        self.segments = Sampler(count, seed)
        self.rejects = Sampler(count, seed)
        self.recordings = self.audio_ms = 0
        self.segment_count = self.segment_ms = 0
        self.captions = self.verified = 0
        self.licenses: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.branches: Counter[str] = Counter()
        self.class_ms: dict[str, float] = {}
        self.boundaries: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.rejected: Counter[tuple[str, str]] = Counter()
        self.lengths = Histogram("Segment lengths", "", "s", 0.5, 0, 600)
        self.snr = Histogram("Speech over noise", "level in speech over the level between", "dB", 2, -20, 80)
        self.agreement = Histogram("Agreement of transcripts", "1 − word error rate between systems", "", 0.05, 0, 1)
        self.quality = Histogram("Speech quality", "overall score that DNSMOS predicts, 1 to 5", "", 0.25, 1, 5)
        self.probability = Histogram("P(claim)", "that a claim holds, as the verifier has it", "", 0.05, 0, 1)
        self.tasks = _task_rows(corpus)
        self._read(corpus)

    def _read(self, corpus: Corpus) -> None:
        for row in corpus.rows(Table.RECORDINGS, ["recording_id", "duration_ms", "license"]):
            self.recordings += 1
            self.audio_ms += _number(row["duration_ms"])
        for row in corpus.rows(Table.SEGMENTS, _SEGMENT_COLUMNS):
            self._add_segment(row)
        for row in corpus.rows(Table.SPEECH, ["recording_id", *_known(Table.SPEECH, SPEECH_COLUMNS)]):
            self._add_speech(row)
        for row in corpus.rows(Table.CAPTIONS, ["recording_id", "verified", *CLAIM_COLUMNS]):
            self._add_caption(row)
        for row in corpus.rows(Table.REJECTED, list(arrow_schema(RECORD_OF[Table.REJECTED]).names)):
            self.rejected[str(row["stage"]), str(row["reason"])] += 1
            if row["segment_id"] is None:
                self.rejects.offer(f"{row['source_uri']} {row['stage']} {row['start_ms']} {row['detail']}", row)

    def _add_segment(self, row: Row) -> None:
        length_ms = _number(row["end_ms"]) - _number(row["start_ms"])
        self.segment_count += 1
        self.segment_ms += length_ms
        self.lengths.add(length_ms / 1000)
        self.licenses[str(row["license"] or UNSAID)] += length_ms
        self.branches.update(map(str, _list(row["branches"])))
        self.boundaries[str(_nested(row, "end_boundary.reason"))] += 1
        if row["language"] is not None:
            self.languages[str(row["language"])] += 1
        for entry in _list(row["profile"]):
            name = str(entry["class"])
            self.class_ms[name] = self.class_ms.get(name, 0.0) + float(str(entry["share"])) * length_ms
        self.segments.offer(str(row["segment_id"]))

    def _add_speech(self, row: Row) -> None:
        self.snr.add(_nested(row, "voice.snr_db"))
        self.agreement.add(_nested(row, "transcript.agreement"))
        self.quality.add(_nested(row, "dnsmos.overall"))
        language = _nested(row, "transcript.language")
        if language is not None:
            self.languages[str(language)] += 1

    def _add_caption(self, row: Row) -> None:
        self.captions += 1
        self.verified += row["verified"] is True
        for claim in _list(row["claims"]):
            self.verdicts[str(claim["verdict"] or "unverified")] += 1
            self.probability.add(claim["probability"])


_SEGMENT_COLUMNS = [
    "recording_id",
    "segment_id",
    "start_ms",
    "end_ms",
    "branches",
    "profile",
    "license",
    "language",
    "end_boundary.reason",
]


def _known(table: Table, paths: tuple[str, ...]) -> Iterator[str]:
    """The `paths` that exist in the table's schema."""
    schema = arrow_schema(RECORD_OF[table])
    for path in paths:
        outer, _, inner = path.partition(".")
        if outer in schema.names and schema.field(outer).type.get_field_index(inner) >= 0:
            yield path


def _task_rows(corpus: Corpus) -> Counter[str]:
    """Training samples, task by task."""
    rows: Counter[str] = Counter()
    for commits in corpus.commits.values():
        for commit in commits:
            for entry in commit.files:
                folder, _, task = entry.table.partition("/")
                if folder == SAMPLES_FOLDER:
                    rows[task] += entry.rows
    return rows


def _nested(row: Row, path: str) -> object:
    value: object = row
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _list(value: object) -> Sequence[Row]:
    return value if isinstance(value, list) else ()


MAX_BARS = 12


def summary_of(title: str, totals: Totals, shown: int, shown_rejects: int, list_chunks: int) -> Summary:
    histograms = (totals.lengths, totals.snr, totals.agreement, totals.probability, totals.quality)
    return Summary(
        title=title,
        version=version("soundseam"),
        tiles=tuple(_tiles(totals)),
        bars=tuple(bars for bars in _bars(totals) if bars.bars),
        histograms=tuple(histogram.view() for histogram in histograms if histogram.total),
        rejected=tuple((stage, reason, rows) for (stage, reason), rows in totals.rejected.most_common()),
        shown=shown,
        of=totals.segment_count,
        shown_rejects=shown_rejects,
        list_chunks=list_chunks,
    )


def _tiles(totals: Totals) -> list[Tile]:
    claims = totals.verdicts.total()
    checked = claims - totals.verdicts["unverified"]
    tiles = [
        Tile(name="audio", value=duration(totals.segment_ms), note=f"in segments, of {duration(totals.audio_ms)} read"),
        Tile(name="segments", value=f"{totals.segment_count:,}", note=f"of {totals.recordings:,} recordings"),
        Tile(name="captions", value=f"{totals.captions:,}", note=_verified(totals)),
        Tile(
            name="claims",
            value=f"{claims:,}",
            note=f"{checked:,} checked by a verifier" if checked else "none checked yet",
        ),
        Tile(name="rejected", value=f"{totals.rejected.total():,}", note=_reasons(totals)),
    ]
    if totals.tasks:
        tiles.append(
            Tile(name="training samples", value=f"{totals.tasks.total():,}", note=f"of {len(totals.tasks):,} tasks")
        )
    return tiles


def _verified(totals: Totals) -> str:
    return f"{totals.verified:,} verified" if totals.verified else "none verified yet"


def _reasons(totals: Totals) -> str:
    reasons = len({reason for _, reason in totals.rejected})
    return f"for {reasons:,} reason{'s' if reasons > 1 else ''}" if reasons else "nothing was dropped"


def _bars(totals: Totals) -> list[Bars]:
    branches = [
        Bar(name=name, value=count, shown=f"{count:,}", facet="branch") for name, count in totals.branches.most_common()
    ]
    classes = [
        Bar(name=name, value=round(ms), shown=_share(ms, totals.segment_ms), facet="class")
        for name, ms in sorted(totals.class_ms.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    verdicts = [
        Bar(name=name, value=count, shown=f"{count:,}", facet="verdict")
        for name, count in totals.verdicts.most_common()
    ]
    licenses = [Bar(name=name, value=ms, shown=duration(ms)) for name, ms in totals.licenses.most_common(MAX_BARS)]
    return [
        Bars(title="Branches", note="segments; one may go to several", bars=tuple(branches)),
        Bars(title="Classes", note="share of the time; classes may sound at once", bars=tuple(classes)),
        Bars(title="Claims", note="by what a verifier said", bars=tuple(verdicts)),
        Bars(
            title="Languages", note="segments, as recognised or as the manifest has it", bars=_counts(totals.languages)
        ),
        Bars(title="Ends of segments", note="why a segment ends where it does", bars=_counts(totals.boundaries)),
        Bars(title="Licences", note="time in segments", bars=tuple(licenses)),
        Bars(title="Tasks", note="training samples", bars=_counts(totals.tasks, len(totals.tasks))),
    ]


def _counts(counter: Counter[str], most: int = MAX_BARS) -> tuple[Bar, ...]:
    return tuple(
        Bar(name=name.replace("_", " "), value=count, shown=f"{count:,}") for name, count in counter.most_common(most)
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def duration(ms: float) -> str:
    """A length of time, short: 45 s, 4.2 min, 12.5 h, 3,400 h."""
    seconds = ms / 1000
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"

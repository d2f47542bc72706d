"""A corpus in numbers, and the segments that are shown of it: one pass over a few columns, never the audio."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pipeline.inspection import committed_rows
from pipeline.report.histogram import Histogram
from pipeline.storage.commits import Corpus
from schemas.arrow import arrow_schema
from schemas.tables import RECORD_OF, SAMPLES_FOLDER, Table

Row = Mapping[str, object]

UNSAID = "not stated"
SPEECH_COLUMNS = ("voice.snr_db", "transcript.agreement", "transcript.language", "dnsmos.overall")
CLAIM_COLUMNS = ("claims.list.element.verdict", "claims.list.element.probability")


class Sampler:
    """The `count` rows of least rank: the same for the same corpus and seed, in whatever order they come."""

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
    """What the tiles, the bars and the histograms count; `segments` and `rejects` have what is shown."""

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
        for row in committed_rows(corpus, Table.RECORDINGS, ["recording_id", "duration_ms", "license"]):
            self.recordings += 1
            self.audio_ms += _number(row["duration_ms"])
        for row in committed_rows(corpus, Table.SEGMENTS, _SEGMENT_COLUMNS):
            self._add_segment(row)
        for row in committed_rows(corpus, Table.SPEECH, ["recording_id", *_known(Table.SPEECH, SPEECH_COLUMNS)]):
            self._add_speech(row)
        for row in committed_rows(corpus, Table.CAPTIONS, ["recording_id", "verified", *CLAIM_COLUMNS]):
            self._add_caption(row)
        for row in committed_rows(corpus, Table.REJECTED, list(arrow_schema(RECORD_OF[Table.REJECTED]).names)):
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
    """Those of `paths` that the table's schema has."""
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

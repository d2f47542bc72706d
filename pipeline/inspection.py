"""The numbers of a corpus, complete or not: from its markers and a few columns of its tables, never the audio."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self, TypeVar

from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.doctor import examine_machine
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, Commit, stages_in
from soundseam.pipeline.storage.corpus import ANNOTATIONS, Corpus
from soundseam.pipeline.work import LEFT_OUT, LIST_STAGE, SEGMENTS_STAGE
from soundseam.schemas.long import RecordingCaption
from soundseam.schemas.record import Record
from soundseam.schemas.tables import LongTable, Table

NOT_LOST = ("duplicate", "conflicting_entries", "unknown_language", LEFT_OUT)
"""Reasons of rejects in the listing whose audio is nevertheless in the corpus."""

Row = Mapping[str, object]
NumberT = TypeVar("NumberT", int, float)


class RejectCount(Record):
    stage: str
    reason: str
    rows: int


class SampleCaption(Record):
    segment_id: str
    caption: str


class Inspection(Record):
    """The numbers of a corpus. Shares and lengths are over its segments."""

    recordings: int
    """Source files that were decoded."""
    audio_ms: int
    segments: int
    segments_ms: int
    median_ms: int
    p95_ms: int
    branches: tuple[tuple[str, int], ...]
    """(branch, number of segments), most first; a segment may have several branches."""
    classes: tuple[tuple[str, float], ...]
    """(class, share of the segments' time), largest first; classes may overlap."""
    annotations: tuple[tuple[str, int], ...]
    """(stage, rows)."""
    captions: int
    filtered: int
    """Number of filtered captions."""
    windows: int = 0
    """Stretches of several segments, by `soundseam long`."""
    recording_captions: int = 0
    """Recordings with a caption of their own, by the same."""
    rejected: tuple[RejectCount, ...]
    """In order of stage, most first."""
    inputs_with_segments: int
    inputs_without_segments: int
    """Files that were found and gave no segment, except duplicates."""
    segments_without_caption: int
    """Segments without a caption, except those whose caption was filtered."""

    @property
    def reject_rate(self) -> float:
        """The larger of two shares: files without a segment, and segments without a caption."""
        inputs = self.inputs_with_segments + self.inputs_without_segments
        return max(
            self.inputs_without_segments / inputs if inputs else 0.0,
            self.segments_without_caption / self.segments if self.segments else 0.0,
        )


class Counts(Record):
    """Numbers that can be added."""

    def __add__(self, other: Self) -> Self:
        """Both together; they have no recording in common."""
        more = dict(other)
        return self.model_copy(update={name: _sum(value, more[name]) for name, value in self})


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping):
        return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
    return one + other


class CorpusCounts(Counts):
    """The numbers of a corpus, or of one shard."""

    recordings: int = 0
    audio_ms: int = 0
    with_segments: int = 0
    """Recordings with a segment."""
    listed_with_segments: int = 0
    """The same of those that are among the inputs of the run."""
    covered: int = 0
    """Recordings for which segmentation is done, with or without rows."""
    segments: int = 0
    lengths: Mapping[int, int] = {}
    """length in ms → segments."""
    branches: Mapping[str, int] = {}
    class_ms: Mapping[str, float] = {}
    annotations: Mapping[str, int] = {}
    captions: int = 0
    filtered: int = 0
    windows: int = 0
    recording_captions: int = 0
    rejects: Mapping[str, int] = {}
    """`<stage> <reason>` → rows."""


def count_corpus(corpus: Corpus, unlisted: Collection[str] = frozenset()) -> CorpusCounts:
    """Reads what is committed; `unlisted` are recordings that are not among the inputs of the run."""
    recordings = [
        (str(row["recording_id"]), _number(row["duration_ms"]), _number(row["segment_count"]) > 0)
        for row in corpus.rows(Table.RECORDINGS, ["recording_id", "duration_ms", "segment_count"])
    ]
    with_segments = [name for name, _, has_segments in recordings if has_segments]
    lengths: Counter[int] = Counter()
    branches: Counter[str] = Counter()
    class_ms: Counter[str] = Counter()
    for row in corpus.rows(Table.SEGMENTS, ["recording_id", "start_ms", "end_ms", "branches", "profile"]):
        length_ms = _number(row["end_ms"]) - _number(row["start_ms"])
        lengths[length_ms] += 1
        branches.update(_strings(row["branches"]))
        profile = row["profile"]
        for entry in profile if isinstance(profile, list) else ():
            class_ms[entry["class"]] += entry["share"] * length_ms
    captions, filtered = (
        sum(1 for _ in corpus.rows(table, ["recording_id"])) for table in (Table.CAPTIONS, Table.FILTERED)
    )
    return CorpusCounts(
        recordings=len(recordings),
        audio_ms=sum(length_ms for _, length_ms, _ in recordings),
        with_segments=len(with_segments),
        listed_with_segments=sum(name not in unlisted for name in with_segments),
        covered=len(corpus.keys(SEGMENTS_STAGE)),
        segments=lengths.total(),
        lengths=lengths,
        branches=branches,
        class_ms=class_ms,
        annotations=dict(_annotation_rows(corpus)),
        captions=captions,
        filtered=filtered,
        windows=_rows_in(corpus, LongTable.WINDOWS),
        recording_captions=_rows_in(corpus, LongTable.RECORDING_CAPTIONS),
        rejects=Counter(f"{row['stage']} {row['reason']}" for row in _rejected(corpus)),
    )


def inspect_corpus(output: str) -> Inspection:
    """Reads what is committed; memory only grows with the number of recordings."""
    return inspection_of(count_corpus(Corpus.load_present(output, stages_in(output))))


def inspection_of(counts: CorpusCounts) -> Inspection:
    split = ((name.partition(" "), rows) for name, rows in counts.rejects.items())
    rejects = [(stage, reason, rows) for (stage, _, reason), rows in split]
    lost_in_list = sum(rows for stage, reason, rows in rejects if stage == LIST_STAGE and reason not in NOT_LOST)
    lengths = Counter(counts.lengths)
    total_ms = sum(length * times for length, times in lengths.items())
    return Inspection(
        recordings=counts.recordings,
        audio_ms=counts.audio_ms,
        segments=counts.segments,
        segments_ms=total_ms,
        median_ms=percentile(lengths, 0.5),
        p95_ms=percentile(lengths, 0.95),
        branches=tuple(_largest_first(counts.branches)),
        classes=tuple((name, round(ms / total_ms, 3)) for name, ms in _largest_first(counts.class_ms) if total_ms),
        annotations=tuple(sorted(counts.annotations.items())),
        captions=counts.captions,
        filtered=counts.filtered,
        windows=counts.windows,
        recording_captions=counts.recording_captions,
        rejected=tuple(
            RejectCount(stage=stage, reason=reason, rows=rows)
            for stage, reason, rows in sorted(rejects, key=lambda item: (item[0], -item[2], item[1]))
        ),
        inputs_with_segments=counts.with_segments,
        inputs_without_segments=counts.covered - counts.with_segments + lost_in_list,
        segments_without_caption=max(0, counts.segments - counts.captions - counts.filtered),
    )


def _largest_first(counts: Mapping[str, NumberT]) -> list[tuple[str, NumberT]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def count_with_segments(output: str, recording_ids: Collection[str]) -> int:
    """Number of these recordings with a segment."""
    corpus = Corpus.load_present(output, [SEGMENTS_STAGE])
    rows = corpus.rows(Table.RECORDINGS, ["recording_id", "segment_count"])
    return sum(row["recording_id"] in recording_ids and _number(row["segment_count"]) > 0 for row in rows)


def sample_captions(output: str, count: int, seed: int) -> list[SampleCaption]:
    """`count` captions, equal for the same corpus and seed, independent of the order of its files."""

    def rank(segment_id: str) -> bytes:
        return hashlib.sha256(f"{seed}:{segment_id}".encode()).digest()

    corpus = Corpus.load_present(output, stages_in(output))
    rows = corpus.rows(Table.CAPTIONS, ["recording_id", "segment_id", "caption"])
    captions = (SampleCaption(segment_id=str(row["segment_id"]), caption=str(row["caption"])) for row in rows)
    return heapq.nsmallest(count, captions, key=lambda sample: rank(sample.segment_id))


def sample_chapters(output: str) -> RecordingCaption | None:
    """The caption of the recording with most chapters, of those with the same number the first in order of id."""
    corpus = Corpus.load_present(output, [LongTable.RECORDING_CAPTIONS])
    rows = map(RecordingCaption.model_validate, corpus.rows(LongTable.RECORDING_CAPTIONS))
    return min(rows, key=lambda row: (-len(row.chapters), row.recording_id), default=None)


def _rejected(corpus: Corpus) -> Iterator[Row]:
    return corpus.rows(Table.REJECTED, ["recording_id", "stage", "reason"])


def _annotation_rows(corpus: Corpus) -> Iterator[tuple[str, int]]:
    for stage, commits in corpus.commits.items():
        rows = sum(_rows_of_commit(commit) for commit in commits)
        if stage.startswith(ANNOTATIONS):
            yield stage, rows


def _rows_in(corpus: Corpus, table: LongTable) -> int:
    return sum(1 for _ in corpus.rows(table, ["recording_id"])) if table in corpus.commits else 0


def _rows_of_commit(commit: Commit) -> int:
    return sum(entry.rows for entry in commit.files if entry.table is not Table.REJECTED)


def percentile(counts: Counter[int], share: float) -> int:
    """The smallest value that at least `share` of all do not exceed; 0 if there is none."""
    wanted, seen = share * counts.total(), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return 0


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


class StageUsage(Record):
    """One stage's use of model servers."""

    stage: str
    usage: Usage


class RunTotals(Record):
    """What a run did, or one part of it."""

    recordings_done: int
    """Recordings with something to do that this run finished."""
    recordings_up_to_date: int = 0
    """Inputs with nothing to do."""
    recordings_tried_again: int = 0
    """Recordings that an earlier run had lost to temporary faults."""
    stages: tuple[str, ...] = ()
    """The stages with something to do; the others were up to date."""
    all_stages: bool = True
    recordings_given_up: int
    audio_ms: int
    """Length of the recordings that this run processed."""
    seconds: float
    workers: int
    unavailable: tuple[str, ...]
    """Optional backends that could not load, and why."""
    asked: tuple[StageUsage, ...] = ()
    """For a local run; a cluster's job has Beam counters of the same names."""
    requests: tuple[tuple[str, int], ...] = ()
    """(kind, number of requests to object stores), most first; on a cluster only of the launcher."""


class PartSummary(RunTotals):
    """One part of a run; the whole run, when its parts are done, gives the corpus."""

    part: str
    """As in `3/8`."""
    unusable: int
    """Inputs of the part that cannot be used; the whole run commits why."""


class RunSummary(RunTotals):
    """`_run/summary.json`: the corpus after a run, and what that run did."""

    corpus: Inspection
    reject_rate: float
    """The larger of two shares: files without a segment (except duplicates), segments without a caption."""
    inputs_with_segments: int
    """Number of this run's inputs with segments, from this or an earlier run."""
    recordings_to_retry: int
    """Lost to temporary faults, such as a missing file: the next run tries them again."""
    recordings_retried_in_vain: int
    """Lost to temporary faults as often as `--retries` allows: they stay rejected."""


def write_configuration(output: str, config: RunConfig) -> None:
    """`_run/config.json`, complete with defaults, and `_run/versions.json`."""
    machine = examine_machine()
    _write(output, "config.json", config)
    _write(output, "versions.json", Versions(python=machine.python, system=machine.system, packages=machine.packages))


class Versions(Record):
    """The software versions of a run."""

    python: str
    system: str
    packages: tuple[tuple[str, str | None], ...]


def write_summary(output: str, summary: RunSummary) -> None:
    _write(output, "summary.json", summary)


def _write(output: str, name: str, record: Record) -> None:
    files.write_atomically(
        files.join(output, RUN_FOLDER, name), (record.model_dump_json(indent=1, by_alias=False) + "\n").encode()
    )

"""Decides which captions of a corpus are filtered, and why. The result depends only on the captions and the options.

Two passes over the shards. The first checks each caption alone, then against the unfiltered ones before it (in order of
shard and segment), and counts the openings of the rest. The second removes openings that are too common.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from soundseam.pipeline.filters.checks import FilterReason, Finding, check_alone
from soundseam.pipeline.filters.config import Collapse, FilterConfig
from soundseam.pipeline.filters.marks import Decision, Marks
from soundseam.pipeline.filters.near_duplicates import NearDuplicateIndex
from soundseam.pipeline.storage.commits import Commit
from soundseam.pipeline.storage.corpus import Corpus, rows_of_file
from soundseam.pipeline.work import CAPTIONS_STAGE, FILTER_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.record import draw
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

HOLDING = (Table.CAPTIONS, Table.FILTERED)
"""The tables with captions, unfiltered and filtered."""


class CaptionText(NamedTuple):
    """A caption without its claims."""

    segment_id: str
    recording_id: str
    text: str


@dataclass(frozen=True)
class HeldCommit:
    """What one commit holds. Of dead recordings, which another commit covers, nothing is decided."""

    output: str
    commit: Commit
    live: frozenset[str]

    def captions(self) -> list[Caption]:
        """All of them, whether they are filtered now or not, in order of segment."""
        rows = (row for table in HOLDING for row in self._rows(table))
        return sorted(map(Caption.model_validate, rows), key=attrgetter("segment_id"))

    def texts(self) -> dict[Table, list[CaptionText]]:
        """The same without their claims, by where they are."""
        return {
            table: [
                CaptionText(str(row["segment_id"]), str(row["recording_id"]), str(row["caption"]))
                for row in self._rows(table, ("segment_id", "recording_id", "caption"))
            ]
            for table in HOLDING
        }

    def rejected(self) -> tuple[list[Rejected], list[Rejected]]:
        """What the stage captions rejected, in its order, and what filters did."""
        rows = [Rejected.model_validate(row) for row in self._rows(Table.REJECTED)]
        return [row for row in rows if row.stage != FILTER_STAGE], [row for row in rows if row.stage == FILTER_STAGE]

    def _rows(self, table: Table, columns: Sequence[str] | None = None) -> Iterator[Mapping[str, object]]:
        for entry in self.commit.files:
            if entry.table == table:
                yield from rows_of_file(self.output, entry, columns)


def commits_of(corpus: Corpus, shard: int) -> list[HeldCommit]:
    """The commits of one shard's captions."""
    return [HeldCommit(corpus.output, *pair) for pair in corpus.of_shard(shard).live(CAPTIONS_STAGE)]


def segments_of(output: str, shard: int, held: Iterable[HeldCommit]) -> dict[str, Segment]:
    """segment_id → segment, without audio, of the live recordings in `held`."""
    wanted = {name: "" for one in held for name in one.live}
    corpus = Corpus.load(output, [SEGMENTS_STAGE], shard)
    return {segment.segment_id: segment for segment in corpus.segments(wanted)}


_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+(?:['\u2019][^\W_]+)*")


class Openings:
    """A random number per caption, by opening: 8 bytes each."""

    def __init__(self, config: Collapse) -> None:
        self._config = config
        self._lots: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._total = 0

    def count(self, name: str, text: str) -> None:
        self._total += 1
        self._lots[self.opening_of(text)].append(self._lot(name))

    def limits(self) -> Limits:
        """After all are counted: the openings that are too common, and which of their captions remain."""
        allowed = max(self._config.least, int(self._config.share * self._total))
        over = {opening: lots for opening, lots in self._lots.items() if len(lots) > allowed}
        thresholds = {opening: sorted(lots)[allowed - 1] for opening, lots in over.items()}
        counts = {opening: len(lots) for opening, lots in over.items()}
        return Limits(self, thresholds, counts, self._total)

    def opening_of(self, text: str) -> str:
        units = _UNIT.findall(text.lower())
        return " ".join(units[: self._config.words])

    def remains(self, name: str, threshold: float) -> bool:
        return self._lot(name) <= threshold

    def _lot(self, name: str) -> float:
        return draw(self._config.seed, "opening", name)


class Limits:
    """The limits on common openings, applied caption by caption."""

    def __init__(
        self, openings: Openings, thresholds: Mapping[str, float], counts: Mapping[str, int], total: int
    ) -> None:
        self._openings, self._thresholds, self._counts, self._total = openings, thresholds, counts, total

    def excess(self, name: str, text: str) -> str | None:
        """Why a caption is filtered for its opening; None if it remains."""
        opening = self._openings.opening_of(text)
        threshold = self._thresholds.get(opening)
        if threshold is None or self._openings.remains(name, threshold):
            return None
        return f"{self._counts[opening]:,} of {self._total:,} captions begin with {opening!r}"


Progress = Callable[[int, int], None]
"""Called with the number of shards read and the total: each is read twice."""
Findings = Mapping[str, tuple[Finding, ...]]
"""segment_id → the findings about its caption, for captions with any."""


@dataclass(frozen=True)
class Decided:
    """The decisions about one commit."""

    held: HeldCommit
    filtered: frozenset[str]
    """segment_ids of filtered captions; for dead recordings, those that were filtered before."""
    rejected: tuple[Rejected, ...]
    """The filters' rows, in order of segment."""
    is_new: bool
    """Whether any of this differs from what is committed."""


class Decisions:
    """The first pass's findings in a scratch folder, shard by shard, completed by the second pass."""

    def __init__(self, corpus: Corpus, config: FilterConfig, scratch: Path, marks: Marks) -> None:
        self._corpus, self._config, self._scratch, self._marks = corpus, config, scratch, marks
        self.captions = 0
        self.reasons: Counter[FilterReason] = Counter()
        self.filtered = 0

    def __call__(self, progress: Progress) -> Iterator[Decided]:
        """Every commit, in order of shard."""
        shards = self._corpus.shards()
        limits = self._first_pass(shards, progress)
        for done, shard in enumerate(shards, len(shards) + 1):
            held = commits_of(self._corpus, shard)
            segments = segments_of(self._corpus.output, shard, held)
            findings = self._load(shard)
            for one in held:
                yield self._decide(one, segments, findings, limits)
            progress(done, 2 * len(shards))

    def _first_pass(self, shards: list[int], progress: Progress) -> Limits:
        near = self._config.near_duplicates
        index = NearDuplicateIndex(near) if near.enabled else None
        openings = Openings(self._config.collapse)
        for done, shard in enumerate(shards, 1):
            held = commits_of(self._corpus, shard)
            segments = segments_of(self._corpus.output, shard, held)
            captions = [
                caption
                for one in held
                for caption in one.captions()
                if caption.recording_id in one.live and caption.segment_id in segments
            ]
            found: dict[str, tuple[Finding, ...]] = {}
            for caption in sorted(captions, key=lambda caption: caption.segment_id):
                findings = self._findings(caption, segments[caption.segment_id], index)
                if findings:
                    found[caption.segment_id] = findings
                elif not self._is_accepted(caption.segment_id):
                    openings.count(caption.segment_id, caption.caption)
            self.captions += len(captions)
            self._save(shard, found)
            progress(done, 2 * len(shards))
        return openings.limits()

    def _findings(self, caption: Caption, segment: Segment, index: NearDuplicateIndex | None) -> tuple[Finding, ...]:
        """What is wrong with a caption, except a common opening. A mark decides alone."""
        mark = self._marks.get(caption.segment_id)
        if mark is not None and mark.mark is not Decision.NONE:
            is_rejected = mark.mark is Decision.REJECT
            return (Finding(FilterReason.MARKED, mark.comment or "no comment"),) if is_rejected else ()
        findings = tuple(check_alone(caption, segment, self._config))
        return findings if findings or index is None else self._compare(caption, index)

    def _is_accepted(self, segment_id: str) -> bool:
        return segment_id in self._marks and self._marks[segment_id].mark is Decision.ACCEPT

    def _compare(self, caption: Caption, index: NearDuplicateIndex) -> tuple[Finding, ...]:
        sketch, alike = index.look_up(caption.caption)
        if len(alike) < self._config.near_duplicates.keep:
            index.keep(caption.segment_id, sketch)
            return ()
        nearest = alike[0]
        detail = f"{nearest.similarity:.2f} similar to that of {nearest.name}, and {len(alike) - 1} more are kept"
        return (Finding(FilterReason.NEAR_DUPLICATE, f"{detail}: {caption.caption!r}"),)

    def _decide(self, held: HeldCommit, segments: Mapping[str, Segment], findings: Findings, limits: Limits) -> Decided:
        texts, (_, before) = held.texts(), held.rejected()
        was = {one.segment_id for one in texts[Table.FILTERED]}
        filtered = {one.segment_id for one in texts[Table.FILTERED] if one.recording_id not in held.live}
        rejected: list[Rejected] = []
        for one in sorted(caption for table in HOLDING for caption in texts[table]):
            if one.recording_id not in held.live or one.segment_id not in segments:
                continue
            found = findings.get(one.segment_id, ())
            if not found and self._config.collapse.enabled and not self._is_accepted(one.segment_id):
                excess = limits.excess(one.segment_id, one.text)
                found = (Finding(FilterReason.COMMON_OPENING, excess),) if excess else ()
            if found:
                filtered.add(one.segment_id)
                self.filtered += 1
            for finding in found:
                self.reasons[finding.reason] += 1
                rejected.append(
                    Rejected.of_segment(segments[one.segment_id], FILTER_STAGE, finding.reason, finding.detail)
                )
        is_new = (filtered, rejected) != (was, before)
        return Decided(held, frozenset(filtered), tuple(rejected), is_new)

    def _save(self, shard: int, found: Findings) -> None:
        content = {name: [[finding.reason, finding.detail] for finding in findings] for name, findings in found.items()}
        (self._scratch / f"{shard}.json").write_text(json.dumps(content), encoding="utf-8")

    def _load(self, shard: int) -> dict[str, tuple[Finding, ...]]:
        content = json.loads((self._scratch / f"{shard}.json").read_text(encoding="utf-8"))
        return {
            name: tuple(Finding(FilterReason(reason), detail) for reason, detail in findings)
            for name, findings in content.items()
        }

"""Which captions of a corpus are filtered, and why: equal captions and options, equal answers, whatever was before.

Two passes over the shards. The first checks each caption alone, then against those that are kept before it (in order of
shard and segment), and counts how those begin that are left. The second knows what is too common.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.filters.checks import FilterReason, Finding, check_alone
from pipeline.filters.config import FilterConfig
from pipeline.filters.held import HOLDING, HeldCommit, commits_of, segments_of, shards_of
from pipeline.filters.near_duplicates import NearDuplicateIndex
from pipeline.filters.openings import Limits, Openings
from pipeline.storage.commits import Corpus
from pipeline.work import FILTER_STAGE
from schemas.caption import Caption
from schemas.rejected import Rejected
from schemas.segment import Segment
from schemas.tables import Table

Progress = Callable[[int, int], None]
"""Told how many shards were read, and of how many: each is read twice."""
Findings = Mapping[str, tuple[Finding, ...]]
"""segment_id → what is wrong with its caption, for those with which anything is."""


@dataclass(frozen=True)
class Decided:
    """What becomes of one commit."""

    held: HeldCommit
    filtered: frozenset[str]
    """segment_ids of the captions that are filtered; of dead recordings those that were."""
    rejected: tuple[Rejected, ...]
    """By the filters, in order of segment."""
    is_new: bool
    """Whether anything of that differs from what is committed."""


class Decisions:
    """The first pass's findings in a scratch folder, shard by shard, and what the second adds to them."""

    def __init__(self, corpus: Corpus, config: FilterConfig, scratch: Path) -> None:
        self._corpus, self._config, self._scratch = corpus, config, scratch
        self.captions = 0
        self.reasons: Counter[FilterReason] = Counter()
        self.filtered = 0

    def __call__(self, progress: Progress) -> Iterator[Decided]:
        """Every commit, in order of shard."""
        shards = shards_of(self._corpus)
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
                findings = tuple(check_alone(caption, segments[caption.segment_id], self._config))
                if not findings and index is not None:
                    findings = self._compare(caption, index)
                if findings:
                    found[caption.segment_id] = findings
                else:
                    openings.count(caption.segment_id, caption.caption)
            self.captions += len(captions)
            self._save(shard, found)
            progress(done, 2 * len(shards))
        return openings.limits()

    def _compare(self, caption: Caption, index: NearDuplicateIndex) -> tuple[Finding, ...]:
        sketch, alike = index.look_up(caption.caption)
        if len(alike) < self._config.near_duplicates.keep:
            index.keep(caption.segment_id, sketch)
            return ()
        nearest = alike[0]
        detail = f"{nearest.similarity:.2f} alike to that of {nearest.name}, and {len(alike) - 1} more are kept"
        return (Finding(FilterReason.NEAR_DUPLICATE, f"{detail}: {caption.caption!r}"),)

    def _decide(self, held: HeldCommit, segments: Mapping[str, Segment], findings: Findings, limits: Limits) -> Decided:
        told, (_, before) = held.told(), held.rejected()
        was = {one.segment_id for one in told[Table.FILTERED]}
        filtered = {one.segment_id for one in told[Table.FILTERED] if one.recording_id not in held.live}
        rejected: list[Rejected] = []
        for one in sorted(caption for table in HOLDING for caption in told[table]):
            if one.recording_id not in held.live or one.segment_id not in segments:
                continue
            found = findings.get(one.segment_id, ())
            if not found and self._config.collapse.enabled:
                excess = limits.excess(one.segment_id, one.text)
                found = (Finding(FilterReason.COMMON_OPENING, excess),) if excess else ()
            if found:
                filtered.add(one.segment_id)
                self.filtered += 1
            for finding in found:
                self.reasons[finding.reason] += 1
                rejected.append(_reject(segments[one.segment_id], finding))
        is_new = (filtered, rejected) != (was, before)
        return Decided(held, frozenset(filtered), tuple(rejected), is_new)

    def _save(self, shard: int, found: Findings) -> None:
        content = {name: [[one.reason, one.detail] for one in findings] for name, findings in found.items()}
        (self._scratch / f"{shard}.json").write_text(json.dumps(content), encoding="utf-8")

    def _load(self, shard: int) -> dict[str, tuple[Finding, ...]]:
        content = json.loads((self._scratch / f"{shard}.json").read_text(encoding="utf-8"))
        return {
            name: tuple(Finding(FilterReason(reason), detail) for reason, detail in findings)
            for name, findings in content.items()
        }


def _reject(segment: Segment, finding: Finding) -> Rejected:
    return Rejected(
        recording_id=segment.recording_id,
        source_uri=segment.source_uri,
        segment_id=segment.segment_id,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        stage=FILTER_STAGE,
        reason=finding.reason,
        detail=finding.detail,
    )

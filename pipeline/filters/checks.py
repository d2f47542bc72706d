"""Checks of a single caption, independent of others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from soundseam.annotators.wording.normalise import unquoted
from soundseam.annotators.wording.prose import find_jargon, is_in, length_of
from soundseam.pipeline.captions.segment_results import primary_tag
from soundseam.pipeline.cutting.route import BRANCH_OF
from soundseam.pipeline.filters.config import FilterConfig
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch, Event
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_TIMES = re.compile(r"(?P<what>.*)\.(?P<edge>onset_ms|offset_ms|start_ms|end_ms)")
_HEARD = ("caption", "anchor.", "description.")
"""Texts by a model that processed the whole audio."""
_BEGINS = ("onset_ms", "start_ms")
_BRANCHES: Mapping[str, Branch] = {annotation_table(branch): branch for branch in Branch}


def time_coverage(claims: Sequence[Claim], events: Sequence[Event]) -> float:
    """Share of the time with events that `claims` cover, in [0, 1]; 1 if there are no events.

    A claim covers the times in its evidence (of the events or parts that it cites); without times, all events of the
    branch on whose rows it rests; a captioner's claim covers everything. A claim about the sound as a whole covers no
    time.
    """
    whole = union_spans(event.span for event in events)
    total = covered_ms(whole)
    if not total:
        return 1.0
    covered = union_spans(span for claim in claims for span in _covered_spans(claim.evidence, events))
    return sum(one.overlap_ms(other) for one in whole for other in covered) / total


def _covered_spans(evidence: Sequence[Evidence], events: Sequence[Event]) -> Iterator[TimeSpan]:
    if any(one.field.startswith(_HEARD) for one in evidence):
        yield from (event.span for event in events)
        return
    timed = list(_timed(evidence))
    if timed:
        yield from timed
        return
    branches = {_BRANCHES[one.table] for one in evidence if one.table != Table.SEGMENTS} - {Branch.GENERAL}
    yield from (event.span for event in events if BRANCH_OF[event.event_class] in branches)


def _timed(evidence: Iterable[Evidence]) -> Iterator[TimeSpan]:
    """The spans whose start and end are in the evidence, one by one or as two lists."""
    edges: dict[tuple[str, str | None, str], dict[bool, list[int]]] = {}
    for one in evidence:
        match = _TIMES.fullmatch(one.field)
        if match is not None:
            place = (one.table, one.backend, match["what"])
            edges.setdefault(place, {})[match["edge"] in _BEGINS] = _milliseconds(one.value)
    for found in edges.values():
        yield from (TimeSpan(*pair) for pair in zip(found.get(True, ()), found.get(False, ()), strict=False))


def _milliseconds(value: str) -> list[int]:
    parsed = json.loads(value)
    return [int(one) for one in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(one, int)]


_HAN_A_WORD = 2


class FilterReason(StrEnum):
    """Why a caption is filtered; counted in `rejected` under the stage filter."""

    TOOL_JARGON = "tool_jargon"
    BANNED_WORD = "banned_word"
    WRONG_LANGUAGE = "wrong_language"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    LOW_COVERAGE = "low_coverage"
    UNVERIFIED = "unverified"
    NEAR_DUPLICATE = "near_duplicate"
    COMMON_OPENING = "common_opening"
    MARKED = "marked"


@dataclass(frozen=True)
class Finding:
    """`reason` is a code, `detail` is for a person."""

    reason: FilterReason
    detail: str


def check_alone(caption: Caption, segment: Segment, config: FilterConfig) -> Iterator[Finding]:
    """All findings of `config` about a single caption and its segment."""
    own = unquoted(caption.caption)
    if config.jargon:
        for word in dict.fromkeys(find_jargon(own)):
            yield Finding(FilterReason.TOOL_JARGON, f"{word!r} in {caption.caption!r}")
    for word in config.banned:
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", own, re.IGNORECASE) or (not word.isascii() and word in own):
            yield Finding(FilterReason.BANNED_WORD, f"{word!r} in {caption.caption!r}")
    yield from _language(caption, config)
    yield from _length(caption, config)
    coverage = time_coverage(caption.remaining, segment.events)
    if coverage < config.min_coverage:
        detail = f"covers {coverage:.0%} of the time with events; the minimum is {config.min_coverage:.0%}"
        yield Finding(FilterReason.LOW_COVERAGE, f"{detail}: {caption.caption!r}")
    if config.verified_only and caption.verified is not True:
        state = "no verifier ran" if caption.verified is None else "a sentence is unsure"
        yield Finding(FilterReason.UNVERIFIED, f"{state}: {caption.caption!r}")


def _language(caption: Caption, config: FilterConfig) -> Iterator[Finding]:
    tag = primary_tag(caption.language)
    if tag not in config.languages:
        yield Finding(FilterReason.WRONG_LANGUAGE, f"{tag} is not one of {', '.join(config.languages)}")
    elif config.language and not is_in(caption.caption, tag):
        yield Finding(FilterReason.WRONG_LANGUAGE, f"not in {tag}: {caption.caption!r}")


def _length(caption: Caption, config: FilterConfig) -> Iterator[Finding]:
    is_chinese = primary_tag(caption.language) == "zh"
    words = length_of(caption.caption, "zh" if is_chinese else "en") / (_HAN_A_WORD if is_chinese else 1)
    if words < config.length.min_words:
        yield Finding(FilterReason.TOO_SHORT, f"{words:g} words; the minimum is {config.length.min_words}")
    if words > config.length.max_words:
        yield Finding(FilterReason.TOO_LONG, f"{words:g} words; the maximum is {config.length.max_words}")

"""What is wrong with one caption by itself, whatever the others say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from annotators.wording.jargon import find_jargon
from annotators.wording.language import is_in, length_of
from annotators.wording.quotations import unquoted
from pipeline.captions.results.languages import primary_tag
from pipeline.filters.config import FilterConfig
from pipeline.filters.coverage import time_coverage
from schemas.caption import Caption
from schemas.segment import Segment

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


@dataclass(frozen=True)
class Finding:
    """`reason` can be counted, `detail` is for a person."""

    reason: FilterReason
    detail: str


def check_alone(caption: Caption, segment: Segment, config: FilterConfig) -> Iterator[Finding]:
    """Everything that `config` finds wrong with a caption and its segment alone."""
    own = unquoted(caption.caption)
    if config.jargon:
        for word in dict.fromkeys(find_jargon(own)):
            yield Finding(FilterReason.TOOL_JARGON, f"{word!r} in {caption.caption!r}")
    for word in config.banned:
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", own, re.IGNORECASE) or (not word.isascii() and word in own):
            yield Finding(FilterReason.BANNED_WORD, f"{word!r} in {caption.caption!r}")
    yield from _language(caption, config)
    yield from _length(caption, config)
    coverage = time_coverage(caption.kept, segment.events)
    if coverage < config.least_coverage:
        detail = f"speaks of {coverage:.0%} of the time with events, where {config.least_coverage:.0%} is the least"
        yield Finding(FilterReason.LOW_COVERAGE, f"{detail}: {caption.caption!r}")
    if config.verified_only and caption.verified is not True:
        state = "no verifier ran" if caption.verified is None else "a sentence is unsure"
        yield Finding(FilterReason.UNVERIFIED, f"{state}: {caption.caption!r}")


def _language(caption: Caption, config: FilterConfig) -> Iterator[Finding]:
    tag = primary_tag(caption.language)
    if tag not in config.languages:
        yield Finding(FilterReason.WRONG_LANGUAGE, f"{tag} is none of {', '.join(config.languages)}")
    elif config.language and not is_in(caption.caption, tag):
        yield Finding(FilterReason.WRONG_LANGUAGE, f"not in {tag}: {caption.caption!r}")


def _length(caption: Caption, config: FilterConfig) -> Iterator[Finding]:
    is_chinese = primary_tag(caption.language) == "zh"
    words = length_of(caption.caption, "zh" if is_chinese else "en") / (_HAN_A_WORD if is_chinese else 1)
    if words < config.length.least_words:
        yield Finding(FilterReason.TOO_SHORT, f"{words:g} words, where {config.length.least_words} are the fewest")
    if words > config.length.most_words:
        yield Finding(FilterReason.TOO_LONG, f"{words:g} words, where {config.length.most_words} are the most")

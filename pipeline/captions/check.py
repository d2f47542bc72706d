"""Whether a caption says only what its evidence shows, and says it as a listener would.

Every claim is derived again: its evidence is looked up in the rows, compared, and given to its rule, which must say
the same sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from annotators.grammar.engine import Rows, Rule, as_json, caption_text, derive_text, read_place, split_variant
from annotators.grammar.rules import rule_named
from pipeline.captions.jargon import find_jargon
from pipeline.captions.merge import branches_of
from schemas.annotation import Annotation, SpeechAnnotation
from schemas.caption import Caption
from schemas.claim import Claim
from schemas.segment import Segment
from schemas.tables import Table

_LONGEST_WORDS = 120
_QUOTED_WORDS = 3
"""So many consecutive words of a transcript that is not to be trusted are a quotation of it."""


class Reason(StrEnum):
    """What may be wrong with a caption; counted in the summary."""

    WRONG_ROW = "wrong_row"
    WRONG_BRANCHES = "wrong_branches"
    NO_CLAIMS = "no_claims"
    NOT_ITS_CLAIMS = "not_its_claims"
    NO_EVIDENCE = "no_evidence"
    UNKNOWN_RULE = "unknown_rule"
    WRONG_EVIDENCE = "wrong_evidence"
    MISSING_EVIDENCE = "missing_evidence"
    CHANGED_EVIDENCE = "changed_evidence"
    NOT_DERIVED = "not_derived"
    TOOL_JARGON = "tool_jargon"
    RAW_NUMBER = "raw_number"
    TRANSCRIPT_WORDS = "transcript_words"
    TOO_LONG = "too_long"
    REPEATED_SENTENCE = "repeated_sentence"


@dataclass(frozen=True)
class Problem:
    """`reason` can be counted, `detail` is for a person."""

    reason: Reason
    detail: str


def check_caption(caption: Caption, segment: Segment, annotations: Sequence[Annotation]) -> tuple[Problem, ...]:
    """All that is wrong with `caption`, whose evidence lies in `segment` and `annotations`; empty where it holds."""
    return (*_check_row(caption, segment), *check_claims(caption.caption, caption.claims, segment, annotations))


def check_claims(
    text: str, claims: Sequence[Claim], segment: Segment, annotations: Sequence[Annotation]
) -> tuple[Problem, ...]:
    """The same for any caption and its claims: a branch's own, for one."""
    rows = Rows(segment, annotations)
    problems: list[Problem] = []
    if not claims:
        problems.append(Problem(Reason.NO_CLAIMS, "nothing could be said"))
    if text != caption_text(claims):
        problems.append(Problem(Reason.NOT_ITS_CLAIMS, f"{text!r} is not its claims in order"))
    unfounded: list[Claim] = []
    for claim in claims:
        found = list(_check_claim(claim, rows))
        problems += found
        if found:
            unfounded.append(claim)
    # A sentence that holds owes the transcript nothing, however alike a few words may be.
    problems += _check_quotations(unfounded, annotations)
    problems += _check_wording(text, claims)
    return tuple(problems)


def _check_row(caption: Caption, segment: Segment) -> Iterator[Problem]:
    if (caption.segment_id, caption.recording_id) != (segment.segment_id, segment.recording_id):
        yield Problem(Reason.WRONG_ROW, f"caption of {caption.segment_id} held against {segment.segment_id}")
    if caption.branches != branches_of(segment, caption.claims):
        yield Problem(Reason.WRONG_BRANCHES, f"{', '.join(caption.branches)} are not the branches of its evidence")


def _check_claim(claim: Claim, rows: Rows) -> Iterator[Problem]:
    if not claim.evidence:
        yield Problem(Reason.NO_EVIDENCE, claim.text)
        return
    try:
        name, variant = split_variant(claim.rule)
        rule = rule_named(name)
    except (KeyError, ValueError):
        yield Problem(Reason.UNKNOWN_RULE, f"{claim.rule}: {claim.text}")
        return
    problems = [*_check_places(claim, rule), *_check_values(claim, rows)]
    yield from problems
    if not problems and _derived(rule, claim, variant) != claim.text:
        yield Problem(Reason.NOT_DERIVED, f"{claim.rule} does not say {claim.text!r}")


def _derived(rule: Rule, claim: Claim, variant: int) -> str | None:
    return derive_text(rule, claim.evidence[0].segment_id, [one.value for one in claim.evidence], variant)


def _check_places(claim: Claim, rule: Rule) -> Iterator[Problem]:
    """The evidence is exactly what the rule reads, one row a table and top field."""
    given = [(evidence.table, evidence.field) for evidence in claim.evidence]
    wanted = [(table.value, path) for table, path in map(read_place, rule.reads)]
    if given != wanted:
        yield Problem(Reason.WRONG_EVIDENCE, f"{claim.rule} reads {wanted}, not {given}")
    backends: dict[tuple[str, str], set[str | None]] = {}
    for evidence in claim.evidence:
        backends.setdefault((evidence.table, evidence.field.partition(".")[0]), set()).add(evidence.backend)
    for (table, top), names in backends.items():
        if len(names) > 1:
            yield Problem(Reason.WRONG_EVIDENCE, f"{top} of {table} is taken from {len(names)} rows")


def _check_values(claim: Claim, rows: Rows) -> Iterator[Problem]:
    for evidence in claim.evidence:
        place = f"{evidence.table} {evidence.backend or ''} {evidence.field}"
        if evidence.segment_id != rows.segment.segment_id:
            yield Problem(Reason.MISSING_EVIDENCE, f"{place}: of another segment")
            continue
        try:
            stands = as_json(rows.value(Table(evidence.table), evidence.backend, evidence.field))
        except (LookupError, ValueError):
            yield Problem(Reason.MISSING_EVIDENCE, f"{place}: no such value")
            continue
        if stands != evidence.value:
            yield Problem(Reason.CHANGED_EVIDENCE, f"{place}: {stands}, not {evidence.value}")


def _check_quotations(claims: Iterable[Claim], annotations: Sequence[Annotation]) -> Iterator[Problem]:
    quoted: set[tuple[str, ...]] = set()
    for row in annotations:
        if isinstance(row, SpeechAnnotation) and row.transcript and not row.transcript.usable_for_training:
            quoted |= _runs(row.transcript.text)
    for claim in claims:
        common = sorted(_runs(claim.text) & quoted)
        if common:
            yield Problem(Reason.TRANSCRIPT_WORDS, f"{' '.join(common[0])!r} in {claim.text!r}")


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.lower())
    return {tuple(words[i : i + _QUOTED_WORDS]) for i in range(len(words) - _QUOTED_WORDS + 1)}


def _check_wording(text: str, claims: Sequence[Claim]) -> Iterator[Problem]:
    for word in find_jargon(text):
        yield Problem(Reason.TOOL_JARGON, f"{word!r} in {text!r}")
    if re.search(r"\d", text):
        yield Problem(Reason.RAW_NUMBER, text)
    if len(text.split()) > _LONGEST_WORDS:
        yield Problem(Reason.TOO_LONG, f"{len(text.split())} words")
    texts = [claim.text for claim in claims]
    for repeated in sorted({one for one in texts if texts.count(one) > 1}):
        yield Problem(Reason.REPEATED_SENTENCE, repeated)

"""Checks that a caption only says what its evidence shows, in a listener's words.

Every claim is derived again: its evidence is looked up in the rows, compared, and passed to its rule, which must give
the same sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from soundseam.annotators.grammar.composer import rule_named
from soundseam.annotators.grammar.engine import (
    GRAMMAR,
    Rows,
    Rule,
    as_json,
    caption_text,
    derive_text,
    read_place,
    split_variant,
)
from soundseam.annotators.wording.normalise import unquoted
from soundseam.annotators.wording.prose import find_jargon, length_of
from soundseam.pipeline.captions.conflicts import agreed_transcript
from soundseam.pipeline.captions.grounding import (
    Problem,
    Reason,
    cited_results,
    ground_claim,
    ground_words,
    may_be_quoted,
)
from soundseam.pipeline.captions.merge import branches_of
from soundseam.pipeline.captions.plainness import LONGEST_CAPTION, wording_problems
from soundseam.pipeline.captions.tool_results import results_of
from soundseam.schemas.annotation import Annotation, SpeechAnnotation
from soundseam.schemas.caption import Caption, ResultKind, ToolResult
from soundseam.schemas.claim import Claim, remaining_claims
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

_QUOTED_WORDS = 3
"""This many consecutive words of an untrusted transcript count as a quotation."""


def check_caption(caption: Caption, segment: Segment, annotations: Sequence[Annotation]) -> tuple[Problem, ...]:
    """The problems of `caption`, whose evidence is in `segment` and `annotations`; empty if there are none."""
    return (
        *_check_row(caption, segment),
        *check_claims(caption.caption, caption.claims, segment, annotations, caption.composer, caption.language),
    )


def check_claims(
    text: str,
    claims: Sequence[Claim],
    segment: Segment,
    annotations: Sequence[Annotation],
    composer: str = GRAMMAR,
    language: str = "en",
) -> tuple[Problem, ...]:
    """The same for any caption and its claims, such as a branch's own.

    Claims whose rule is `composer` are compared with the evidence that they cite, all others are derived again. Dropped
    claims are checked too, but are not part of `text`.
    """
    rows = Rows(segment, annotations)
    grounds = _Grounds(rows)
    remaining = remaining_claims(claims)
    problems: list[Problem] = []
    if not remaining:
        problems.append(Problem(Reason.NO_CLAIMS, "nothing could be said"))
    if text != caption_text(remaining):
        problems.append(Problem(Reason.NOT_ITS_CLAIMS, f"{text!r} does not equal its claims in order"))
    unfounded: list[Claim] = []
    for claim in claims:
        free = claim.rule == composer != GRAMMAR
        found = list(_check_free_claim(claim, grounds, language) if free else _check_claim(claim, rows))
        problems += found
        if found:
            unfounded.append(claim)
    # A sentence that was derived again is not a quotation, even if it shares a few words with the transcript.
    problems += _check_quotations(unfounded, annotations)
    problems += _check_wording(text, claims, composer, language)
    return tuple(problems)


class _Grounds:
    """The possible evidence of claims without a rule; computed once per caption, only if needed."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @cached_property
    def results(self) -> tuple[ToolResult, ...]:
        return results_of(self.rows)

    @cached_property
    def quotable(self) -> tuple[ToolResult, ...]:
        """Texts that may be quoted: the transcript that systems agree on, and lyrics that are usable for training."""
        row = agreed_transcript(self.rows.annotations)
        return tuple(result for result in self.results if _is_quotable(result, row.backend if row else None))


_WORDS = {ResultKind.TRANSCRIPT, ResultKind.SENTENCE}


def _is_quotable(result: ToolResult, agreed: str | None) -> bool:
    if result.kind is ResultKind.LYRICS:
        return may_be_quoted(result)
    return result.kind in _WORDS and result.backend == agreed


def _check_free_claim(claim: Claim, grounds: _Grounds, language: str) -> Iterator[Problem]:
    """Checks a claim without a rule: a writer's, which cites tool results, or a captioner's, which is one itself."""
    if not claim.evidence:
        yield Problem(Reason.NO_EVIDENCE, claim.text)
        return
    problems = list(_check_values(claim, grounds.rows))
    yield from problems
    if problems:
        return
    cited = cited_results(claim, grounds.results)
    if set(claim.evidence) != {evidence for result in cited for evidence in result.evidence}:
        yield Problem(Reason.WRONG_EVIDENCE, f"{claim.text!r} cites only a part of a tool result")
    words = [result for result in cited if result.kind in {*_WORDS, ResultKind.LYRICS}]
    if any(result not in grounds.quotable for result in words):
        yield Problem(Reason.WRONG_QUOTATION, f"{claim.text!r} cites words that may not be quoted")
    if any(result.kind is ResultKind.STATEMENT and result.content == claim.text for result in cited):
        yield from ground_claim(claim.text, (*cited, *grounds.quotable), grounds.rows.segment, language)
    else:
        # A writer's sentences are compared with their evidence before they get their capital letter.
        text = f"{claim.text[:1].lower()}{claim.text[1:]}"
        yield from ground_claim(text, cited, grounds.rows.segment, language)
        yield from ground_words(text, cited, language)
    yield from wording_problems(claim.text, language)


def _check_row(caption: Caption, segment: Segment) -> Iterator[Problem]:
    if (caption.segment_id, caption.recording_id) != (segment.segment_id, segment.recording_id):
        yield Problem(Reason.WRONG_ROW, f"caption of {caption.segment_id} compared with {segment.segment_id}")
    if caption.branches != branches_of(segment, caption.remaining):
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
    """Checks that the evidence is exactly what the rule reads, from one row per table and top field."""
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


def _check_wording(text: str, claims: Sequence[Claim], composer: str, language: str) -> Iterator[Problem]:
    for word in find_jargon(unquoted(text)):
        yield Problem(Reason.TOOL_JARGON, f"{word!r} in {text!r}")
    if composer == GRAMMAR and re.search(r"\d", unquoted(text)):
        yield Problem(Reason.RAW_NUMBER, text)
    length = length_of(unquoted(text), language)
    if length > LONGEST_CAPTION.get(language, LONGEST_CAPTION["en"]):
        yield Problem(Reason.TOO_LONG, f"{length} words")
    texts = [claim.text for claim in claims]
    for repeated in sorted({one for one in texts if texts.count(one) > 1}):
        yield Problem(Reason.REPEATED_SENTENCE, repeated)

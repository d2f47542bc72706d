"""What may be wrong with a caption."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Counted in the summary."""

    WRONG_ROW = "wrong_row"
    WRONG_BRANCHES = "wrong_branches"
    NO_CLAIMS = "no_claims"
    NOT_ITS_CLAIMS = "not_its_claims"
    NO_EVIDENCE = "no_evidence"
    UNKNOWN_RULE = "unknown_rule"
    UNKNOWN_EVIDENCE = "unknown_evidence"
    WRONG_EVIDENCE = "wrong_evidence"
    MISSING_EVIDENCE = "missing_evidence"
    CHANGED_EVIDENCE = "changed_evidence"
    NOT_DERIVED = "not_derived"
    UNFOUNDED_NUMBER = "unfounded_number"
    UNFOUNDED_NAME = "unfounded_name"
    WRONG_QUOTATION = "wrong_quotation"
    TOOL_JARGON = "tool_jargon"
    RAW_NUMBER = "raw_number"
    TRANSCRIPT_WORDS = "transcript_words"
    WRONG_LANGUAGE = "wrong_language"
    TOO_LONG = "too_long"
    REPEATED_SENTENCE = "repeated_sentence"
    BAD_ANSWER = "bad_answer"
    NOT_HEARD = "not_heard"


@dataclass(frozen=True)
class Problem:
    """`reason` can be counted, `detail` is for a person."""

    reason: Reason
    detail: str

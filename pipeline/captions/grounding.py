"""Checks that a sentence without a rule only says what it cites: its numbers, names, keys, quotations and words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from soundseam.annotators.wording.names import keys_in, names_in
from soundseam.annotators.wording.normalise import quotations_in, unquoted, was_said
from soundseam.annotators.wording.numbers import numbers_in
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.claim import Claim
from soundseam.schemas.segment import Segment


class Reason(StrEnum):
    """Reasons for refusing a claim; counted in the summary."""

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
    UNFOUNDED_WORD = "unfounded_word"
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
    """`reason` is a code, `detail` is for a person."""

    reason: Reason
    detail: str


_SPOKEN = {ResultKind.TRANSCRIPT: "transcript.text", ResultKind.SENTENCE: "", ResultKind.LYRICS: "lyrics.text"}
"""Results that contain spoken words, and the field with the whole text; empty for the result's own field."""


def ground_claim(text: str, cited: Sequence[ToolResult], segment: Segment, language: str) -> Iterator[Problem]:
    """What `text` says without support in `cited`. `text` begins in lower case unless it begins with a name."""
    holds = "\n".join(map(_text_of, cited))
    yield from _unfounded_numbers(text, cited, segment, holds)
    known = set(re.findall(r"\w+", holds.lower()))
    for name in names_in(text, language):
        parts = re.findall(r"\w+", name.lower())
        if name not in holds and not all(part in known for part in parts):
            yield Problem(Reason.UNFOUNDED_NAME, f"{name!r} in {text!r} is in none of its evidence")
    keys = set(keys_in(holds))
    for key in keys_in(text):
        if key not in keys:
            yield Problem(Reason.UNFOUNDED_NAME, f"a key in {text!r} is in none of its evidence")
    said = [_said(result) for result in cited if result.kind in _SPOKEN]
    for quotation in quotations_in(text):
        if not was_said(quotation, said):
            yield Problem(Reason.WRONG_QUOTATION, f"{quotation!r} is not in an agreed transcript")


def ground_words(text: str, cited: Sequence[ToolResult], language: str) -> Iterator[Problem]:
    """Words of an English sentence that are neither in `cited` nor everyday words.

    For Chinese sentences only numbers, names, keys and quotations are checked.
    """
    if language != "en":
        return
    lists, held = _word_lists(), "\n".join(map(_text_of, cited)).lower()
    known = {stem(word) for word in (*_WORD.findall(held), *lists["everyday"], *lists["counts"])}
    topics = {str(result.kind) for result in cited} | {str(result.branch) for result in cited}
    for topic in ("speech", "music", "singing", "low", "high"):
        if topic in topics or re.search(rf"\b{topic}\b", held):
            known |= {stem(word) for word in lists[topic]}
    words = dict.fromkeys(_WORD.findall(unquoted(text).lower()))
    if strange := [word for word in words if stem(word) not in known]:
        yield Problem(Reason.UNFOUNDED_WORD, f"{', '.join(strange)} in {text!r} is in none of its evidence")

    for pattern, what in ((_DENIES, "denies"), (_SEVERAL, "speaks of several people")):
        stated = pattern.search(unquoted(text).lower())
        if stated and not pattern.search(held):
            yield Problem(Reason.UNFOUNDED_WORD, f"{stated.group()} in {text!r}: none of its evidence {what}")


_DENIES = re.compile(r"\b(?:no|not|nobody|nothing|never|none|neither|nor|without|\w+n['\u2019]t|hardly|absent)\b")
_SEVERAL = re.compile(
    r"\b(?:people|persons|voices|speakers|each other|one another|conversations?|dialogues?|discuss\w*)\b"
)
_WORD = re.compile(r"[a-z][a-z'\u2019]*")
_ENDINGS = ("ings", "ing", "ers", "er", "est", "ies", "ied", "ed", "es", "ly", "s", "y", "e")


def stem(word: str) -> str:
    """The common stem of an English word's forms: bark of barks, barked and barking."""
    word = word.partition("'")[0].partition("\u2019")[0]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


@cache
def _word_lists() -> dict[str, frozenset[str]]:
    """Topic → its words; `everyday` ones are allowed in any sentence."""
    text = files("soundseam.annotators.wording").joinpath("plain_english.txt").read_text(encoding="utf-8")
    rows = (line.partition(": ") for line in text.splitlines() if line and not line.startswith("#"))
    return {topic: frozenset(words.split()) for topic, _, words in rows}


def may_be_quoted(result: ToolResult) -> bool:
    """Whether a transcript or lyrics are usable for training, according to their own row."""
    top = result.field.partition(".")[0]
    return result.value(f"{top}.usable_for_training") == "true"


def cited_results(claim: Claim, results: Sequence[ToolResult]) -> tuple[ToolResult, ...]:
    """The results whose evidence is completely in `claim`."""
    held = set(claim.evidence)
    return tuple(result for result in results if held.issuperset(result.evidence))


def _unfounded_numbers(text: str, cited: Sequence[ToolResult], segment: Segment, holds: str) -> Iterator[Problem]:
    numbers = list(numbers_in(holds))
    seconds = [number.value for number in numbers if number.is_seconds]
    seconds += [(ms - segment.start_ms) / 1000 for result in cited for ms in (result.start_ms, result.end_ms)]
    seconds += [result.span.duration_ms / 1000 for result in cited]
    others = [number.value for number in numbers if not number.is_seconds]
    # The number cited of each kind: two barks are two events.
    others += [float(count) for count in Counter(result.kind for result in cited).values()]
    for number in numbers_in(text):
        if not any(number.is_near(value) for value in (seconds if number.is_seconds else others)):
            yield Problem(Reason.UNFOUNDED_NUMBER, f"{number.text!r} in {text!r} is in none of its evidence")


def _text_of(result: ToolResult) -> str:
    return f"{result.content}\n{_said(result)}" if result.kind in _SPOKEN else result.content


def _said(result: ToolResult) -> str:
    """The whole transcript; the result's content may be truncated."""
    path = _SPOKEN[result.kind] or result.field
    value: object = json.loads(result.value(path) or '""')
    return value if isinstance(value, str) else ""

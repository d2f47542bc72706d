"""A sentence says only what it cites: numbers, names, keys, quotations and words, each against its evidence."""

from __future__ import annotations

import json

import pytest

from soundseam.pipeline.captions.grounding import (
    Reason,
    cited_results,
    ground_claim,
    ground_words,
    may_be_quoted,
    stem,
)
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch
from tests.support.builders import a_segment

SEGMENT = a_segment(start_ms=20_000, end_ms=30_000)


def evidence(field: str, value: object, backend: str = "b") -> Evidence:
    return Evidence(
        table="annotations/speech",
        segment_id=SEGMENT.segment_id,
        backend=backend,
        field=field,
        value=json.dumps(value, ensure_ascii=False),
    )


def result(
    content: str,
    kind: ResultKind = ResultKind.EVENT,
    start_ms: int = 20_000,
    end_ms: int = 30_000,
    field: str = "events.0",
    branch: Branch | None = Branch.GENERAL,
    **values: object,
) -> ToolResult:
    """A tool's statement; `values` are those of its row by field, dots written as two underlines."""
    return ToolResult(
        kind=kind,
        branch=branch,
        table="annotations/speech",
        backend="b",
        field=field,
        start_ms=start_ms,
        end_ms=end_ms,
        content=content,
        confidence=None,
        evidence=tuple(evidence(name.replace("__", "."), value) for name, value in values.items()),
    )


def said(text: str, content: str = "", usable: bool = True) -> ToolResult:
    """A transcript whose content may be cut short."""
    return result(
        content or text,
        ResultKind.TRANSCRIPT,
        field="transcript",
        branch=Branch.SPEECH,
        transcript__text=text,
        transcript__usable_for_training=usable,
    )


def reasons(text: str, *cited: ToolResult, language: str = "en") -> list[Reason]:
    return [problem.reason for problem in ground_claim(text, cited, SEGMENT, language)]


def strange(text: str, *cited: ToolResult, language: str = "en") -> list[str]:
    """The words that nothing founds."""
    found = [problem.detail.partition(" in ")[0] for problem in ground_words(text, cited, language)]
    return found[0].split(", ") if found else []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("bark", "barks", "barked", "barking", "barker", "barkers", "barkings", "barkest"), "bark"),
        (("stop", "stopped", "stopping", "stops"), "stop"),
        (("carry", "carries", "carried"), "car"),
        (("quick", "quickly"), "quick"),
        (("note", "notes"), "not"),
        (("bell", "bells", "bell's", "bell\u2019s"), "bel"),
    ],
)
def test_forms_of_a_word_have_one_stem(words: tuple[str, ...], expected: str) -> None:
    assert {stem(word) for word in words} == {expected}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("red", "red"),
        ("bed", "bed"),
        ("used", "used"),
        ("sing", "sing"),
        ("rings", "ring"),
        ("odd", "odd"),
        ("add", "add"),
        ("ally", "all"),
        ("the", "the"),
        ("ease", "eas"),
    ],
)
def test_a_stem_has_three_letters_at_least(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_a_number_stands_in_its_evidence() -> None:
    assert reasons("there are 3 barks.", result("3 barks")) == []
    assert reasons("there are three barks.", result("3 barks")) == []
    assert reasons("there are 4 barks.", result("3 barks")) == [Reason.UNFOUNDED_NUMBER]
    assert reasons("two of them.", result("a bark"), result("a bark")) == []
    assert reasons("three of them.", result("a bark"), result("a bark")) == [Reason.UNFOUNDED_NUMBER]
    assert reasons("two of them.", result("a bark"), result("music", ResultKind.LYRICS)) == [Reason.UNFOUNDED_NUMBER]


def test_a_time_is_that_of_a_result_in_the_segment_or_how_long_it_lasts() -> None:
    bark = result("a bark", start_ms=22_500, end_ms=24_100)
    for seconds in ("2.5", "4.1", "1.6"):
        assert reasons(f"it barks at {seconds} seconds.", bark) == []
    for seconds in ("22.5", "24.1", "2.6", "1.5", "600"):
        assert reasons(f"it barks at {seconds} seconds.", bark) == [Reason.UNFOUNDED_NUMBER]
    assert reasons("it lasts for 7 seconds.", result("for 7 seconds")) == []
    # A count is no time, and a time no count.
    assert reasons("for 3 seconds.", result("3 barks")) == [Reason.UNFOUNDED_NUMBER]
    assert reasons("there are 7 barks.", result("for 7 seconds")) == [Reason.UNFOUNDED_NUMBER]


def test_a_name_stands_in_its_evidence_whole_or_word_by_word() -> None:
    assert reasons("someone speaks of Vivaldi.", said("We play Vivaldi")) == []
    assert reasons("someone speaks of Vivaldi.", said("We play Bach")) == [Reason.UNFOUNDED_NAME]
    assert reasons("someone speaks of Super Company.", said("Company Super")) == []
    assert reasons("someone speaks of Super Company.", said("Super thing")) == [Reason.UNFOUNDED_NAME]
    # What the content leaves out is still said.
    assert reasons("someone speaks of Vivaldi.", said("At last we play Vivaldi", content="At last \u2026")) == []


def test_a_key_stands_in_its_evidence() -> None:
    key = result("the key is D minor", branch=Branch.MUSIC)
    assert reasons("music in D minor plays.", key) == []
    assert Reason.UNFOUNDED_NAME in reasons("music in D major plays.", key)
    assert Reason.UNFOUNDED_NAME in reasons("music in D minor plays.", result("music"))


def test_a_quotation_was_said() -> None:
    assert reasons("someone says \u201cgood morning\u201d.", said("Good morning, all")) == []
    assert reasons("someone says \u201cgood evening\u201d.", said("Good morning, all")) == [Reason.WRONG_QUOTATION]
    assert Reason.WRONG_QUOTATION in reasons("someone says \u201cgood morning\u201d.", result("good morning"))
    line = result("good morning", ResultKind.SENTENCE, field="sentences.0.text", sentences__0__text="Good morning")
    assert reasons("someone says \u201cgood morning\u201d.", line) == []
    lyrics = result("la", ResultKind.LYRICS, field="lyrics", lyrics__text="Oh my dear")
    assert reasons("someone sings \u201coh my dear\u201d.", lyrics) == []


def test_a_word_is_everyday_or_stands_in_its_evidence_in_any_form() -> None:
    bark = result("a dog barking")
    assert strange("a dog barks again.", bark) == []
    assert strange("a cat barks at dogs.", bark) == ["cat"]
    assert strange("a cat meows, a cat again.", bark) == ["cat", "meows"]
    assert strange("seven dogs.", bark) == []
    assert strange("a melody.", bark) == ["melody"]
    assert strange("a melody.", result("a dog barking", branch=Branch.MUSIC)) == []
    assert strange("a melody.", result("music of a dog")) == []
    assert strange("a melody.", result("musical dog")) == ["melody"]
    assert strange("a person explains.", said("yes")) == []
    assert strange("a cat \u201cmeows\u201d.", bark) == ["cat"]
    assert strange("a cat.", bark, language="zh") == []


@pytest.mark.parametrize("kind", [ResultKind.TRANSCRIPT, ResultKind.LYRICS])
def test_words_may_be_quoted_if_their_own_row_says_so(kind: ResultKind) -> None:
    top = "transcript" if kind is ResultKind.TRANSCRIPT else "lyrics"

    def quotable(**values: object) -> bool:
        return may_be_quoted(result("x", kind, field=f"{top}.text", **values))

    assert quotable(**{f"{top}__usable_for_training": True})
    assert not quotable(**{f"{top}__usable_for_training": False})
    assert not quotable(**{f"{top}__text": "x"})
    assert not quotable(other__usable_for_training=True)


def test_a_result_is_cited_if_all_of_its_evidence_is() -> None:
    one, other = result("a", a=1, b=2), result("b", b=2, c=3)
    claim = Claim(text="t", rule="writer", evidence=(evidence("a", 1), evidence("b", 2)))
    assert cited_results(claim, (one, other)) == (one,)
    assert cited_results(claim.model_copy(update={"evidence": (*claim.evidence, evidence("c", 3))}), (one, other)) == (
        one,
        other,
    )
    assert cited_results(claim.model_copy(update={"evidence": claim.evidence[:1]}), (one, other)) == ()

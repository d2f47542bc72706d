"""Claims that no rule derives: what they cite is whole and stands, and words are quoted only if they may be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from soundseam.annotators.grammar.engine import Rows
from soundseam.pipeline.captions.check import check_claims
from soundseam.pipeline.captions.grounding import Reason
from soundseam.pipeline.captions.tool_results import results_of
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts
from tests.pipeline.captions.builders import SAID, scene
from tests.support.caption_rows import row, transcript

ONE, ROWS = scene()
WRITER = "writer"


def results(rows: Sequence[Annotation] = ROWS) -> tuple[ToolResult, ...]:
    return results_of(Rows(ONE, rows))


def cited(kind: ResultKind) -> tuple[Evidence, ...]:
    """The evidence of the first result of a kind."""
    return next(one.evidence for one in results() if one.kind is kind)


def problems(
    text: str, *evidence: Evidence, rows: Sequence[Annotation] = ROWS, rule: str = WRITER, language: str = "en"
) -> set[Reason]:
    claim = Claim(text=text, rule=rule, evidence=tuple(dict.fromkeys(evidence)))
    return {one.reason for one in check_claims(text, [claim], ONE, rows, WRITER, language)}


MUSIC = cited(ResultKind.TONALITY)
SPOKEN = cited(ResultKind.TRANSCRIPT)


def test_a_sentence_of_what_it_cites_whole_holds() -> None:
    assert problems("There is music in D major.", *MUSIC) == set()
    assert problems("There is music in D minor.", *MUSIC) == {Reason.UNFOUNDED_NAME, Reason.UNFOUNDED_WORD}
    assert problems("There is music in D major.") == {Reason.NO_EVIDENCE}


def test_a_rule_of_somebody_else_is_no_free_claim() -> None:
    assert Reason.UNKNOWN_RULE in problems("There is music in D major.", *MUSIC, rule="another")
    claim = Claim(text="There is music in D major.", rule="grammar", evidence=MUSIC)
    found = check_claims(claim.text, [claim], ONE, ROWS, "grammar")
    assert Reason.UNKNOWN_RULE in {one.reason for one in found}


@pytest.mark.parametrize("composer", ["aaa", "zzz"])
def test_the_name_of_a_composer_does_not_matter(composer: str) -> None:
    claim = Claim(text="There is music in D major.", rule=composer, evidence=MUSIC)
    assert not check_claims(claim.text, [claim], ONE, ROWS, composer)


def test_evidence_is_all_that_a_tool_says_and_nothing_beside_it() -> None:
    assert len(MUSIC) > 1
    assert Reason.WRONG_EVIDENCE in problems("There is music in D major.", *MUSIC[:-1])
    assert Reason.WRONG_EVIDENCE in problems("There is music in D major.", *MUSIC, *SPOKEN[:1])
    assert problems("There is music in D major and a voice.", *MUSIC, *SPOKEN) <= {Reason.UNFOUNDED_WORD}


def test_a_value_that_does_not_stand_is_the_only_problem() -> None:
    changed = MUSIC[0].model_copy(update={"value": '"E"'})
    elsewhere = MUSIC[0].model_copy(update={"segment_id": "other"})
    nowhere = MUSIC[0].model_copy(update={"field": "tonality.colour"})
    assert problems("There is music in E major.", changed, *MUSIC[1:]) == {Reason.CHANGED_EVIDENCE}
    assert problems("There is music.", elsewhere, *MUSIC[1:]) == {Reason.MISSING_EVIDENCE}
    assert problems("There is music.", nowhere, *MUSIC[1:]) == {Reason.MISSING_EVIDENCE}
    both = problems("There is music.", nowhere, changed.model_copy(update={"field": MUSIC[1].field}))
    assert both == {Reason.MISSING_EVIDENCE, Reason.CHANGED_EVIDENCE}
    both = problems("There is music.", elsewhere, MUSIC[1].model_copy(update={"value": '"x"'}))
    assert both == {Reason.MISSING_EVIDENCE, Reason.CHANGED_EVIDENCE}


def speech_row(text: str, backend: str, usable: bool) -> Annotation:
    return row(ONE, SpeechFacts(transcript=transcript(text, usable=usable)), backend, Branch.SPEECH)


QUOTED = "Someone says \u201call the lines are busy\u201d."


@pytest.mark.parametrize(
    ("first", "second", "is_quotable"),
    [(True, False, True), (False, True, False), (False, False, False)],
)
def test_words_are_quoted_of_the_transcript_that_may_be(first: bool, second: bool, is_quotable: bool) -> None:
    rows = [speech_row(SAID, "one", first), speech_row(f"{SAID} now", "two", second)]
    of_one = next(
        (one.evidence for one in results(rows) if one.kind is ResultKind.TRANSCRIPT and one.backend == "one"), None
    )
    if of_one is None:
        assert not first
        return
    assert (Reason.WRONG_QUOTATION not in problems(QUOTED, *of_one, rows=rows)) == is_quotable


def test_what_is_quoted_was_said() -> None:
    assert problems(QUOTED, *SPOKEN) == set()
    assert Reason.WRONG_QUOTATION in problems("Someone says \u201call the lines are open\u201d.", *SPOKEN)


@pytest.mark.parametrize(("quoted", "is_found"), [("please press", False), ("please press the", True)])
def test_three_words_of_a_transcript_that_is_not_trusted_are_a_quotation(quoted: str, is_found: bool) -> None:
    rows = [*ROWS[1:], speech_row("please press the pound key", "asr", usable=False)]
    found = problems(f"It says {quoted}.", *MUSIC, rows=rows)
    assert (Reason.TRANSCRIPT_WORDS in found) == is_found


def test_a_capital_at_the_beginning_is_no_name_and_one_inside_is() -> None:
    assert problems("Music in D major plays.", *MUSIC) == set()
    assert Reason.UNFOUNDED_NAME in problems("There is Mozart in D major.", *MUSIC)

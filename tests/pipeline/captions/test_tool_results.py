"""Whatever any tool says of a segment is there in one form, and can be derived from its rows again."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseam.annotators.grammar.engine import Rows, as_json
from soundseam.pipeline.captions.segment_results import LONGEST_CONTENT, rounded
from soundseam.pipeline.captions.tool_results import tool_results
from soundseam.schemas.annotation import Facts
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan
from tests.support.caption_rows import event, plausible, row, segment, transcript, with_captions
from tests.support.strategies import records

FACTS: dict[Branch, type[Facts]] = {
    Branch.SPEECH: SpeechFacts,
    Branch.MUSIC: MusicFacts,
    Branch.GENERAL: GeneralFacts,
}
ONE = segment([event(EventClass.SPEECH, 0, 9_900)], list(Branch))


def filled(value: object) -> bool:
    return value is not None and value not in ((), "")


@pytest.mark.parametrize("branch", list(Branch))
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_no_field_of_any_branch_is_left_out_whatever_it_holds(branch: Branch, data: st.DataObject) -> None:
    facts = data.draw(records(FACTS[branch]))
    results = tool_results(ONE, [row(ONE, facts, "b", branch)])
    found = {result.field.partition(".")[0] for result in results}
    missing = {name for name in type(facts).model_fields if filled(getattr(facts, name))} - found
    # What a caption was chosen from and what was thought before say nothing of the sound, and a caption made of claims
    # says nothing beyond them.
    assert missing <= {"told", "thinking", *(("caption",) if facts.caption_claims else ())}
    assert len({result.name for result in results}) == len(results)
    assert all(len(result.content) <= LONGEST_CONTENT for result in results)


@given(st.integers(0, 10**9))
@settings(max_examples=60)
def test_every_result_stands_on_values_of_the_rows(seed: int) -> None:
    one, rows = plausible(seed)
    rows = with_captions(one, rows)
    read = Rows(one, rows)
    for result in tool_results(one, rows):
        assert result.evidence
        for evidence in result.evidence:
            stands = read.value(Table(evidence.table), evidence.backend, evidence.field)
            assert as_json(stands) == evidence.value
            assert (evidence.table, evidence.backend, evidence.segment_id) == (
                result.table,
                result.backend,
                one.segment_id,
            )


def test_an_event_keeps_its_time_and_its_score() -> None:
    one = segment([event(EventClass.ANIMAL, 2_000, 2_500, score=0.4)], [Branch.GENERAL])
    (found,) = [result for result in tool_results(one, ()) if result.kind is ResultKind.EVENT]
    assert (found.span, found.confidence, found.content) == (TimeSpan(2_000, 2_500), 0.4, "perhaps animal")
    assert found.branch is None


def test_what_is_about_all_of_the_segment_has_its_time() -> None:
    (found,) = [result for result in tool_results(ONE, ()) if result.kind is ResultKind.PROFILE]
    assert found.span == ONE.span
    assert found.content == "speech over 99 % of the time"


def test_an_agreement_is_what_a_transcript_s_confidence_is() -> None:
    agreed = transcript("all lines are busy").model_copy(update={"agreement": 0.9, "confidence": 0.2})
    rows = [row(ONE, SpeechFacts(transcript=agreed), "agreement", Branch.SPEECH)]
    assert of_kind(tool_results(ONE, rows), ResultKind.TRANSCRIPT).confidence == 0.9


def test_a_captioner_s_claims_are_statements() -> None:
    claim = Claim(text="A dog barks twice.", rule="captioner", evidence=(), probability=0.7)
    rows = [row(ONE, GeneralFacts(caption=claim.text, caption_claims=(claim,)), "moss", Branch.GENERAL)]
    found = of_kind(tool_results(ONE, rows), ResultKind.STATEMENT)
    assert (found.content, found.field, found.confidence) == (claim.text, "caption_claims.0.text", 0.7)


def of_kind(results: tuple[ToolResult, ...], kind: ResultKind) -> ToolResult:
    (found,) = [result for result in results if result.kind is kind]
    return found


@pytest.mark.parametrize(
    ("value", "decimals", "told"), [(2.5, 0, "3"), (0.25, 1, "0.3"), (127.6, 0, "128"), (1e3, 1, "1000.0")]
)
def test_numbers_are_told_rounded_half_up(value: float, decimals: int, told: str) -> None:
    assert rounded(value, decimals) == told

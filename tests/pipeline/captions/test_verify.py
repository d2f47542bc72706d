"""What a model that hears the audio makes of claims: confirmed, dropped, unsure, or believed without listening."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Answer, ContextT, Question, Reply
from soundseam.annotators.grammar.engine import caption_text
from soundseam.pipeline.captions.caption_config import CaptionConfig, VerifierConfig
from soundseam.pipeline.captions.check import check_caption
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.pipeline.captions.verify import (
    VerifierInput,
    disagreement,
    is_asked_in_silence,
    judge,
    probability,
    silence_like,
    verify_captions,
)
from soundseam.schemas.caption import Caption, UnsureReason
from soundseam.schemas.claim import Verdict
from soundseam.schemas.segment import Segment
from tests.support.caption_rows import plausible, with_captions
from tests.support.scripted_client import NOISE, ScriptedClient, is_silent

ALL_SILENCE = VerifierConfig(silence_share=1.0)
NO_SILENCE = VerifierConfig(silence_share=0.0)
P = st.floats(0.0, 1.0)


def heard(seed: int) -> VerifierInput:
    """A segment with a caption of three claims or more."""
    one, rows = plausible(seed)
    caption = merge_segment(one, with_captions(one, rows), CaptionConfig(), "k")
    if len(caption.claims) < 3:
        return heard(seed + 1_000)
    return VerifierInput(one, caption, NOISE)


def verify(one: VerifierInput, client: ScriptedClient, config: VerifierConfig = NO_SILENCE) -> Caption:
    ((_, caption),) = verify_captions([(None, one)], config, client)
    assert isinstance(caption, Caption)
    return caption


def by_claim(one: VerifierInput, *probabilities: float, silent: float = 0.0) -> ScriptedClient:
    """Holds the first claims as told and the others surely; in silence, all alike."""
    told = {claim.text: p for claim, p in zip(one.caption.claims, probabilities, strict=False)}
    return ScriptedClient(lambda claim, silence: silent if silence else told.get(claim, 0.99))


def test_what_is_surely_heard_is_confirmed() -> None:
    one = heard(1)
    caption = verify(one, by_claim(one))
    assert caption.verified is True
    assert {claim.verdict for claim in caption.claims} == {Verdict.CONFIRMED}
    assert [claim.probability for claim in caption.claims] == pytest.approx([0.99] * len(caption.claims))
    assert caption.caption == one.caption.caption


def test_what_is_surely_not_heard_is_dropped_and_the_caption_goes_on_without_it() -> None:
    one = heard(1)
    caption = verify(one, by_claim(one, 0.99, 0.03))
    dropped = caption.claims[1]
    assert (dropped.verdict, dropped.probability) == (Verdict.DROPPED, pytest.approx(0.03))
    assert dropped.text == one.caption.claims[1].text
    assert dropped.text not in caption.caption
    assert caption.caption == caption_text([claim for claim in one.caption.claims if claim.text != dropped.text])
    assert caption.verified is True


def test_what_is_in_doubt_stays_and_is_marked() -> None:
    one = heard(1)
    caption = verify(one, by_claim(one, 0.99, 0.6))
    assert caption.claims[1].verdict is Verdict.UNSURE
    assert caption.checks[1].doubt is UnsureReason.UNDECIDED
    assert caption.caption == one.caption.caption
    assert caption.verified is False


@pytest.mark.parametrize(("lean", "verdict"), [(0.1, Verdict.CONFIRMED), (0.95, Verdict.UNSURE)])
def test_a_model_that_says_yes_to_a_claim_and_to_its_opposite_is_unsure(lean: float, verdict: Verdict) -> None:
    one = heard(1)
    client = by_claim(one)
    client.leans = lean
    caption = verify(one, client)
    assert {claim.verdict for claim in caption.claims} == {verdict}
    if verdict is Verdict.UNSURE:
        assert {check.doubt for check in caption.checks} == {UnsureReason.INCONSISTENT}


def test_a_claim_that_is_believed_in_silence_counts_as_unverified() -> None:
    one = heard(1)
    caption = verify(one, by_claim(one, silent=0.9), ALL_SILENCE)
    assert {claim.verdict for claim in caption.claims} == {Verdict.UNSURE}
    assert {check.doubt for check in caption.checks} == {UnsureReason.BELIEVED_IN_SILENCE}
    assert [check.silence for check in caption.checks] == pytest.approx([0.9] * len(caption.checks))
    assert [claim.probability for claim in caption.claims] == pytest.approx([0.99] * len(caption.claims))
    assert caption.verified is False


def test_a_claim_that_is_not_believed_in_silence_was_heard() -> None:
    one = heard(1)
    caption = verify(one, by_claim(one, silent=0.2), ALL_SILENCE)
    assert caption.verified is True
    assert [check.silence for check in caption.checks] == pytest.approx([0.2] * len(caption.checks))


def test_only_confirmed_claims_are_asked_about_in_silence_and_they_as_long_as_the_audio() -> None:
    one = heard(1)
    client = by_claim(one, 0.99, 0.5, 0.01)
    caption = verify(one, client, ALL_SILENCE)
    silent = [question for question in client.asked if is_silent(question.audio[0])]
    assert len(silent) == 2 * (len(caption.claims) - 2)
    lengths = {soundfile.info(io.BytesIO(question.audio[0])).frames for question in client.asked}
    assert lengths == {soundfile.info(io.BytesIO(NOISE)).frames}
    assert [check.silence is None for check in caption.checks[:3]] == [False, True, True]


def test_the_same_share_of_segments_is_asked_about_in_silence_in_every_run() -> None:
    config = VerifierConfig(silence_share=0.3)
    names = [f"{number:032x}-000000000-000010000" for number in range(2_000)]
    chosen = [name for name in names if is_asked_in_silence(name, config)]
    assert 500 < len(chosen) < 700
    assert chosen == [name for name in names if is_asked_in_silence(name, config)]
    assert chosen != [name for name in names if is_asked_in_silence(name, config.model_copy(update={"seed": 1}))]


def test_all_that_is_asked_of_a_segment_is_one_group_about_its_audio() -> None:
    one = heard(1)
    client = by_claim(one)
    verify(one, client)
    first = client.groups[0]
    assert len(first) == 2 * len(one.caption.claims)
    assert {question.audio for question in first} == {(NOISE,)}
    assert {question.about for question in first} == {one.segment.recording_id}
    assert {question.choices for question in first} == {("yes", "no")}
    assert len({question.text for question in first}) == len(first)


def test_chinese_claims_are_asked_about_in_chinese() -> None:
    one = heard(1)
    claims = tuple(
        claim.model_copy(update={"text": f"有人在说话{index}。"}) for index, claim in enumerate(one.caption.claims)
    )
    chinese = one.caption.model_copy(update={"claims": claims, "language": "zh"})
    client = ScriptedClient(lambda claim, silent: 0.9)
    caption = verify(VerifierInput(one.segment, chinese, NOISE), client)
    assert caption.verified is True
    assert {question.choices for question in client.asked} == {("是", "否")}
    assert "有人在说话0。有人在说话1。" in caption.caption


def test_a_claim_that_is_quoted_braces_and_all_is_asked_as_it_is() -> None:
    one = heard(1)
    claim = one.caption.claims[0].model_copy(update={"text": "Someone says {claim} {input}."})
    odd = one.caption.model_copy(update={"claims": (claim,)})
    client = ScriptedClient()
    verify(VerifierInput(one.segment, odd, NOISE), client)
    assert all('"Someone says {claim} {input}."' in question.text for question in client.asked)


def test_captions_come_in_order_and_are_drawn_as_questions_are_answered() -> None:
    cases = [heard(seed) for seed in range(30)]
    drawn = 0

    def captions() -> Iterator[tuple[Segment, VerifierInput]]:
        nonlocal drawn
        for one in cases:
            drawn += 1
            yield one.segment, one

    client = ScriptedClient(ahead=4)
    seen = []
    for segment, _ in verify_captions(captions(), ALL_SILENCE, client):
        seen.append(segment.segment_id)
        assert drawn - len(seen) <= 2 * client.ahead
    assert seen == [one.segment.segment_id for one in cases]


def test_a_question_that_fails_fails_its_own_segment_alone() -> None:
    cases = [heard(seed) for seed in range(3)]
    failure = AnnotationError("refused_by_server", "too long")

    def fails(question: Question) -> AnnotationError | None:
        return failure if question.about == cases[1].segment.recording_id else None

    found = [
        verified
        for _, verified in verify_captions([(None, one) for one in cases], NO_SILENCE, ScriptedClient(fails=fails))
    ]
    assert isinstance(found[0], Caption)
    assert found[1] is failure
    assert isinstance(found[2], Caption)


def test_a_silent_question_that_fails_fails_its_segment_too() -> None:
    one = heard(1)

    def fails(question: Question) -> AnnotationError | None:
        return AnnotationError("timed_out", "") if is_silent(question.audio[0]) else None

    ((_, found),) = verify_captions([(None, one)], ALL_SILENCE, ScriptedClient(fails=fails))
    assert isinstance(found, AnnotationError)


class WithoutProbabilities(ScriptedClient):
    """A server that answers and tells no log-probabilities, or ones that are none."""

    told: float | None = None

    def ask(self, groups: Iterable[tuple[ContextT, Sequence[Question]]]) -> Iterator[tuple[ContextT, list[Reply]]]:
        probabilities = {} if self.told is None else {"yes": self.told}
        for context, group in groups:
            yield context, [Answer("yes", probabilities=probabilities) for _ in group]


@pytest.mark.parametrize("told", [None, 1.5, float("nan")])
def test_an_answer_without_a_probability_is_none(told: float | None) -> None:
    client = WithoutProbabilities()
    client.told = told
    ((_, found),) = verify_captions([(None, heard(1))], NO_SILENCE, client)
    assert isinstance(found, AnnotationError)
    assert found.reason == "no_probability"


def test_a_caption_of_which_nothing_is_left_is_empty() -> None:
    one = heard(1)
    caption = verify(one, ScriptedClient(lambda claim, silent: 0.01))
    assert (caption.caption, caption.remaining, caption.branches, caption.verified) == ("", (), (), False)
    assert {claim.verdict for claim in caption.claims} == {Verdict.DROPPED}


def test_a_verified_caption_still_holds_against_its_rows() -> None:
    for seed in range(40):
        one, rows = plausible(seed)
        rows = with_captions(one, rows)
        caption = merge_segment(one, rows, CaptionConfig(), "k")
        client = ScriptedClient(lambda claim, silent: (len(claim) % 10) / 10)
        verified = verify(VerifierInput(one, caption, NOISE), client)
        if verified.remaining:
            assert check_caption(verified, one, rows) == ()


@given(st.lists(P, min_size=12, max_size=12), st.floats(0.0, 1.0), st.integers(0, 40))
def test_a_caption_is_its_kept_claims_whatever_the_model_says(
    answers: Sequence[float], silent: float, seed: int
) -> None:
    one = heard(seed)
    caption = verify(one, by_claim(one, *answers, silent=silent), ALL_SILENCE)
    assert [claim.text for claim in caption.claims] == [claim.text for claim in one.caption.claims]
    assert caption.caption == caption_text(caption.remaining)
    assert len(caption.checks) == len(caption.claims)
    for claim, check in zip(caption.claims, caption.checks, strict=True):
        assert claim.verdict is not None
        assert (check.doubt is not None) == (claim.verdict is Verdict.UNSURE)
        assert claim.probability == pytest.approx(probability(check.affirmed, check.denied))
    assert caption.verified == (
        bool(caption.remaining) and all(claim.verdict is Verdict.CONFIRMED for claim in caption.remaining)
    )


@given(P, P, P)
def test_probability_grows_with_yes_and_falls_with_yes_to_the_opposite(low: float, high: float, other: float) -> None:
    low, high = sorted((low, high))
    assert probability(low, other) <= probability(high, other)
    assert probability(other, low) >= probability(other, high)
    assert 0.0 < probability(low, high) < 1.0


@given(P, P)
def test_a_claim_and_its_opposite_add_up_to_one(affirmed: float, denied: float) -> None:
    assert probability(affirmed, denied) + probability(denied, affirmed) == pytest.approx(1.0)
    assert disagreement(affirmed, denied) == pytest.approx(disagreement(denied, affirmed))


@given(st.floats(0.01, 0.99))
def test_a_consistent_model_s_probability_is_kept(p: float) -> None:
    assert probability(p, 1 - p) == pytest.approx(p)
    assert disagreement(p, 1 - p) == pytest.approx(0.0, abs=1e-12)


@given(st.floats(-4.0, 4.0), st.floats(-3.0, 3.0))
def test_a_leaning_to_yes_cancels(odds: float, lean: float) -> None:
    def p(log_odds: float) -> float:
        return float(1 / (1 + 2.718281828459045**-log_odds))

    assert probability(p(odds + lean), p(-odds + lean)) == pytest.approx(p(odds), abs=1e-6)


@given(P, P, st.floats(0.51, 0.99), st.floats(0.01, 0.49))
def test_verdicts_are_in_the_order_of_probabilities(
    affirmed: float, denied: float, confirm: float, drop: float
) -> None:
    config = VerifierConfig(confirm=confirm, drop=drop)
    verdict, held, check = judge(affirmed, denied, config)
    if verdict is Verdict.CONFIRMED:
        assert held >= confirm
    elif verdict is Verdict.DROPPED:
        assert held <= drop
    else:
        assert drop < held < confirm or check.doubt is UnsureReason.INCONSISTENT


def test_silence_is_silent() -> None:
    assert is_silent(silence_like(4_000))
    assert soundfile.info(io.BytesIO(silence_like(4_000))).frames == 4_000
    assert not is_silent(NOISE)

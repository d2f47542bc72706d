"""Which captions are asked for, and which claims keep one away."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.tasks.caption import answers_for
from soundseam.schemas.claim import Verdict
from tests.pipeline.sft.builders import (
    DOG,
    ENGLISH,
    EVERY,
    captioned,
    event,
    material,
    of,
    recording,
    samples,
)
from tests.support.builders import a_segment


def test_a_caption_with_a_claim_that_was_not_confirmed_is_not_learnt() -> None:
    segment = a_segment(events=(event(DOG, 0, 500),))
    good = captioned(segment, "A dog barks.", "It is near.")
    doubtful = good.model_copy(
        update={"claims": (good.claims[0], good.claims[1].model_copy(update={"verdict": Verdict.UNSURE}))}
    )
    assert of("caption", samples(recording(material(segment, caption=good)), EVERY))
    assert not of("caption", samples(recording(material(segment, caption=doubtful)), EVERY))
    failed = good.model_copy(update={"verified": False})
    assert not of("caption", samples(recording(material(segment, caption=failed)), EVERY))


def test_what_a_verifier_dropped_is_in_no_sample_and_keeps_none_away() -> None:
    segment = a_segment(end_ms=10_000)
    good = captioned(segment, "A dog barks.", "It is near.", "Rain falls.")
    verdicts = (Verdict.CONFIRMED, Verdict.DROPPED, Verdict.CONFIRMED)
    claims = tuple(
        claim.model_copy(update={"verdict": verdict, "probability": 0.5})
        for claim, verdict in zip(good.claims, verdicts, strict=True)
    )
    judged = good.model_copy(update={"claims": claims, "caption": "A dog barks. Rain falls.", "verified": True})
    made = of("caption", samples(recording(material(segment, caption=judged)), EVERY))
    assert {sample.kind for sample in made} == {"plain", "short", "list"}
    assert not [sample for sample in made if "near" in sample.answer]
    assert {one.verdict for sample in made for one in sample.verdicts} == {Verdict.CONFIRMED}


def test_a_model_s_own_claim_needs_a_verdict() -> None:
    segment = a_segment(events=(event(DOG, 0, 500),))
    drafted = captioned(segment, "A dog barks.", composer="test.rule")
    confirmed = drafted.model_copy(
        update={
            "verified": True,
            "claims": tuple(
                claim.model_copy(update={"verdict": Verdict.CONFIRMED, "probability": 0.99}) for claim in drafted.claims
            ),
        }
    )
    assert not of("caption", samples(recording(material(segment, caption=drafted)), ENGLISH))
    (sample,) = of("caption", samples(recording(material(segment, caption=confirmed)), ENGLISH))
    assert [(one.verdict, one.probability) for one in sample.verdicts] == [(Verdict.CONFIRMED, 0.99)]


@pytest.mark.parametrize(
    ("branch", "text", "is_asked"),
    [
        ("music", "As music plays, someone speaks.", False),
        ("music", "Music can be heard throughout.", False),
        ("music", "Slow music in D minor plays throughout.", True),
        ("general", "A door slams while music plays.", False),
        ("general", "A door slams near the end.", True),
        ("speech", "Someone speaks slowly over the music.", False),
    ],
)
def test_a_branch_s_caption_answers_for_its_own_sounds(branch: str, text: str, is_asked: bool) -> None:
    assert answers_for(branch, text) is is_asked


def test_detail_is_asked_for_only_where_there_is_some() -> None:
    segment = a_segment(end_ms=10_000)
    for sentences, kind in ((["A dog barks."], "plain"), (["A dog barks.", "It rains.", "A bell rings."], "detailed")):
        made = of("caption", samples(recording(material(segment, caption=captioned(segment, *sentences))), EVERY))
        assert kind in {sample.kind for sample in made}
        assert len({sample.kind for sample in made} & {"plain", "detailed"}) == 1

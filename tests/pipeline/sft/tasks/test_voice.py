"""What a model says of a voice is learnt where a verifier confirmed it and no measure gainsays it."""

from __future__ import annotations

import json

import pytest

from soundseam.pipeline.sft.tasks.voice import clear_voice
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.claim import Verdict
from soundseam.schemas.event import Branch
from soundseam.schemas.sample import Sample
from soundseam.schemas.speech import Dimensions
from tests.pipeline.sft.builders import (
    CONFIG,
    SPEECH,
    captioned,
    confirming,
    described,
    event,
    material,
    recording,
    samples,
    spoken,
)
from tests.support.builders import a_segment

TALK = a_segment(end_ms=8000, branches=(Branch.SPEECH,))
CALM = described(TALK, "A calm voice explains something.")


def asked(row: SpeechAnnotation, verdict: Verdict | None = Verdict.CONFIRMED) -> dict[str, Sample]:
    """kind → sample."""
    of = material(TALK, row, caption=confirming(captioned(TALK, "Someone speaks."), row, verdict))
    return {sample.kind: sample for sample in samples(recording(of), CONFIG) if sample.task == "voice_description"}


def test_the_answer_has_all_thirteen_dimensions_in_order() -> None:
    answer = json.loads(asked(CALM)["dimensions"].answer)
    assert list(answer) == list(Dimensions.model_fields)
    assert (answer["age"], answer["emotion"], answer["accent"]) == ("young adult", "calm", "General American")


def test_the_summary_is_an_answer_in_its_own_language_with_its_verdict() -> None:
    sample = asked(CALM)["summary"]
    assert (sample.answer, sample.language) == ("A calm voice explains something.", "en")
    assert [one.verdict for one in sample.verdicts] == [Verdict.CONFIRMED]
    assert asked(described(TALK, "声音平静而亲切。"))["summary"].language == "zh"


@pytest.mark.parametrize("verdict", [None, Verdict.UNSURE, Verdict.DROPPED])
def test_what_no_verifier_confirmed_is_not_learnt(verdict: Verdict | None) -> None:
    assert not asked(CALM, verdict)


def test_a_voice_that_a_measure_gainsays_is_not_learnt() -> None:
    assert not asked(described(TALK, "A calm voice explains something.", contradicted=True))


def test_of_several_voices_nobody_knows_which_one_is_meant() -> None:
    assert not asked(described(TALK, "A calm voice.", "A shrill voice."))


def test_an_animal_taken_for_speech_has_no_pace_to_ask_for() -> None:
    segment = a_segment(events=(event(SPEECH, 0, 5_000),))
    row = spoken(segment, rate_hz=1.0)
    assert row.voice is not None
    growl = row.model_copy(update={"voice": row.voice.model_copy(update={"voiced_share": 0.26})})
    assert clear_voice(material(segment, row), 1_000) == row
    assert clear_voice(material(segment, growl), 1_000) is None

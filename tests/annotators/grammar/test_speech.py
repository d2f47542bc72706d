from __future__ import annotations

import pytest

from soundseam.annotators.grammar.engine import Rows, derive_claim
from soundseam.annotators.grammar.speech import SPEAKERS
from soundseam.schemas.event import EventClass, ProfileEntry
from soundseam.schemas.speech import Speakers, Turn
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import a_row


def said(order: str, sure: bool | None) -> str | None:
    """What is said of speakers who take turns of a second each, a letter a turn."""
    turns = tuple(
        Turn(speaker=name, start_ms=1_000 * i, end_ms=1_000 * i + 1_000, overlapped=False)
        for i, name in enumerate(order)
    )
    speakers = Speakers(turns=turns, count=len(set(order)), overlap_ms=0, scope="recording", sure=sure)
    segment = a_clip(
        silence(1_000 * len(order)),
        (0, 1_000 * len(order)),
        profile=(ProfileEntry(event_class=EventClass.SPEECH, share=1.0, strength=0.9),),
    ).segment
    claim = derive_claim(SPEAKERS, Rows(segment, [a_row("onnx_diarization", speakers=speakers)]))
    return None if claim is None else claim.text


def test_two_sure_speakers_take_turns() -> None:
    text = said("ABAB", sure=True)
    assert text is not None
    assert "two" in text.lower()


def test_one_change_of_speaker_is_one_after_another() -> None:
    text = said("AB", sure=True)
    assert text is not None
    assert "another" in text


@pytest.mark.parametrize(("order", "sure"), [("ABAB", False), ("ABAB", None), ("A", True), ("", True)])
def test_nothing_is_said_of_one_speaker_or_of_unsure_ones(order: str, sure: bool | None) -> None:
    assert said(order, sure) is None

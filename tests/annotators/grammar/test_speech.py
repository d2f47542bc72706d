from __future__ import annotations

from itertools import accumulate, groupby

import pytest

from soundseam.annotators.grammar.engine import Rows, derive_claim
from soundseam.annotators.grammar.speech import OPENING, SPEAKERS
from soundseam.schemas.event import EventClass, ProfileEntry
from soundseam.schemas.speech import Speakers, Turn, Voice
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import a_row


def said(order: str, sure: bool | None) -> str | None:
    """What is said of speakers who take turns, a letter a second."""
    runs = [(name, len(list(run))) for name, run in groupby(order)]
    ends = list(accumulate(seconds for _, seconds in runs))
    turns = tuple(
        Turn(speaker=name, start_ms=1_000 * (end - seconds), end_ms=1_000 * end, overlapped=False)
        for (name, seconds), end in zip(runs, ends, strict=True)
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
    assert "longest" not in text


def test_it_is_said_when_each_of_two_speakers_has_the_longest_turn() -> None:
    text = said("AABAABBBBBBBAA", sure=True)
    assert text is not None
    first = "the longest turn of the first begins right at the start and lasts about two seconds"
    assert text.endswith(
        f"{first}, that of the second begins about a third of the way through and lasts about seven seconds."
    )


def test_one_change_of_speaker_is_one_after_another() -> None:
    text = said("AB", sure=True)
    assert text is not None
    assert "another" in text
    assert "about halfway through" in text


@pytest.mark.parametrize(("order", "sure"), [("ABAB", False), ("ABAB", None), ("A", True), ("", True)])
def test_nothing_is_said_of_one_speaker_or_of_unsure_ones(order: str, sure: bool | None) -> None:
    assert said(order, sure) is None


def opening(seconds: int, count: int, doubt: float = 0.0) -> str:
    voice = Voice(
        speech_ms=1_000 * seconds,
        pitch_median_hz=150.0,
        pitch_low_hz=140.0,
        pitch_high_hz=160.0,
        voiced_share=0.8,
        level_dbfs=-20.0,
        snr_db=30.0,
        syllable_rate_hz=4.5,
        pause_count=3,
        pause_ms=900,
        longest_pause_ms=400,
    )
    speakers = Speakers(turns=(), count=count, overlap_ms=0, scope="recording", sure=True, doubt=doubt)
    segment = a_clip(
        silence(1_000 * seconds),
        (0, 1_000 * seconds),
        profile=(ProfileEntry(event_class=EventClass.SPEECH, share=1.0, strength=0.9),),
    ).segment
    rows = [a_row("voice", voice=voice), a_row("onnx_diarization", speakers=speakers)]
    claim = derive_claim(OPENING, Rows(segment, rows))
    assert claim is not None
    return claim.text


def test_nobody_in_particular_speaks_where_several_people_do_or_may() -> None:
    of_one, of_two, of_some = (
        [opening(seconds, count, doubt).lower() for seconds in range(3, 30)]
        for count, doubt in ((1, 0.0), (2, 0.0), (1, 0.2))
    )
    assert any("someone" in text for text in of_one)
    assert len(set(of_two)) > 5
    assert not any(word in text for text in of_two for word in ("someone", "somebody", "utterance"))
    assert not any(word in text for text in of_some for word in ("someone", "somebody", "utterance", "voice"))

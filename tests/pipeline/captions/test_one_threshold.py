"""A fact has one threshold: a caption mentions what a list of facts mentions."""

from __future__ import annotations

import pytest

from soundseam.annotators.grammar.engine import Rows, Rule, derive_claim
from soundseam.annotators.grammar.general import DECAY, DULL, STEADY
from soundseam.annotators.grammar.speech import BACKGROUND
from soundseam.pipeline.captions.tool_results import tool_results
from soundseam.pipeline.sft.tasks.voice import VoiceTask
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.segment import Segment
from tests.pipeline.sft.builders import BELL, SPEECH, event, heard, spoken
from tests.support.builders import a_segment

TALK = a_segment("a", 0, 12_000, (event(SPEECH, 0, 12_000),))
HUM = a_segment("a", 0, 12_000, (event(BELL, 0, 12_000),))


def is_in_caption(rule: Rule, segment: Segment, row: Annotation) -> bool:
    return derive_claim(rule, Rows(segment, (row,))) is not None


def is_in_facts(words: str, segment: Segment, row: Annotation) -> bool:
    return any(words in result.content for result in tool_results(segment, (row,)))


@pytest.mark.parametrize(("snr_db", "is_mentioned"), [(7.9, True), (8.0, False), (29.9, False), (30.0, True)])
def test_a_background_is_mentioned_in_both_or_in_neither(snr_db: float, is_mentioned: bool) -> None:
    row = spoken(TALK)
    assert row.voice is not None
    row = row.model_copy(update={"voice": row.voice.model_copy(update={"snr_db": snr_db})})
    assert is_in_caption(BACKGROUND, TALK, row) is is_mentioned
    assert is_in_facts("background", TALK, row) is is_mentioned


@pytest.mark.parametrize(
    ("rule", "words", "field", "value", "is_mentioned"),
    [
        (STEADY, "hardly changing", "stationarity", 0.75, True),
        (STEADY, "hardly changing", "stationarity", 0.74, False),
        (DECAY, "slow to die away", "decay_time_ms", 1_000, True),
        (DECAY, "slow to die away", "decay_time_ms", 999, False),
        (DULL, "muffled", "bandwidth_hz", 3_800, True),
        (DULL, "muffled", "bandwidth_hz", 3_900, False),
    ],
)
def test_how_it_sounds_as_a_whole_is_mentioned_in_both_or_in_neither(
    rule: Rule, words: str, field: str, value: float, is_mentioned: bool
) -> None:
    row = heard(HUM)
    assert row.acoustics is not None
    row = row.model_copy(update={"acoustics": row.acoustics.model_copy(update={field: value})})
    assert is_in_caption(rule, HUM, row) is is_mentioned
    assert is_in_facts(words, HUM, row) is is_mentioned


def test_questions_about_a_pace_keep_clear_of_the_bounds_of_its_words() -> None:
    task = VoiceTask()
    assert (task.slow_below_hz, task.moderate_from_hz, task.moderate_to_hz, task.fast_above_hz) == (2.7, 3.7, 4.8, 5.8)

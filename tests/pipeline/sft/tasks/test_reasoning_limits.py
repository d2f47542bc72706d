"""Chains of reasoning by rule: what they add up to, and the limits within which they are asked for."""

from __future__ import annotations

import re

import pytest

from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.sample import Difficulty, Sample
from tests.pipeline.sft.builders import BELL, DOG, ENGLISH, MUSIC, event, material, musical, recording, samples
from tests.pipeline.sft.limits import mark, only_task, shifted
from tests.support.builders import a_segment

START_MS = 4_000
KNOCK = (EventClass.OBJECT, "Knock")
UNKNOWN = (EventClass.SOURCE_AMBIGUOUS, "sound")
TASK = ENGLISH.only(("reasoning",))


def asked(*events: Event, kind: str, **options: object) -> list[Sample]:
    """What is asked of a segment at 4 s of its recording whose events count from its own start."""
    segment = a_segment(start_ms=START_MS, end_ms=START_MS + 20_000, events=shifted(events, START_MS))
    config = only_task(ENGLISH, "reasoning", **{"max_per_segment": 9, **options})
    return [one for one in samples(recording(material(segment)), config) if one.kind == kind]


def numbers_in(text: str | None) -> list[str]:
    return re.findall(r"\d+\.\d+|\d+", text or "")


def test_a_gap_is_from_the_end_of_one_sound_to_the_beginning_of_the_next() -> None:
    (sample,) = asked(event(DOG, 1_000, 2_040), event(BELL, 5_000, 6_500), kind="gap")
    assert numbers_in(sample.reasoning) == ["2.0", "5.0", *numbers_in(sample.reasoning)[2:]]
    assert numbers_in(sample.reasoning)[-1] == "3.0"
    assert "3.0" in sample.answer
    assert [mark(sample, f"{value} s") for value in (2.4, 2.5, 3.5, 3.6)] == [0.0, 1.0, 1.0, 0.0]
    assert sample.topic == "Bark/Bell"
    assert sample.difficulty is Difficulty.MEDIUM


def test_a_gap_is_asked_for_between_neighbours_that_are_heard_once_and_lie_apart() -> None:
    bell = event(BELL, 5_000, 6_000)
    assert asked(event(DOG, 1_000, 4_500), bell, kind="gap", min_gap_ms=500)
    assert not asked(event(DOG, 1_000, 4_501), bell, kind="gap", min_gap_ms=500)
    assert not asked(event(DOG, 0, 100), event(DOG, 1_000, 1_100), bell, kind="gap")
    assert not asked(event(UNKNOWN, 0, 100), bell, kind="gap")
    assert not asked(event(DOG, 0, 100, score=0.59), bell, kind="gap", min_score=0.6)
    three = asked(event(DOG, 0, 100), event(KNOCK, 1_000, 1_100), bell, kind="gap")
    assert {one.topic for one in three} == {"Bark/Knock", "Knock/Bell"}


def test_a_longer_sound_is_found_by_adding_up_what_is_heard_of_it() -> None:
    (sample,) = asked(
        event(DOG, 0, 1_040), event(BELL, 2_000, 3_500), event(DOG, 4_000, 5_040), kind="longer", clear_ratio=1.3
    )
    assert "bark" in sample.answer_spec.reference
    assert "1.0 + 1.0 = 2.0" in (sample.reasoning or "")
    # What has one event is no sum.
    assert (sample.reasoning or "").count("=") == 1
    assert numbers_in(sample.reasoning) == ["1.0", "1.0", "2.0", "1.5", *numbers_in(sample.reasoning)[4:]]
    assert sample.topic == "Bark/Bell"
    assert mark(sample, sample.answer_spec.reference) == 1.0
    assert sample.difficulty is Difficulty.MEDIUM
    (other,) = asked(event(DOG, 0, 1_000), event(BELL, 2_000, 3_500), kind="longer")
    assert "bell" in other.answer_spec.reference


def test_which_is_longer_is_asked_if_one_clearly_is_and_nothing_overlaps_itself() -> None:
    assert asked(event(DOG, 0, 1_000), event(BELL, 2_000, 3_300), kind="longer", clear_ratio=1.3)
    assert not asked(event(DOG, 0, 1_000), event(BELL, 2_000, 3_240), kind="longer", clear_ratio=1.3)
    twice = [event(DOG, 0, 1_000), event(DOG, 999, 3_000)]
    assert not asked(*twice, event(BELL, 5_000, 5_500), kind="longer")
    assert asked(twice[0], event(DOG, 1_000, 3_000), event(BELL, 5_000, 5_500), kind="longer")
    # What rounds to no tenth of a second has no duration to compare with.
    assert not asked(event(DOG, 0, 40), event(BELL, 2_000, 3_000), kind="longer")


def test_a_chain_is_harder_where_its_sounds_overlap() -> None:
    (sample,) = asked(event(DOG, 0, 1_000), event(BELL, 999, 4_000), kind="longer")
    assert sample.difficulty is Difficulty.HARD
    apart = [event(DOG, 0, 1_000), event(BELL, 5_000, 6_000)]
    (gap,) = asked(*apart, event(MUSIC, 500, 900).model_copy(update={"score": 0.1}), kind="gap")
    assert gap.difficulty is Difficulty.HARD


def bar_of(tempo_bpm: float, sure: float = 0.9, **options: object) -> list[Sample]:
    segment = a_segment(end_ms=16_000, events=(event(MUSIC, 0, 16_000),))
    config = TASK.model_copy(update={"tasks": (TASK.tasks[0].model_copy(update=options),)})
    made = samples(recording(material(segment, musical(segment, tempo_bpm, sure))), config)
    return [one for one in made if one.kind == "bar"]


@pytest.mark.parametrize(
    ("tempo_bpm", "bpm", "beat", "bar"), [(96.4, "96", "0.62", "2.50"), (120.0, "120", "0.50", "2.00")]
)
def test_a_bar_lasts_as_long_as_its_beats(tempo_bpm: float, bpm: str, beat: str, bar: str) -> None:
    (sample,) = bar_of(tempo_bpm)
    found = numbers_in(sample.reasoning)
    assert {bpm, "4", beat, bar} <= set(found)
    assert f"{float(bar):.1f}" in sample.answer
    assert sample.answer_spec.reference == f"{float(bar):.1f}"
    tolerance = 0.1 * float(bar)
    for value, right in ((-0.04, 1.0), (0.04, 1.0)):
        assert mark(sample, f"{float(bar) + value} s") == right
    assert mark(sample, f"{float(bar) + tolerance + 0.1:.2f} s") == 0.0
    assert mark(sample, f"{float(bar) + tolerance - 0.05:.2f} s") == 1.0
    assert sample.difficulty is Difficulty.HARD


def test_a_bar_is_asked_for_if_tempo_and_bar_are_sure() -> None:
    assert [len(bar_of(120.0, sure, min_confidence=0.6)) for sure in (0.59, 0.6)] == [0, 1]

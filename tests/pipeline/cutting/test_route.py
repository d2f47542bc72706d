"""What a segment is made of decides who hears it."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import ValidationError

from soundseam.pipeline.cutting.route import BRANCH_OF, RouteConfig, branch_weights, profile_of, route
from soundseam.pipeline.cutting.segmentation import Scene
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.timespan import TimeSpan
from tests.support.scenes import event, recordings_with_events

CONFIG = RouteConfig()
MUSIC, OTHER = EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS


def test_every_class_has_a_branch() -> None:
    assert set(BRANCH_OF) == set(EventClass)


def test_a_class_that_overlaps_itself_counts_once_in_its_share() -> None:
    (entry,) = profile_of([event(0, 6_000), event(4_000, 8_000)], TimeSpan(0, 10_000))
    assert entry.share == 0.8


def test_strength_is_the_mean_score_over_time() -> None:
    (entry,) = profile_of([event(0, 1_000, score=0.5), event(2_000, 5_000, score=0.9)], TimeSpan(0, 10_000))
    assert entry.strength == 0.8


def test_the_profile_lists_the_strongest_class_first() -> None:
    entries = profile_of([event(0, 5_000, score=0.3), event(0, 3_000, MUSIC)], TimeSpan(0, 10_000))
    assert [entry.event_class for entry in entries] == [MUSIC, EventClass.SPEECH]


def test_one_kind_of_sound_goes_to_one_branch() -> None:
    assert route([event(0, 1_000, OTHER)], CONFIG) == (Branch.GENERAL,)


def test_the_branch_with_most_event_time_leads() -> None:
    assert route([event(0, 4_000), event(4_000, 9_000, MUSIC)], CONFIG) == (Branch.MUSIC, Branch.SPEECH)


def test_a_short_aside_is_not_worth_a_branch() -> None:
    assert route([event(0, 10_000), event(10_000, 10_500, OTHER)], CONFIG) == (Branch.SPEECH,)


def test_a_minor_part_of_a_long_segment_is_worth_one() -> None:
    assert route([event(0, 24_000), event(24_000, 28_000, OTHER)], CONFIG) == (Branch.SPEECH, Branch.GENERAL)


def test_a_weak_detection_weighs_less() -> None:
    weights = branch_weights([event(0, 1_000, score=0.9), event(0, 1_000, MUSIC, score=0.3)])
    assert weights == {Branch.SPEECH: pytest.approx(900), Branch.MUSIC: pytest.approx(300)}


@given(recordings_with_events())
def test_a_segment_with_an_event_goes_somewhere_and_nowhere_twice(recording: tuple[Scene, int]) -> None:
    scene, _ = recording
    branches = route(scene.events, CONFIG)
    assert bool(branches) == bool(scene.events)
    assert len(set(branches)) == len(branches)


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="lower it"):
        RouteConfig(prior=0.1, floor=0.2)

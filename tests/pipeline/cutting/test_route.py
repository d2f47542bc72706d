"""What a segment is made of decides who hears it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    for one, other in ((MUSIC, EventClass.SPEECH), (EventClass.SPEECH, MUSIC)):
        entries = profile_of([event(0, 5_000, other, score=0.3), event(0, 3_000, one)], TimeSpan(0, 10_000))
        assert [entry.event_class for entry in entries] == [one, other]


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


def test_the_profile_holds_the_classes_that_sound_and_each_by_itself() -> None:
    entries = profile_of([event(0, 2_500), event(2_000, 9_000, MUSIC, score=0.5)], TimeSpan(0, 10_000))
    assert [(entry.event_class, entry.share, entry.strength) for entry in entries] == [
        (MUSIC, 0.7, 0.5),
        (EventClass.SPEECH, 0.25, 0.9),
    ]


def test_shares_and_strengths_are_given_to_thousandths() -> None:
    (entry,) = profile_of([event(0, 1_000, score=0.5), event(2_000, 4_000, score=0.9)], TimeSpan(0, 7_000))
    assert (entry.share, entry.strength) == (0.429, 0.767)


def test_events_at_one_instant_have_neither_share_nor_strength() -> None:
    (entry,) = profile_of([event(500, 500)], TimeSpan(0, 10_000))
    assert (entry.share, entry.strength) == (0.0, 0.0)
    assert route([event(500, 500), event(500, 500, OTHER)], CONFIG) == (Branch.GENERAL,)


def test_a_branch_at_either_threshold_hears_the_segment_and_one_under_both_does_not() -> None:
    by_share, by_time = RouteConfig(prior=0.25, event_ms=100_000), RouteConfig(prior=1.0, event_ms=1_000, floor=0.0)

    def heard(other_ms: int, config: RouteConfig) -> bool:
        other = event(6_000, 6_000 + other_ms, OTHER, score=1.0)
        return route([event(0, 6_000, score=1.0), other], config) == (Branch.SPEECH, Branch.GENERAL)

    assert [heard(other_ms, by_share) for other_ms in (1_999, 2_000, 2_001)] == [False, True, True]
    assert [heard(other_ms, by_time) for other_ms in (999, 1_000, 1_001)] == [False, True, True]


def test_a_branch_under_the_floor_hears_nothing_however_long_its_events_are() -> None:
    config = RouteConfig(prior=0.9, event_ms=1, floor=0.25)
    for other_ms, branches in ((2_000, (Branch.SPEECH, Branch.GENERAL)), (1_999, (Branch.SPEECH,))):
        assert route([event(0, 6_000, score=1.0), event(0, other_ms, OTHER, score=1.0)], config) == branches


def test_branches_of_equal_weight_are_in_the_order_of_their_names() -> None:
    events = [event(0, 4_000), event(4_000, 8_000, MUSIC), event(8_000, 12_000, OTHER)]
    assert route(events, CONFIG) == tuple(sorted(Branch))


@given(recordings_with_events(), st.floats(0.05, 1.0), st.integers(0, 5_000))
def test_whoever_hears_a_segment_leads_or_reaches_a_threshold(
    recording: tuple[Scene, int], prior: float, event_ms: int
) -> None:
    scene, _ = recording
    config = RouteConfig(prior=prior, event_ms=event_ms)
    weights = branch_weights(scene.events)
    branches = route(scene.events, config)
    for branch in weights:
        share = weights[branch] / sum(weights.values())
        reached = share >= config.floor and (share >= prior or weights[branch] >= event_ms)
        assert (branch in branches) == (reached or branch is branches[0])
    assert [*branches] == sorted(branches, key=lambda branch: (-weights[branch], branch))


@given(recordings_with_events())
def test_a_segment_with_an_event_goes_somewhere_and_nowhere_twice(recording: tuple[Scene, int]) -> None:
    scene, _ = recording
    branches = route(scene.events, CONFIG)
    assert bool(branches) == bool(scene.events)
    assert len(set(branches)) == len(branches)


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="lower it"):
        RouteConfig(prior=0.1, floor=0.2)

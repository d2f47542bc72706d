"""Each measure on a case small enough to count by hand."""

from __future__ import annotations

from soundseam.pipeline.evaluation.event_scores import (
    ConversationScore,
    FoundSegment,
    RoutingScore,
    SceneScore,
    TrueEvent,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

SPEECH, MUSIC, GENERAL = Branch.SPEECH, Branch.MUSIC, Branch.GENERAL


def score(truth: list[tuple[Branch, int, int]], segments: list[tuple[int, int]], duration_ms: int) -> SceneScore:
    scores = SceneScore()
    events = [TrueEvent(label, TimeSpan(onset, offset)) for label, onset, offset in truth]
    scores.add(events, [FoundSegment(TimeSpan(*span)) for span in segments], duration_ms)
    return scores


def test_an_event_with_a_boundary_inside_is_cut() -> None:
    scores = score([(SPEECH, 0, 4_000), (SPEECH, 5_000, 9_000)], [(0, 2_000), (2_000, 9_000)], 9_000)
    assert scores.cut.value == 0.5


def test_a_boundary_within_the_collar_cuts_nothing() -> None:
    assert score([(SPEECH, 0, 4_000)], [(0, 3_800), (3_800, 6_000)], 6_000).cut.value == 0.0


def test_the_recordings_own_edges_cut_nothing() -> None:
    assert score([(SPEECH, 0, 4_000)], [(0, 4_000)], 4_000).cut.value == 0.0


def test_gaps_and_changes_are_found_within_the_collar() -> None:
    truth = [(SPEECH, 0, 1_000), (SPEECH, 2_000, 3_000), (MUSIC, 4_000, 6_000), (GENERAL, 6_300, 7_000)]
    scores = score(truth, [(0, 3_900), (3_900, 7_000)], 7_000)
    assert (scores.recall.value, scores.change.value) == (0.5, 1.0)


def test_time_that_no_segment_holds_is_lost() -> None:
    assert score([(SPEECH, 0, 4_000)], [(1_000, 4_000)], 5_000).lost.value == 0.25


def test_purity_is_the_share_of_the_commonest_class() -> None:
    truth = [(SPEECH, 0, 3_000), (MUSIC, 3_000, 4_000), (MUSIC, 5_000, 9_000)]
    assert score(truth, [(0, 4_500), (4_500, 9_000)], 9_000).purity.value == 0.875


def test_nothing_to_count_gives_no_figure() -> None:
    assert SceneScore().cut.value is None


def test_only_inner_boundaries_of_a_conversation_count() -> None:
    scores = ConversationScore()
    segments = [
        FoundSegment(TimeSpan(0, 5_000)),
        FoundSegment(TimeSpan(5_000, 9_000)),
        FoundSegment(TimeSpan(9_500, 12_000)),
    ]
    scores.add([TimeSpan(4_000, 8_000)], segments, music_ms=600, duration_ms=12_000)
    assert (scores.inside_turn.value, scores.music.value) == (0.3333, 0.05)


def test_routing_asks_for_half_the_time_and_the_lead() -> None:
    scores = RoutingScore()
    scores.add(
        SPEECH, [FoundSegment(TimeSpan(0, 6_000), (SPEECH,)), FoundSegment(TimeSpan(6_000, 9_000), (MUSIC, SPEECH))]
    )
    scores.add(MUSIC, [FoundSegment(TimeSpan(0, 6_000), (GENERAL, MUSIC))])
    scores.add(GENERAL, [])
    assert [scores.among[label].value for label in (SPEECH, MUSIC, GENERAL)] == [1.0, 1.0, 0.0]
    assert [scores.leading[label].value for label in (SPEECH, MUSIC, GENERAL)] == [1.0, 0.0, 0.0]
    assert scores.branches.value == round(5 / 3, 4)

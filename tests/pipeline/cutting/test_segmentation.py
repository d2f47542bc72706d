"""The segmentation contract, clause by clause."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from soundseam.annotators.detection.base import Detection, FrameScores
from soundseam.pipeline.cutting.segmentation import Scene, SegmentationConfig, SegmentDraft, combine, segment_detection
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.timespan import TimeSpan, union_spans
from tests.support.scenes import event, recordings_with_events, scene_of

CONFIG = SegmentationConfig()
MUSIC, OTHER = EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS


def cut(*events: Event, duration_ms: int) -> tuple[SegmentDraft, ...]:
    return segment_detection(scene_of(*events, duration_ms=duration_ms), duration_ms, CONFIG)


def spans(drafts: tuple[SegmentDraft, ...]) -> list[TimeSpan]:
    return [draft.span for draft in drafts]


@given(recordings_with_events())
@settings(max_examples=150, deadline=None)
def test_segments_are_ordered_and_disjoint(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    found = spans(segment_detection(scene, duration_ms, CONFIG))
    edges = [edge for span in found for edge in span]
    assert edges == sorted(edges)
    assert all(span.duration_ms > 0 for span in found)
    assert all(0 <= edge <= duration_ms for edge in edges)


@given(recordings_with_events())
@settings(max_examples=150, deadline=None)
def test_segments_hold_every_event(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    held = union_spans(spans(segment_detection(scene, duration_ms, CONFIG)))
    for each in scene.events:
        assert sum(span.overlap_ms(each.span) for span in held) == each.span.duration_ms


@given(recordings_with_events())
@settings(max_examples=150, deadline=None)
def test_segments_keep_to_the_length_limits(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    for span in spans(segment_detection(scene, duration_ms, CONFIG)):
        assert min(CONFIG.cut.min_ms, duration_ms) <= span.duration_ms <= CONFIG.cut.max_ms


@given(recordings_with_events())
@settings(max_examples=150, deadline=None)
def test_a_boundary_that_cuts_an_event_says_so_and_no_other_does(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    for draft in segment_detection(scene, duration_ms, CONFIG):
        for time, boundary in zip(draft.span, (draft.start_boundary, draft.end_boundary), strict=True):
            inside = any(each.onset_ms < time < each.offset_ms for each in scene.events if not each.is_bed)
            assert boundary.forced == inside
            assert (boundary.reason == "forced") == inside


@given(recordings_with_events(longest_ms=30_000))
@settings(max_examples=100, deadline=None)
def test_no_event_is_cut_where_everything_fits_one_segment(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    drafts = segment_detection(scene, duration_ms, CONFIG)
    assert not any(boundary.forced for draft in drafts for boundary in (draft.start_boundary, draft.end_boundary))


@given(recordings_with_events())
@settings(max_examples=100, deadline=None)
def test_each_segment_has_its_events_clipped_and_goes_somewhere(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    for draft in segment_detection(scene, duration_ms, CONFIG):
        assert draft.events
        assert draft.branches
        assert all(draft.span.intersection(each.span) == each.span for each in draft.events)
        assert {entry.event_class for entry in draft.profile} == {each.event_class for each in draft.events}


@given(recordings_with_events())
@settings(max_examples=30, deadline=None)
def test_the_same_scene_gives_the_same_segments(recording: tuple[Scene, int]) -> None:
    scene, duration_ms = recording
    shuffled = Scene(scene.events[::-1], scene.activity)
    assert segment_detection(shuffled, duration_ms, CONFIG) == segment_detection(scene, duration_ms, CONFIG)


def test_events_that_differ_only_in_their_score_have_one_order() -> None:
    twins = event(0, 5_000, score=0.3), event(0, 5_000, score=0.9)
    assert cut(*twins, duration_ms=5_000) == cut(*twins[::-1], duration_ms=5_000)


def test_an_empty_recording_gives_no_segment() -> None:
    assert cut(duration_ms=20_000) == ()
    assert segment_detection(Scene((), combine([]).activity), 0, CONFIG) == ()


def test_a_recording_that_is_one_event_is_one_segment() -> None:
    (draft,) = cut(event(0, 25_000), duration_ms=25_000)
    assert draft.span == TimeSpan(0, 25_000)
    assert draft.start_boundary.reason == draft.end_boundary.reason == "recording_edge"


def test_a_recording_under_the_minimum_with_an_event_is_one_segment() -> None:
    (draft,) = cut(event(100, 300), duration_ms=600)
    assert draft.span == TimeSpan(0, 600)


def test_an_event_longer_than_the_maximum_is_cut_at_its_weakest_point() -> None:
    level = [0.9] * 1_000
    level[500] = 0.05
    scene = scene_of(event(0, 40_000), duration_ms=40_000, level=level)
    first, second = segment_detection(scene, 40_000, CONFIG)
    assert first.span.end_ms == second.span.start_ms == 20_020
    assert first.end_boundary.forced
    assert second.start_boundary.forced
    assert first.end_boundary.before is first.end_boundary.after is EventClass.SPEECH
    assert first.end_boundary.cost > 1_000


def test_the_least_salient_of_two_events_is_cut() -> None:
    weak, strong = event(0, 20_000, MUSIC, 0.4), event(20_000, 40_000, MUSIC, 0.9)
    bridging = event(19_000, 20_900, OTHER, 0.9)
    first, _ = cut(weak, strong, bridging, duration_ms=40_000)
    assert first.span.end_ms < 20_000


def test_a_bed_is_cut_freely_and_kept_whole() -> None:
    bed = event(0, 90_000, MUSIC)
    drafts = cut(bed, event(20_000, 24_000), event(50_000, 54_000), duration_ms=90_000)
    assert union_spans(spans(drafts)) == (TimeSpan(0, 90_000),)
    assert not any(draft.end_boundary.forced for draft in drafts)
    assert all(any(each.event_class is MUSIC for each in draft.events) for draft in drafts)


def test_long_speech_is_no_bed() -> None:
    assert any(draft.end_boundary.forced for draft in cut(event(0, 90_000), duration_ms=90_000))


def test_events_that_touch_are_cut_where_they_touch() -> None:
    first, second = cut(event(0, 8_000), event(8_000, 16_000, MUSIC), duration_ms=16_000)
    assert first.span.end_ms == 8_000
    assert first.end_boundary.reason == "touching_events"
    assert (first.end_boundary.before, first.end_boundary.after) == (EventClass.SPEECH, MUSIC)
    assert second.start_boundary == first.end_boundary


def test_a_nested_event_stays_with_the_event_around_it() -> None:
    drafts = cut(event(0, 20_000, MUSIC), event(8_000, 9_000), event(21_000, 29_000), duration_ms=29_000)
    assert [draft.span.end_ms > 20_000 for draft in drafts] == [True, True]


def test_overlapping_events_are_never_parted() -> None:
    drafts = cut(event(0, 9_000), event(8_000, 16_000, MUSIC), event(15_000, 22_000, OTHER), duration_ms=22_000)
    assert spans(drafts) == [TimeSpan(0, 22_000)]


def test_a_boundary_comes_where_the_class_changes() -> None:
    drafts = cut(event(0, 5_000), event(5_500, 10_000), event(10_600, 15_000, MUSIC), duration_ms=15_000)
    assert len(drafts) == 2
    assert 10_000 < drafts[0].span.end_ms < 10_600
    assert drafts[0].end_boundary.reason == "class_change"


def test_equal_content_is_cut_near_the_target() -> None:
    talk = [event(start, start + 2_800) for start in range(0, 60_000, 4_000)]
    lengths = [span.duration_ms for span in spans(cut(*talk, duration_ms=60_000))]
    assert lengths == [pytest.approx(12_000, abs=1_000)] * 5


def test_long_silence_is_left_out_but_for_margins() -> None:
    first, second = cut(event(0, 3_000), event(33_000, 36_000), duration_ms=36_000)
    assert (first.span.end_ms, second.span.start_ms) == (3_500, 32_500)
    assert first.end_boundary.gap_ms == second.start_boundary.gap_ms == 30_000


def test_a_boundary_with_no_event_on_one_side_has_no_class_there() -> None:
    (draft,) = cut(event(20_000, 23_000, MUSIC), duration_ms=60_000)
    assert draft.span == TimeSpan(19_500, 23_500)
    assert (draft.start_boundary.before, draft.start_boundary.after) == (None, MUSIC)
    assert (draft.end_boundary.before, draft.end_boundary.after) == (MUSIC, None)


def detection(classes: tuple[EventClass, ...], *events: Event, hop_ms: int = 40, level: float = 0.5) -> Detection:
    return Detection(events, FrameScores(hop_ms, classes, np.full((100, len(classes)), level, dtype=np.float16)))


def test_each_class_comes_from_the_first_detector_that_can_tell_it() -> None:
    speech_only = detection((EventClass.SPEECH,), event(0, 1_000))
    both = detection((EventClass.SPEECH, MUSIC), event(0, 2_000), event(2_000, 3_000, MUSIC))
    assert combine([speech_only, both]).events == (event(0, 1_000), event(2_000, 3_000, MUSIC))
    assert combine([both, speech_only]).events == (event(0, 2_000), event(2_000, 3_000, MUSIC))


def test_activity_of_detectors_is_the_highest_on_the_finest_grid() -> None:
    coarse = detection((EventClass.SPEECH,), hop_ms=40, level=0.25)
    fine = detection((MUSIC,), hop_ms=20, level=0.5)
    activity = combine([coarse, fine]).activity
    assert activity.hop_ms == 20
    assert activity.level.tolist() == [0.5] * 200


def test_on_a_finer_grid_each_frame_has_the_score_of_the_frame_its_middle_lies_in() -> None:
    curve = np.linspace(0, 1, 10, dtype=np.float16)
    coarse = Detection((), FrameScores(30, (EventClass.SPEECH,), curve[:, None]))
    silent = Detection((), FrameScores(20, (MUSIC,), np.zeros((5, 1), dtype=np.float16)))
    activity = combine([coarse, silent]).activity
    assert activity.level.tolist() == [curve[(20 * frame + 10) // 30] for frame in range(15)]


def test_a_class_counts_as_activity_only_from_the_detector_it_comes_from() -> None:
    speech_only = detection((EventClass.SPEECH,), level=0.25)
    both = Detection((), FrameScores(40, (EventClass.SPEECH, MUSIC), np.tile(np.float16([0.75, 0.5]), (100, 1))))
    assert set(combine([speech_only, both]).activity.level.tolist()) == {0.5}
    assert set(combine([both, speech_only]).activity.level.tolist()) == {0.75}


def test_the_score_of_a_bed_is_no_activity_while_it_lasts() -> None:
    scores = np.tile(np.float16([0.25, 0.75]), (1_600, 1))
    events = (event(410, 61_010, MUSIC), event(1_000, 1_200))
    found = combine([Detection(events, FrameScores(40, (EventClass.SPEECH, MUSIC), scores))]).activity
    assert found.level.tolist() == [0.75] * 10 + [0.25] * 1_516 + [0.75] * 74


def test_a_segment_has_the_events_of_the_recording_and_no_more() -> None:
    first, last = event(0, 3_000), event(2_500, 8_000, MUSIC)
    (draft,) = cut(first, last, event(8_000, 9_000), duration_ms=8_000)
    assert draft.events == (first, last)
    (draft,) = cut(first, event(2_500, 9_000, MUSIC), duration_ms=8_000)
    assert draft.events == (first, last)


def test_a_segment_with_two_classes_goes_to_two_branches() -> None:
    (draft,) = cut(event(0, 10_000), event(2_000, 10_000, MUSIC), duration_ms=10_000)
    assert draft.branches == (Branch.SPEECH, Branch.MUSIC)

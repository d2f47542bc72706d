"""How many labelled clips are named, and how rightly."""

from __future__ import annotations

import pytest

from soundseam.pipeline.evaluation.named_clips import ClipTruth, NamedClip, is_right, labels_in, score_named_clips
from soundseam.schemas.event import Branch, EventClass
from tests.support.builders import an_event

CROW = ClipTruth(file="a.wav", label=Branch.GENERAL, names=("Crow",))


def heard(label: str, event_class: EventClass = EventClass.ANIMAL, truth: ClipTruth = CROW) -> NamedClip:
    return NamedClip(truth, 1_000, (an_event(event_class, 0, 1_000, label),))


@pytest.mark.parametrize(
    ("label", "right"), [("Crow", True), ("Bird", True), ("Animal", True), ("Caw", False), ("Duck", False)]
)
def test_a_broader_word_is_right_and_a_narrower_or_another_is_not(label: str, right: bool) -> None:
    assert is_right(label, CROW.right_labels) is right


def test_named_clips_are_counted_by_how_narrow_and_how_right_they_are() -> None:
    clips = [heard("Crow"), heard("Animal"), heard("Meow"), heard("sound", EventClass.SOURCE_AMBIGUOUS)]
    scores = score_named_clips("yamnet", clips)
    assert (scores.clips, scores.named, scores.right) == (4, 0.75, pytest.approx(2 / 3, abs=1e-4))
    assert (scores.narrow, scores.narrow_right, scores.broad, scores.broad_right) == (1, 0.0, 2, 1.0)


def test_music_over_a_quarter_of_a_sound_calls_it_music() -> None:
    brief = NamedClip(CROW, 10_000, (an_event(EventClass.MUSIC, 0, 1_000, "music"),))
    assert score_named_clips("detection", [heard("music", EventClass.MUSIC), brief]).called_music == 1


def test_clips_of_which_nothing_is_known_are_left_out() -> None:
    unknown = ClipTruth(file="a.wav", label=Branch.GENERAL, text="xyzzy")
    assert score_named_clips("yamnet", [heard("Crow", truth=unknown)]).named is None


@pytest.mark.parametrize(
    ("text", "label"),
    [("A crow.", "Crow"), ("Two dogs", "Dog"), ("An orca.", "Whale vocalization"), ("alarm clock", "Alarm clock")],
)
def test_the_words_of_a_text_stand_for_labels(text: str, label: str) -> None:
    assert label in set(labels_in(text))

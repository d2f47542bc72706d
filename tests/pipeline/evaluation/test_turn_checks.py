"""What captions say of speakers, held against labelled turns."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.grammar.engine import Pick, Values
from soundseam.annotators.grammar.events import SPAN_READS
from soundseam.annotators.grammar.speech_turns import say_speakers
from soundseam.pipeline.evaluation.claim_checks import contradictions
from soundseam.pipeline.evaluation.claim_statement import Statement, stated_duration, stated_place
from soundseam.pipeline.evaluation.claim_truth import Truth, TruthEvent
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

Turns = list[tuple[str, int, int]]

CONVERSATION = [("a", 0, 6_000), ("b", 6_200, 9_000), ("a", 9_500, 11_000), ("b", 11_500, 20_000)]
TRUE = (
    "Two people take turns: the longest turn of the first begins right at the start and lasts about six seconds, "
    "that of the second begins about halfway through and lasts about eight seconds."
)
ONE_CHANGE = [("a", 0, 8_000), ("b", 9_000, 20_000)]


def wrong(text: str, turns: Turns) -> set[str]:
    """What of the sentence is false of 20 s with these turns."""
    events = tuple(TruthEvent(Branch.SPEECH, TimeSpan(start, end), speaker=name) for name, start, end in turns)
    truth = Truth(events, is_timed=True, is_complete=False)
    claim = Claim(text=text, rule="speech.speakers", evidence=())
    return {kind for kind, _ in contradictions(Statement(claim, TimeSpan(0, 20_000), truth))[1]}


def test_longest_turns_with_their_true_places_and_lengths_hold() -> None:
    assert wrong(TRUE, CONVERSATION) == set()


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("begins right at the start", "begins towards the end"),
        ("about halfway through", "near the start"),
        ("lasts about six seconds", "lasts about twelve seconds"),
        ("lasts about eight seconds", "lasts about three seconds"),
        ("lasts about eight seconds", "lasts some twenty seconds"),
    ],
)
def test_a_wrong_place_or_length_of_a_longest_turn_is_false(true: str, false: str) -> None:
    assert wrong(TRUE.replace(true, false), CONVERSATION) == {"turns"}


def test_turns_of_the_wrong_speakers_are_false() -> None:
    exchanged = TRUE.replace("first", "other").replace("second begins", "first begins").replace("other", "second")
    assert wrong(exchanged, CONVERSATION) == {"turns"}


def test_a_pause_within_a_turn_may_end_it_or_not() -> None:
    in_two = [*CONVERSATION[:3], ("b", 11_500, 15_500), ("b", 16_000, 20_000)]
    assert wrong(TRUE, in_two) == set()
    assert wrong(TRUE.replace("about eight", "about four"), in_two) == set()
    assert wrong(TRUE.replace("about eight", "about two"), in_two) == {"turns"}


def test_of_speakers_who_begin_at_nearly_the_same_time_either_is_the_first() -> None:
    with_a_yes = [("b", 0, 300), ("a", 400, 6_400), *CONVERSATION[1:]]
    assert wrong(TRUE, with_a_yes) == set()


@pytest.mark.parametrize(
    "text",
    [
        "First one person speaks, then another, who begins about halfway through.",
        "One voice is followed by another, about halfway through.",
        "One person speaks, then another begins about a third of the way through.",
    ],
)
def test_the_place_at_which_another_begins_is_held_against_labels(text: str) -> None:
    assert wrong(text, ONE_CHANGE) == set()
    assert wrong(text, [("a", 0, 16_000), ("b", 17_000, 20_000)]) == {"change of speaker"}


def test_somebody_who_speaks_again_is_not_followed_by_another_for_good() -> None:
    text = "One voice is followed by another, about halfway through."
    assert wrong(text, [*ONE_CHANGE[:1], ("b", 9_000, 12_000), ("a", 13_000, 20_000)]) == {"change of speaker"}


def test_a_duration_in_words_is_a_range() -> None:
    assert stated_duration("lasts about three seconds") == (3.0, 4.0)
    assert stated_duration("lasts some twenty seconds") == (20.0, 30.0)
    assert stated_duration("lasts about a minute") == (60.0, float("inf"))
    assert stated_duration("lasts") is None
    assert stated_place("begins about a third of the way through") == (0.25, 0.42)


@st.composite
def conversations(draw: st.DrawFn) -> Turns:
    """Turns of two or three people in 20 s, one after the other."""
    edges = [0, *sorted(draw(st.sets(st.integers(min_value=1, max_value=19), min_size=1, max_size=7))), 20]
    steps = draw(st.lists(st.sampled_from((1, 2)), min_size=len(edges) - 1, max_size=len(edges) - 1))
    names = ["abc"[number % 3] for number in accumulate(steps)]
    spans = [(1000 * start, 1000 * end - 100) for start, end in pairwise(edges)]
    return [(name, *span) for name, span in zip(names, spans, strict=True)]


@given(conversations(), st.text("ab", min_size=1, max_size=3))
def test_what_the_grammar_says_of_labelled_turns_is_true_of_them(turns: Turns, seed: str) -> None:
    columns = zip(*turns, strict=True)
    paths = ("speech:speakers.turns.*.speaker", "speech:speakers.turns.*.start_ms", "speech:speakers.turns.*.end_ms")
    read = {path: list(column) for path, column in zip(paths, columns, strict=True)}
    count = len({name for name, _, _ in turns})
    span = dict(zip(SPAN_READS, (0, 20_000), strict=True))
    said = say_speakers(
        Values({"speech:speakers.sure": True, "speech:speakers.count": count, **read, **span}), Pick(seed)
    )
    assert said is not None
    assert wrong(said, turns) == set()

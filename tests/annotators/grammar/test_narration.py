"""Named sounds, told as a listener would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.grammar.engine import Pick, Values
from soundseam.annotators.grammar.events import timeline_reads
from soundseam.annotators.grammar.narration import NAMED, NAMED_OPENING
from soundseam.annotators.grammar.scene import NAMED_STREAMS
from soundseam.annotators.grammar.sound_names import sound_names

COLUMNS = ("class", "onset_ms", "offset_ms", "score", "label")
Row = tuple[str, int, int, float, str]


def values(duration_ms: int, *events: Row) -> Values:
    """What the rules read of a general branch's events; nothing was measured on them."""
    read: dict[str, object] = {"segments:start_ms": 0, "segments:end_ms": duration_ms}
    for name in timeline_reads("general"):
        column = name.rpartition(".")[2]
        if name.startswith("general"):
            read[name] = [event[COLUMNS.index(column)] if column in COLUMNS else None for event in events]
    return Values(read)


def told(read: Values, seed: int = 0) -> str:
    sentence = NAMED_OPENING.say(read, Pick(str(seed)))
    assert sentence is not None
    return sentence


CAW, CAW_AGAIN = ("animal", 200, 700, 0.9, "Caw"), ("animal", 1_500, 2_000, 0.9, "Caw")
LAUGH = ("human_voice", 2_500, 3_900, 0.9, "Laughter")
SPEECH = ("speech", 0, 4_000, 0.9, "speech")


def sentences(read: Values) -> set[str]:
    return {told(read, seed) for seed in range(60)}


def test_a_crow_caws_twice_then_someone_laughs() -> None:
    assert "a crow caws twice, then someone laughs" in sentences(values(4_000, CAW, CAW_AGAIN, LAUGH))


def test_calls_are_counted_only_if_each_event_is_short_enough_for_one() -> None:
    long = ("animal", 1_500, 3_500, 0.9, "Caw")
    assert all("twice" not in sentence for sentence in sentences(values(4_000, CAW, long)))


def test_a_sound_beside_speech_is_told_beside_it() -> None:
    assert "while someone speaks, a crow caws" in sentences(values(4_000, SPEECH, CAW))


def test_a_sound_after_speech_is_told_after_it() -> None:
    late = ("animal", 6_000, 6_500, 0.9, "Caw")
    assert "someone speaks, then a crow caws" in sentences(values(8_000, SPEECH, late))


def test_lasting_rain_is_called_rain() -> None:
    rain = ("nature", 0, 10_000, 0.9, "Rain")
    found = {NAMED_STREAMS.say(values(10_000, SPEECH, rain), Pick(str(seed))) or "" for seed in range(40)}
    assert all("rain" in sentence.lower() and "a sound" not in sentence for sentence in found)


@pytest.mark.parametrize("rule", [NAMED_OPENING, NAMED, NAMED_STREAMS])
def test_nothing_is_told_if_no_sound_has_a_name(rule: object) -> None:
    read = values(4_000, ("source_ambiguous", 200, 700, 0.9, "sound"), ("music", 0, 4_000, 0.9, "music"))
    assert rule.say(read, Pick("")) is None  # type: ignore[attr-defined]


def test_an_unsure_name_is_not_told() -> None:
    assert NAMED_OPENING.say(values(4_000, ("animal", 200, 700, 0.4, "Caw")), Pick("")) is None


events = st.lists(
    st.tuples(
        st.sampled_from(["animal", "object", "source_ambiguous"]),
        st.integers(0, 8_000),
        st.integers(100, 4_000),
        st.floats(0.5, 1.0),
        st.sampled_from([label for label, name in sound_names().items() if name.kind]),
    ),
    min_size=1,
    max_size=8,
)


@given(events, st.integers(0, 9))
def test_every_sentence_names_only_what_was_named(rows: list[Row], seed: int) -> None:
    read = values(12_000, *((kind, start, start + length, score, label) for kind, start, length, score, label in rows))
    sentence = NAMED_OPENING.say(read, Pick(str(seed))) or NAMED.say(read, Pick(str(seed)))
    if sentence is not None:
        assert not re.search(r"what is heard|unidentified|  |,,| ,|None", sentence)
        assert any(sound_names()[label].noun in sentence for *_, label in rows)


@given(events, st.integers(0, 9))
def test_equal_seeds_tell_the_same(rows: list[Row], seed: int) -> None:
    read = values(12_000, *((kind, start, start + length, score, label) for kind, start, length, score, label in rows))
    assert NAMED_OPENING.say(read, Pick(str(seed))) == NAMED_OPENING.say(read, Pick(str(seed)))

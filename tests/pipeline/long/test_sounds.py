"""Which sounds of a recording have a name, and which counts of them are exact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soundseam.pipeline.long.caption import caption_recording
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import RecordingFacts, SegmentFacts, Sound, _sounds
from soundseam.pipeline.long.sounds import find_sounds
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import RecordingCaption, RecurringSound
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.long.builders import facts, recording


def flush(start_ms: int, length_ms: int = 2_000, brightness_hz: float = 800.0, tonal_share: float = 0.1) -> Sound:
    span = TimeSpan(start_ms, start_ms + length_ms)
    return Sound(EventClass.NATURE, "Toilet flush", span, 0.95, brightness_hz, tonal_share)


def nameless(brightness_hz: float | None, tonal_share: float | None = 0.1, score: float = 0.9) -> Sound:
    return Sound(EventClass.SOURCE_AMBIGUOUS, "sound", TimeSpan(50_000, 52_000), score, brightness_hz, tonal_share)


def sounds_of(*events: Sound) -> list[RecurringSound]:
    return list(find_sounds([SegmentFacts("s", TimeSpan(0, 60_000), tuple(sorted(events, key=lambda e: e.span)))], 0.8))


@pytest.mark.parametrize(
    ("others", "countable"),
    [
        ((), True),
        ((nameless(2_000.0),), True),
        ((nameless(800.0, 0.9),), True),
        ((nameless(900.0),), False),
        ((nameless(None),), False),
        ((nameless(None, score=0.3),), True),
        ((flush(30_000, length_ms=5_000),), False),
        ((flush(30_000, brightness_hz=1_200.0),), False),
        ((Sound(EventClass.MUSIC, "music", TimeSpan(40_000, 42_000), 0.6, 810.0, 0.1),), False),
        ((Sound(EventClass.MUSIC, "music", TimeSpan(40_000, 42_000), 0.9, 810.0, 0.1),), True),
    ],
)
def test_a_count_is_exact_if_whatever_else_sounds_is_clearly_different(
    others: tuple[Sound, ...], countable: bool
) -> None:
    (found,) = sounds_of(flush(1_000), flush(10_000), flush(20_000), *others)
    assert found.countable is countable


def test_a_broad_name_has_no_exact_count_beside_sounds_without_a_name() -> None:
    animals = [flush(at)._replace(event_class=EventClass.ANIMAL, label="Animal") for at in (0, 10_000, 20_000)]
    (found,) = sounds_of(*animals, nameless(3_000.0))
    assert not found.countable


def test_several_calls_of_what_has_only_a_broad_name_have_no_number() -> None:
    animals = [facts(at, at + 2_000, ("animal", "Animal")) for at in (0, 10_000, 20_000)]
    text = made(recording(*animals, facts(30_000, 32_000, ("object", "sound")))).long_summary.text
    assert "An animal is heard several times, for example at 0:00." in text


@pytest.mark.parametrize(
    ("label", "tonal_share", "named"),
    [
        ("Animal", 0.4, "Animal"),
        ("Moo", 0.4, "Animal"),
        ("Moo", 0.0, "sound"),
        ("Crumpling, crinkling", 0.4, "sound"),
        ("Toilet flush", 0.0, "Toilet flush"),
    ],
)
def test_one_source_names_a_sound_only_as_far_as_it_is_mostly_right(label: str, tonal_share: float, named: str) -> None:
    (found,) = _sounds([_row(label, tonal_share, ("yamnet",))])
    assert found.label == named
    assert (found.event_class is EventClass.SOURCE_AMBIGUOUS) == (named == "sound")
    (agreed,) = _sounds([_row(label, tonal_share, ("yamnet", "ast"))])
    assert agreed.label == label


def _row(label: str, tonal_share: float, sources: tuple[str, ...]) -> dict[str, object]:
    named = [{"source": source, "label": label, "score": 0.9} for source in sources]
    event = {"class": "object", "label": label, "onset_ms": 0, "offset_ms": 2_000, "score": 0.9, "sources": named}
    return {**event, "brightness_hz": 900.0, "tonal_share": tonal_share}


PIECES = (
    facts(0, 20_000, ("music", "music")),
    facts(20_000, 60_000, ("speech", "speech")),
    facts(60_000, 80_000, ("music", "music")),
)


def made(of: RecordingFacts) -> RecordingCaption:
    return caption_recording(of, LongConfig(), "k")


def test_how_often_music_plays_is_counted_over_the_recording() -> None:
    found = made(recording(*PIECES))
    assert found.all_music
    assert "Music plays twice, for about 40 seconds in all, first at 0:00." in found.long_summary.text


@pytest.mark.parametrize(
    "other",
    [
        replace(
            facts(90_000, 100_000, ("music", "music")),
            events=(Sound(EventClass.MUSIC, "music", TimeSpan(90_000, 100_000), 0.6),),
        ),
        facts(85_000, 95_000, ("music", "music")),
    ],
    ids=["music that is unsure", "a pause under ten seconds"],
)
def test_how_often_music_plays_is_left_out_if_it_may_play_more_or_less_often(other: SegmentFacts) -> None:
    found = made(recording(*PIECES, other))
    assert not found.all_music
    assert "Music plays for at least" in found.long_summary.text


def test_a_short_cry_that_is_called_speech_is_not_said_to_be_speech() -> None:
    cry = facts(0, 1_700, ("speech", "speech"))
    found = made(recording(cry, facts(2_000, 30_000, ("music", "music"))))
    assert "speech" not in f"{found.long_summary.text}{found.timeline_text}".lower()
    assert "speech" in made(recording(facts(0, 4_000, ("speech", "speech")))).timeline_text

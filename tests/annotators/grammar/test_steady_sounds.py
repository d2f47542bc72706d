"""One sound from beginning to end: a hum, a hiss, noise."""

from __future__ import annotations

import pytest

from soundseam.annotators.grammar.engine import Pick, Values
from soundseam.annotators.grammar.events import timeline_reads
from soundseam.annotators.grammar.sounds import STEADY_SOUND

HUM = {"brightness_hz": 300.0, "tonal_share": 1.0}
HISS = {"brightness_hz": 4_000.0, "tonal_share": 0.0}
RUMBLE = {"brightness_hz": 400.0, "tonal_share": 0.05}


def values(*events: dict[str, object], stationarity: float | None = 0.9) -> Values:
    """What the rule reads of a segment of 10 s; each event lasts throughout unless it says otherwise."""
    plain = {"class": "source_ambiguous", "onset_ms": 0, "offset_ms": 10_000, "score": 0.5, "label": "steady sound"}
    read: dict[str, object] = {"segments:start_ms": 0, "segments:end_ms": 10_000}
    for name in timeline_reads("general"):
        if name.startswith("general"):
            read[name] = [{**plain, **event}.get(name.rpartition(".")[2]) for event in events]
    return Values({**read, "general:acoustics.stationarity": stationarity})


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (HUM, "a steady hum"),
        ({**HUM, "level_dbfs": -55.0}, "a faint, steady hum"),
        ({**HUM, "brightness_hz": 2_000.0}, "a steady tone"),
        (HISS, "a steady hiss"),
        ({**HISS, "brightness_hz": 2_000.0}, "a steady noise"),
        (RUMBLE, "a low, steady noise"),
    ],
)
def test_a_steady_sound_is_named_by_its_character(measured: dict[str, object], words: str) -> None:
    sentences = [STEADY_SOUND.say(values(measured), Pick(str(seed))) for seed in range(20)]
    assert all(sentence is not None and words in sentence for sentence in sentences)
    assert len(set(sentences)) > 4


@pytest.mark.parametrize(
    "read",
    [
        values(HUM, stationarity=0.5),
        values(HUM, stationarity=None),
        values({**HUM, "offset_ms": 5_000}),
        values({**HUM, "tonal_share": 0.4}),
        values({**HUM, "label": "Rain", "class": "nature", "score": 0.9}),
        values({**HUM, "offset_ms": 5_000}, {**HISS, "onset_ms": 5_000}),
        values({**HUM, "class": "music", "score": 0.9}),
    ],
    ids=["changing", "unmeasured", "half the time", "mixed", "named", "two", "music"],
)
def test_nothing_is_called_steady_that_changes_or_ends_or_has_a_name(read: Values) -> None:
    assert STEADY_SOUND.say(read, Pick("0")) is None

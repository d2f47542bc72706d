"""What can be said of speech, rule by rule; `speech.manner` opens a caption, the others go on."""

from __future__ import annotations

from annotators.grammar import Pick, Rule, Values
from annotators.grammar_words import seconds_word
from annotators.speech.manner import (
    LEAST_VOICED_SHARE,
    MANNER_READS,
    ONE_VOICE_SEMITONES,
    enough_speech,
    pitch_range_semitones,
    read_manner,
)


def _say_opening(values: Values, pick: Pick) -> str | None:
    if not values.number("speech:voice.speech_ms"):
        return None
    manner = read_manner(values, pick)
    pace, voice, pausing, pauses = manner.at_pace, manner.in_voice, manner.pausing, manner.with_pauses
    frames = [
        f"someone speaks{pace}{voice}{pausing}",
        f"someone talks{pace}{voice}{pausing}",
        f"someone is heard speaking{pace}{voice}{pausing}",
        f"someone can be heard talking{pace}{voice}{pauses}",
        f"{manner.a_voice} speaks{pace}{pausing}",
        f"{manner.a_voice} talks{pace}{pausing}",
        f"{manner.a_voice} is heard{', speaking' + pace if pace else ''}{pauses}",
        f"there is {manner.brief}speech{voice}{pauses}",
        f"{manner.brief}speech{voice} is heard{pauses}",
        f"what is heard is {manner.brief}speech{voice}{pauses}",
        f"we hear {manner.brief}speech{voice}{pauses}",
        f"words are spoken{pace}{voice}{pauses}",
        f"{manner.brief}talking{voice} is heard{pauses}",
    ]
    if manner.voice:
        frames += [
            f"in {manner.a_voice}, someone speaks{pace}{pausing}",
            f"in {manner.a_voice}, words are spoken{pace}{pauses}",
            f"the speech heard here is {manner.is_like}{pauses}",
        ]
    if manner.adverb:
        frames += [
            f"speaking {manner.adverb}, {manner.a_voice} is heard{pauses}",
            f"{manner.adverb}, {manner.a_voice} speaks{pausing}",
            f"the words come {manner.adverb}{voice}{pauses}",
        ]
    return pick(*frames)


def _say_manner(values: Values, pick: Pick) -> str | None:
    manner = read_manner(values, pick)
    if not manner.told:
        return None
    pace, voice, pausing, pauses = manner.at_pace, manner.in_voice, manner.pausing, manner.with_pauses
    if not manner.is_like:
        return pick(
            f"the speech runs on{pauses}",
            f"whoever speaks does so{pauses.removeprefix(',')}",
            f"the talking goes on{pauses}",
            f"the words come{pauses}",
        )
    frames = [
        f"the speech is {manner.is_like}{pauses}",
        f"the talking is {manner.is_like}{pauses}",
        f"the spoken part is {manner.is_like}{pauses}",
        f"whoever speaks does so{pace}{voice}{pausing}",
        f"the words come{pace}{voice}{pauses}",
        f"the speaking is done{pace}{voice}{pauses}",
    ]
    if manner.voice:
        frames += [f"the voice is {manner.predicate}{' and speaks' + pace if pace else ''}{pauses}"]
    return pick(*frames)


def _say_melody(values: Values, pick: Pick) -> str | None:
    width = pitch_range_semitones(values)
    if width is None or not enough_speech(values):
        return None
    if (values.number("speech:voice.voiced_share") or 0) < LEAST_VOICED_SHARE:
        return None
    if width < 3.5:
        return pick(
            "the pitch hardly moves",
            "there is little rise and fall in the voice",
            "the voice stays nearly on one level",
            "hardly any melody is in the voice",
            "the intonation is flat",
            "its pitch stays almost the same",
        )
    if 8.0 <= width <= ONE_VOICE_SEMITONES:
        return pick(
            "the pitch moves up and down a good deal",
            "the voice rises and falls freely",
            "there is much rise and fall in the voice",
            "the intonation is lively",
            "the melody of the voice is lively",
            "its pitch swings widely",
        )
    return None


def _say_background(values: Values, pick: Pick) -> str | None:
    snr = values.number("speech:voice.snr_db")
    if snr is None:
        return None
    if snr >= 30:
        return pick(
            "it stands out clearly from a quiet background",
            "hardly anything is heard behind the voice",
            "the background is quiet",
            "between the words it is quiet",
            "nothing much is heard in the pauses",
            "little else is audible behind the speech",
        )
    if snr < 8:
        return pick(
            "the background is nearly as loud as the speech",
            "the voice barely rises above what is behind it",
            "a good deal of background sound remains in the pauses",
            "the speech hardly stands out from the background",
            "even in the pauses it is far from quiet",
            "there is much background sound behind the words",
        )
    return None


def _say_level(values: Values, pick: Pick) -> str | None:
    level = values.number("speech:voice.level_dbfs")
    if level is None or -38 <= level <= -12:
        return None
    if level < -38:
        return pick(
            "the voice was recorded at a low level",
            "the recording level is low",
            "all of it was recorded rather softly",
            "the speech reaches the microphone at a low level",
            "the speech was recorded at a low level",
            "it was recorded at a low level",
        )
    return pick(
        "the voice was recorded at a high level",
        "the recording level is high",
        "the speech was recorded close to the upper limit",
        "the speech was recorded at a high level",
        "it was recorded at a high level",
        "the words reach the microphone at a high level",
    )


def _say_long_pause(values: Values, pick: Pick) -> str | None:
    longest, count = values.number("speech:voice.longest_pause_ms"), values.number("speech:voice.pause_count")
    if not longest or not count or longest < 1_800:
        return None
    length = seconds_word(longest)
    frames = [
        f"at one point the speaking stops for {length}",
        f"there is a break of {length} in the speech",
        f"once, the speech breaks off for {length}",
        f"one pause lasts {length}",
        f"for {length}, nobody speaks",
        f"one of the pauses is long, {length}",
    ]
    return pick(*(frames[:-1] if count == 1 else frames))


OPENING = Rule("speech.opening", MANNER_READS, _say_opening, frozenset({"opening", "manner"}))
MANNER = Rule("speech.manner", MANNER_READS, _say_manner, frozenset({"manner"}))
LONG_PAUSE = Rule(
    "speech.long_pause",
    ("speech:voice.longest_pause_ms", "speech:voice.pause_count"),
    _say_long_pause,
    frozenset({"long pause"}),
)
MELODY = Rule(
    "speech.melody",
    (
        "speech:voice.speech_ms",
        "speech:voice.voiced_share",
        "speech:voice.pitch_low_hz",
        "speech:voice.pitch_high_hz",
    ),
    _say_melody,
    frozenset({"melody"}),
)
BACKGROUND = Rule("speech.background", ("speech:voice.snr_db",), _say_background, frozenset({"background"}))
LEVEL = Rule("speech.level", ("speech:voice.level_dbfs",), _say_level, frozenset({"level"}))

RULES = (OPENING, MANNER, LONG_PAUSE, MELODY, BACKGROUND, LEVEL)
DETAILS = (LONG_PAUSE, BACKGROUND, LEVEL, MELODY)
"""What may follow the manner, what tells most first."""

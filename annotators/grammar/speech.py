"""Rules about speech; `speech.manner` opens a caption, the others follow."""

from __future__ import annotations

import re

from soundseam.annotators.grammar.engine import Pick, Rule, Say, Values
from soundseam.annotators.grammar.events import SURE_STREAM
from soundseam.annotators.grammar.speech_manner import (
    FAINT_DBFS,
    LONG_PAUSE_MS,
    LOUD_DBFS,
    MANNER_READS,
    ONE_VOICE_SEMITONES,
    VOICES_READS,
    Manner,
    background,
    enough_speech,
    is_one_voice,
    is_voiced,
    pitch_range_semitones,
    read_manner,
)
from soundseam.annotators.grammar.speech_turns import SPEAKERS_READS, say_speakers
from soundseam.annotators.grammar.words import seconds_word
from soundseam.annotators.wording.normalise import unit_of
from soundseam.schemas.speech import ErrorUnit

_PROFILE = ("segments:profile.*.class", "segments:profile.*.strength")
_SHARES = "segments:profile.*.share"
_HARDLY_ANYTHING = 0.05


def _say_opening(values: Values, pick: Pick) -> str | None:
    if not values.number("speech:voice.speech_ms"):
        return None
    manner = read_manner(values, pick)
    lengths = _openings_of_length(manner, values.number("speech:voice.speech_ms") or 0.0)
    frames = [*_plain_openings(manner), *_openings_of_manner(manner), *lengths]
    if not is_one_voice(values):
        frames = [frame for frame in frames if not _OF_ONE.search(frame)]
    return pick(*frames)


_WHO = ("someone", "somebody")
_OF_ONE = re.compile(r"\b(?:some(?:one|body)|utterance)\b")
_SAYS = ("speaks", "talks", "is speaking", "is talking", "is heard speaking", "can be heard talking")


def _plain_openings(manner: Manner) -> list[str]:
    """Sentences about speech of any manner; whatever is known of its manner comes after their first words."""
    pace, voice, pauses = manner.at_pace, manner.in_voice, manner.with_pauses
    spoken = _spoken(pace, voice)
    nouns = [manner.of_pace(noun) for noun in ("speech", "talking", "talk")]
    return [
        *(f"{who} {says}{pace}{voice}{manner.pausing}" for who in _WHO for says in _SAYS),
        f"we hear someone speaking{pace}{voice}{pauses}",
        f"we hear somebody talk{pace}{voice}{pauses}",
        *(f"{noun}{voice} {heard}{pauses}" for noun in nouns for heard in ("is heard", "can be heard", "goes on")),
        *(f"{there} {noun}{voice}{pauses}" for noun in nouns for there in ("there is", "we hear")),
        f"words are spoken{pace}{voice}{pauses}",
        f"words can be heard{spoken}{pauses}",
        f"spoken words are heard{spoken}{pauses}",
        f"there are spoken words{spoken}{pauses}",
        f"we hear spoken words{spoken}{pauses}",
        f"something is said{pace}{voice}{pauses}",
        f"something is being said{pace}{voice}{pauses}",
    ]


BRIEF_MS = 2_000


def _openings_of_length(manner: Manner, speech_ms: float) -> list[str]:
    """Sentences that begin with how long the speech is."""
    pace, voice, pausing, pauses = manner.at_pace, manner.in_voice, manner.pausing, manner.with_pauses
    if speech_ms < BRIEF_MS:
        return [
            f"briefly, someone speaks{pace}{voice}{pausing}",
            f"someone briefly talks{pace}{voice}{pausing}",
            f"somebody briefly speaks{pace}{voice}{pausing}",
            f"a short utterance{voice} is heard{pauses}",
            f"a brief utterance{voice} can be heard{pauses}",
            f"there is a short utterance{voice}{pauses}",
            f"we hear a brief utterance{voice}{pauses}",
            f"a bit of speech is heard{_spoken(pace, voice)}{pauses}",
        ]
    length = seconds_word(speech_ms)
    return [
        f"for {length}, someone speaks{pace}{voice}{pausing}",
        f"{length} of speech can be heard{_spoken(pace, voice)}{pauses}",
        f"{length} of talking can be heard{_spoken(pace, voice)}{pauses}",
    ]


def _spoken(pace: str, voice: str) -> str:
    return f", spoken{pace}{voice}" if pace or voice else ""


def _openings_of_manner(manner: Manner) -> list[str]:
    """Sentences that begin with what is known of the manner."""
    pace, voice, pausing, pauses = manner.at_pace, manner.in_voice, manner.pausing, manner.with_pauses
    frames = []
    if manner.voice:
        frames += [
            f"in {manner.a_voice}, someone speaks{pace}{pausing}",
            f"{manner.a_voice} speaks{pace}{pausing}",
            f"the speech is {manner.is_like}{pauses}",
        ]
    if manner.adverb:
        frames += [f"{manner.adverb}, {who} {says}{voice}{pausing}" for who in _WHO for says in ("speaks", "talks")]
        frames += [
            f"speaking {manner.adverb}{voice}, someone is heard{pauses}",
            f"talking {manner.adverb}{voice}, somebody is heard{pauses}",
            f"the words come {manner.adverb}{voice}{pauses}",
            f"words come {manner.adverb}{voice}{pauses}",
        ]
    if manner.pauses:
        frames += [
            f"pausing {manner.pauses}, {_WHO[0]} speaks{pace}{voice}",
            f"with {manner.pause_noun}, {_WHO[1]} talks{pace}{voice}",
        ]
    return frames


def _is_surely_speech(values: Values) -> bool:
    pairs = zip(values.texts(_PROFILE[0]), values.numbers(_PROFILE[1]), strict=True)
    return any(name == "speech" and (strength or 0.0) >= SURE_STREAM for name, strength in pairs)


def _share_beside(values: Values) -> float:
    """Share of the time with classes other than speech, summed over the classes."""
    pairs = zip(values.texts(_PROFILE[0]), values.numbers(_SHARES), strict=True)
    return sum(share or 0.0 for name, share in pairs if name != "speech")


def _say_manner(values: Values, pick: Pick) -> str | None:
    manner = read_manner(values, pick)
    if not manner.num_parts:
        return None
    pace, voice, pauses = manner.at_pace, manner.in_voice, manner.with_pauses
    if not manner.is_like:
        return pick(
            f"the speech runs on{pauses}",
            f"the speaking goes on{pauses}",
            f"the talking goes on{pauses}",
            f"the words come{pauses}",
        )
    frames = [
        f"the speech is {manner.is_like}{pauses}",
        f"the talking is {manner.is_like}{pauses}",
        f"the spoken part is {manner.is_like}{pauses}",
        f"the speech moves along{pace}{voice}{pauses}",
        f"the words come{pace}{voice}{pauses}",
        f"the speech is delivered{pace}{voice}{pauses}",
    ]
    if manner.voice:
        frames += [f"the voice is {manner.predicate}{' and speaks' + pace if pace else ''}{pauses}"]
    return pick(*frames)


def _say_melody(values: Values, pick: Pick) -> str | None:
    width = pitch_range_semitones(values)
    if width is None or not enough_speech(values) or not is_one_voice(values):
        return None
    if not is_voiced(values):
        return None
    if width < 3.0:
        return pick(
            "the pitch of the voice hardly moves",
            "there is little rise and fall in the voice",
            "the voice stays nearly on one level",
            "hardly any melody is in the voice",
            "the intonation is flat",
            "the pitch of the voice stays almost the same",
        )
    if 9.0 <= width <= ONE_VOICE_SEMITONES:
        return pick(
            "the pitch of the voice moves up and down a good deal",
            "the voice rises and falls freely",
            "there is much rise and fall in the voice",
            "the intonation is lively",
            "the melody of the voice is lively",
            "the voice swings widely in pitch",
        )
    return None


def _say_background(values: Values, pick: Pick) -> str | None:
    behind, pauses = background(values.number("speech:voice.snr_db")), values.number("speech:voice.pause_count")
    if behind == "quiet" and _share_beside(values) <= _HARDLY_ANYTHING:
        options = [
            "the speech stands out clearly from a quiet background",
            "hardly anything is heard behind the words",
            "the background is quiet",
            "there is next to no background sound",
            "the words stand out clearly",
            "little else is audible behind the speech",
        ]
        return pick(*options, *(["in the pauses it is quiet"] if (pauses or 0) >= 2 else []))
    if behind == "noisy":
        options = [
            "the background is nearly as loud as the speech",
            "the speech barely rises above what is behind it",
            "a good deal of other sound accompanies the speech",
            "the speech hardly stands out from the background",
            "there is much background sound behind the words",
        ]
        return pick(*options, *(["even in the pauses it is far from quiet"] if (pauses or 0) >= 2 else []))
    return None


def _say_level(values: Values, pick: Pick) -> str | None:
    level = values.number("speech:voice.level_dbfs")
    if level is None or FAINT_DBFS <= level <= LOUD_DBFS:
        return None
    if level < FAINT_DBFS:
        return pick(
            "the recording level is low",
            "the speech is faint",
            "the speech reaches the microphone at a low level",
            "the speech was recorded at a low level",
        )
    return pick(
        "the speech is loud",
        "the recording level is high",
        "the words are loud",
        "the speech was recorded at a high level",
        "the words reach the microphone at a high level",
    )


def _say_long_pause(values: Values, pick: Pick) -> str | None:
    longest, count = values.number("speech:voice.longest_pause_ms"), values.number("speech:voice.pause_count")
    if not longest or not count or longest < LONG_PAUSE_MS:
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


_MAX_QUOTED = {ErrorUnit.WORDS: 25, ErrorUnit.CHARACTERS: 40}
_FIRST_WORDS = {ErrorUnit.WORDS: 12, ErrorUnit.CHARACTERS: 20}
"""Of a longer text, this much is quoted."""
_MARKS = str.maketrans(dict.fromkeys('\u201c\u201d"「」『』«»„', ""))
_ENDS = " .,;:!?…。，；：！？、"


def quoted_part(values: Values) -> tuple[str, bool]:
    """What a trusted transcript quotes, without its final mark, and whether it is the whole text."""
    text = " ".join((values.text("speech:transcript.text") or "").translate(_MARKS).split())
    unit = unit_of([text])
    units = text.split() if unit is ErrorUnit.WORDS else list(text)
    is_whole = len(units) <= _MAX_QUOTED[unit]
    part = units if is_whole else units[: _FIRST_WORDS[unit]]
    return (" " if unit is ErrorUnit.WORDS else "").join(part).strip(_ENDS), is_whole


def _say_words(values: Values, pick: Pick) -> str | None:
    """What is said, if the transcript is trusted: a manifest's, or one that systems agree on."""
    if not values.flag("speech:transcript.usable_for_training"):
        return None
    words, is_whole = quoted_part(values)
    if not words:
        return None
    if not is_whole:
        return pick(
            f"the speech begins with the words \u201c{words}\u201d",
            f"the first words are \u201c{words}\u201d",
            f"it begins with the words \u201c{words}\u201d",
            f"the words begin \u201c{words}\u201d",
        )
    return pick(
        f"the words are \u201c{words}\u201d",
        f"the speech says \u201c{words}\u201d",
        f"what is said is \u201c{words}\u201d",
        f"the spoken words are \u201c{words}\u201d",
        f"the words spoken are \u201c{words}\u201d",
    )


_MAY_LACK = frozenset({"speech:speakers"})
"""Of profiles without a diarization."""


def _rule(
    name: str, reads: tuple[str, ...], say: Say, topics: set[str], may_lack: frozenset[str] = frozenset()
) -> Rule:
    """A rule with `say` that only applies if the segment's profile is sure of speech."""

    def say_of_speech(values: Values, pick: Pick) -> str | None:
        return say(values, pick) if _is_surely_speech(values) else None

    return Rule(name, (*_PROFILE, *reads), say_of_speech, frozenset(topics), may_lack)


_PAUSES = ("speech:voice.longest_pause_ms", "speech:voice.pause_count")
_RANGE = (
    "speech:voice.speech_ms",
    "speech:voice.voiced_share",
    "speech:voice.pitch_low_hz",
    "speech:voice.pitch_high_hz",
    *VOICES_READS,
)
_BACKGROUND = (_SHARES, "speech:voice.snr_db", "speech:voice.pause_count")

OPENING = _rule("speech.opening", (*MANNER_READS, *VOICES_READS), _say_opening, {"opening", "manner"}, _MAY_LACK)
MANNER = _rule("speech.manner", (*MANNER_READS, *VOICES_READS), _say_manner, {"manner"}, _MAY_LACK)
LONG_PAUSE = _rule("speech.long_pause", _PAUSES, _say_long_pause, {"long pause"})
MELODY = _rule("speech.melody", _RANGE, _say_melody, {"melody"}, _MAY_LACK)
BACKGROUND = _rule("speech.background", _BACKGROUND, _say_background, {"background"})
SPEAKERS = _rule("speech.speakers", SPEAKERS_READS, say_speakers, {"speakers"})
WORDS = _rule(
    "speech.words", ("speech:transcript.text", "speech:transcript.usable_for_training"), _say_words, {"words"}
)
LEVEL = _rule("speech.level", ("speech:voice.level_dbfs",), _say_level, {"level"})

RULES = (OPENING, MANNER, WORDS, SPEAKERS, LONG_PAUSE, MELODY, BACKGROUND, LEVEL)
DETAILS = (SPEAKERS, LONG_PAUSE, BACKGROUND, LEVEL, MELODY)
"""Rules that may follow the manner, the most informative first."""

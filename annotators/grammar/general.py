"""Rules about the sound as a whole, apart from its events: repetition, steadiness, background."""

from __future__ import annotations

from soundseam.annotators.grammar.engine import Pick, Rule, Values
from soundseam.annotators.grammar.events import read_timeline, timeline_reads
from soundseam.annotators.grammar.words import seconds_word

_REGULAR = 0.85
_FEWEST = 3
_QUIET_DBFS, _QUIET_BELOW_DB = -45.0, 20.0


def is_steady(stationarity: float | None) -> bool:
    return stationarity is not None and stationarity >= 0.75


def rings_on(decay_time_ms: float | None) -> bool:
    return decay_time_ms is not None and decay_time_ms >= 1_000


def is_muffled(bandwidth_hz: float | None) -> bool:
    return bandwidth_hz is not None and bandwidth_hz <= 3_800


def _say_repetition(values: Values, pick: Pick) -> str | None:
    period, regularity = values.number("general:repetition.period_ms"), values.number("general:repetition.regularity")
    if period is None or regularity is None or regularity < _REGULAR:
        return None
    rate = _rate(period)
    if values.text("general:repetition.label") is not None and not _is_one_sound(values):
        return None
    if values.text("general:repetition.label") is None:
        return pick(
            f"the sound pulses evenly, {rate}",
            f"the sound comes in even bursts, {rate}",
            f"something pulses evenly, {rate}",
            f"there is an even pulse, {rate}",
            f"an even pulse is heard, {rate}",
        )
    return pick(
        f"one sound keeps coming back, {rate}",
        f"a sound repeats evenly, {rate}",
        f"a sound returns at even intervals, {rate}",
        f"at even intervals, {rate}, a sound is repeated",
        f"there is an even repetition, {rate}",
        f"the repeats come evenly, {rate}",
    )


def _is_one_sound(values: Values) -> bool:
    """Whether the sounds are similar in length and brightness: equal labels alone do not make them one sound."""
    sounds = read_timeline(values, "general").sounds
    lengths = [sound.span.duration_ms for sound in sounds]
    bright = [sound.brightness_hz for sound in sounds if sound.brightness_hz]
    if len(sounds) < _FEWEST or len(bright) < len(sounds):
        return False
    return max(lengths) <= 2 * min(lengths) and max(bright) <= 1.5 * min(bright)


def _rate(period_ms: float) -> str:
    if period_ms < 300:
        return "several times a second"
    if period_ms < 700:
        return "about twice a second"
    if period_ms < 1_500:
        return "about once a second"
    return f"{seconds_word(period_ms)} apart"


def _say_quiet(values: Values, pick: Pick) -> str | None:
    share, timeline = values.number("general:acoustics.silence_share"), read_timeline(values, "segments")
    if share is None or share < 0.5 or timeline.event_share > 0.5 or not _is_quiet_behind(values):
        return None
    several = len(timeline.sounds) >= 2 and not timeline.streams
    return pick(
        "the rest of the time it is quiet",
        "otherwise it is quiet",
        "hardly anything else is heard",
        "for the rest, there is little to hear",
        "apart from that, hardly anything is heard",
        "there is little else to hear",
        *(["between the sounds it is quiet", "quiet lies between the sounds"] if several else []),
    )


def _is_quiet_behind(values: Values) -> bool:
    """Whether the background is far below the sounds and below the overall level: a fan is not quiet."""
    floor, level = values.number("general:acoustics.noise_floor_dbfs"), values.number("general:acoustics.level_dbfs")
    return floor is None or (floor <= _QUIET_DBFS and (level is None or level - floor >= _QUIET_BELOW_DB))


def _say_steady(values: Values, pick: Pick) -> str | None:
    steady = values.number("general:acoustics.stationarity")
    if not is_steady(steady) or read_timeline(values, "segments").event_share < 0.9:
        return None
    return pick(
        "the sound hardly changes from beginning to end",
        "the sound stays much the same throughout",
        "little changes over time",
        "from beginning to end, the sound is much the same",
        "the sound stays even",
        "hardly any change is heard over time",
    )


def _say_decay(values: Values, pick: Pick) -> str | None:
    decay = values.number("general:acoustics.decay_time_ms")
    if not rings_on(decay):
        return None
    return pick(
        "the sounds die away slowly",
        "it takes a while for the sound to die away",
        "sounds ring on for a while",
        "the sound dies away slowly",
        "sounds fade slowly here",
        "sounds linger before they are gone",
    )


def _say_dull(values: Values, pick: Pick) -> str | None:
    bandwidth = values.number("general:acoustics.bandwidth_hz")
    sounds = read_timeline(values, "general").sounds
    if not is_muffled(bandwidth) or any((sound.brightness_hz or 0) > 1_500 for sound in sounds):
        return None
    return pick(
        "all of it sounds muffled",
        "the recording sounds muffled",
        "everything sounds somewhat dull, as through a telephone",
        "it all sounds dull",
        "the whole recording sounds rather dull",
    )


def _say_level(values: Values, pick: Pick) -> str | None:
    level = values.number("general:acoustics.level_dbfs")
    if level is None or -50 <= level <= -10:
        return None
    height = "low" if level < -50 else "high"
    return pick(
        f"the recording level is {height}",
        f"all of it was recorded at a {height} level",
        f"all of this was recorded at a {height} level",
        f"the level of the recording is {height}",
        f"everything was recorded at a {height} level",
    )


_REPETITION = ("general:repetition.period_ms", "general:repetition.regularity", "general:repetition.label")

REPETITION = Rule(
    "general.repetition",
    (*timeline_reads("general"), *_REPETITION),
    _say_repetition,
    frozenset({"repetition"}),
)
QUIET = Rule(
    "general.quiet",
    (
        *timeline_reads("segments"),
        "general:acoustics.silence_share",
        "general:acoustics.noise_floor_dbfs",
        "general:acoustics.level_dbfs",
    ),
    _say_quiet,
    frozenset({"background"}),
)
STEADY = Rule(
    "general.steady",
    (*timeline_reads("segments"), "general:acoustics.stationarity"),
    _say_steady,
    frozenset({"steadiness"}),
)
DECAY = Rule("general.decay", ("general:acoustics.decay_time_ms",), _say_decay, frozenset({"decay"}))
DULL = Rule(
    "general.dull", (*timeline_reads("general"), "general:acoustics.bandwidth_hz"), _say_dull, frozenset({"colour"})
)
LEVEL = Rule("general.level", ("general:acoustics.level_dbfs",), _say_level, frozenset({"level"}))

RULES = (REPETITION, QUIET, STEADY, DECAY, DULL, LEVEL)
DETAILS = RULES
"""Rules that may follow the sounds themselves, the most informative first."""

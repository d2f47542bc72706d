"""What is said of a voice: the thresholds and words of pace, pitch, pauses, background and level.

Captions, tool results, training questions and the check of what models say read them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import NamedTuple

from soundseam.annotators.grammar.engine import Pick, Values
from soundseam.annotators.grammar.words import with_article

MIN_SPEECH_MS = 1_500
"""Less speech is too little for a pace or a pitch."""
MIN_VOICED_SHARE = 0.3
"""Speech with a lower share of voiced frames may be an animal: people reach 0.54 in prompts and 0.32 in meetings."""
ONE_VOICE_SEMITONES = 12.0
"""A wider pitch range means several voices, or octave errors of the tracker: then pitch is not mentioned."""
NOTICED_PAUSE_MS = 350
"""Shorter gaps between words go unnoticed."""
LISTED_PAUSE_MS, LONG_PAUSE_MS = 1_000, 1_800
"""Pauses from here on are worth a word in a list of facts, and a sentence."""
NOISY_DB, QUIET_DB = 8.0, 30.0
"""Signal-to-noise ratios below and from which the background is mentioned."""
FAINT_DBFS, LOUD_DBFS = -38.0, -12.0
"""Levels of speech beyond these are mentioned."""
SLOW_HZ, MODERATE_HZ, BRISK_HZ = 2.9, (3.7, 4.8), 5.6
"""Syllable nuclei per second: slow up to, moderate between, rapid above. English runs at about six syllables per
second, pauses apart (Pellegrino, Coupé and Marsico, Language 87, 2011), of which peaks of the level show about four
fifths."""

MANNER_READS = (
    "speech:voice.speech_ms",
    "speech:voice.syllable_rate_hz",
    "speech:voice.pitch_median_hz",
    "speech:voice.pitch_low_hz",
    "speech:voice.pitch_high_hz",
    "speech:voice.voiced_share",
    "speech:voice.pause_count",
    "speech:voice.longest_pause_ms",
)
SPEAKERS_READ = "speech:speakers.count"
DOUBT_READ = "speech:speakers.doubt"
VOICES_READS = (SPEAKERS_READ, DOUBT_READ)
"""Indicate whether it is one voice at all."""
MAX_DOUBT = 0.08
"""Of meeting excerpts with one speaker found, those in which others speak for a second have 0.13 and more; nine of ten
recordings of one voice have less than this."""


class _Pace(NamedTuple):
    up_to_hz: float
    adjective: str
    adverbs: tuple[str, ...]


class _Pitch(NamedTuple):
    up_to_hz: float
    voice: str
    predicate: str


_PACES = (
    _Pace(SLOW_HZ, "slow", ("slowly", "at a slow pace")),
    _Pace(MODERATE_HZ[0], "unhurried", ("at an unhurried pace", "without hurry", "at a leisurely pace")),
    _Pace(MODERATE_HZ[1], "moderately paced", ("at a moderate pace", "at an ordinary pace", "at a medium pace")),
    _Pace(BRISK_HZ, "brisk", ("at a brisk pace", "briskly", "fairly quickly")),
    _Pace(99.0, "rapid", ("rapidly", "at a fast pace", "quickly")),
)

_PITCHES = (
    _Pitch(110.0, "low-pitched voice", "low in pitch"),
    _Pitch(140.0, "fairly low-pitched voice", "fairly low in pitch"),
    _Pitch(180.0, "voice of medium pitch", "of medium pitch"),
    _Pitch(230.0, "fairly high-pitched voice", "fairly high in pitch"),
    _Pitch(9999.0, "high-pitched voice", "high in pitch"),
)
"""Adults' median pitches are about 120 and 210 Hz (Traunmüller and Eriksson, 1995); children's are higher."""

_PAUSES = (
    (1, "for a moment", "a pause in between"),
    (4, "a few times", "a few pauses"),
    (8, "several times", "several pauses"),
    (9_999, "again and again", "many pauses"),
)
"""Words for up to this number of gaps. Speech detection bridges some pauses, so that the words never exclude more of
them, and the absence of gaps is not mentioned.
"""


@dataclass(frozen=True)
class Manner:
    """Parts of a sentence; each is empty if nothing can be said."""

    adverb: str
    """briskly"""
    adjective: str
    """brisk"""
    voice: str
    """low-pitched voice"""
    predicate: str
    """low in pitch"""
    pauses: str
    """a few times"""
    pause_noun: str
    """a few pauses"""

    @property
    def num_parts(self) -> int:
        return sum(map(bool, (self.adverb, self.voice, self.pauses)))

    @property
    def a_voice(self) -> str:
        return with_article(self.voice or "voice")

    @property
    def in_voice(self) -> str:
        return f" in {with_article(self.voice)}" if self.voice else ""

    @property
    def at_pace(self) -> str:
        return f" {self.adverb}" if self.adverb else ""

    def of_pace(self, noun: str) -> str:
        """`noun` with its pace: brisk speech, speech at a moderate pace."""
        return f"{noun}{self.at_pace}" if "paced" in self.adjective else f"{self.adjective} {noun}".lstrip()

    @property
    def pausing(self) -> str:
        return f", pausing {self.pauses}" if self.pauses else ""

    @property
    def with_pauses(self) -> str:
        return f", with {self.pause_noun}" if self.pauses else ""

    @property
    def is_like(self) -> str:
        """Pace and pitch, after "is"."""
        return " and ".join(part for part in (self.adjective, self.predicate) if part)


def read_manner(values: Values, pick: Pick) -> Manner:
    pace, pitch, pauses = _pace(values), _pitch(values), _pauses(values)
    return Manner(
        adverb=pick(*pace.adverbs) if pace else "",
        adjective=pace.adjective if pace else "",
        voice=pitch.voice if pitch else "",
        predicate=pitch.predicate if pitch else "",
        pauses=pauses[0],
        pause_noun=pauses[1],
    )


def pitch_range_semitones(values: Values) -> float | None:
    low, high = values.number("speech:voice.pitch_low_hz"), values.number("speech:voice.pitch_high_hz")
    return 12 * log2(high / low) if low and high and min(low, high) > 0 else None


def is_one_voice(values: Values) -> bool:
    """Whether no source detected several people, or doubts that: only then does the pitch describe one voice."""
    return values.number(SPEAKERS_READ) in (None, 1) and (values.number(DOUBT_READ) or 0.0) <= MAX_DOUBT


def enough_speech(values: Values) -> bool:
    return (values.number("speech:voice.speech_ms") or 0) >= MIN_SPEECH_MS


def is_voiced(values: Values) -> bool:
    """Whether as much is voiced as in people's speech."""
    return (values.number("speech:voice.voiced_share") or 0) >= MIN_VOICED_SHARE


def background(snr_db: float | None) -> str:
    """noisy or quiet; empty for what is ordinary or unknown."""
    if snr_db is None or NOISY_DB <= snr_db < QUIET_DB:
        return ""
    return "noisy" if snr_db < NOISY_DB else "quiet"


def _pace(values: Values) -> _Pace | None:
    rate = values.number("speech:voice.syllable_rate_hz")
    if rate is None or not enough_speech(values) or not is_voiced(values):
        return None
    return next((pace for pace in _PACES if rate <= pace.up_to_hz), _PACES[-1])


def _pitch(values: Values) -> _Pitch | None:
    median, width = values.number("speech:voice.pitch_median_hz"), pitch_range_semitones(values)
    if median is None or width is None or width > ONE_VOICE_SEMITONES or not enough_speech(values):
        return None
    if not is_one_voice(values) or not is_voiced(values):
        return None
    return next((pitch for pitch in _PITCHES if median <= pitch.up_to_hz), _PITCHES[-1])


def _pauses(values: Values) -> tuple[str, str]:
    count = values.number("speech:voice.pause_count") or 0
    noticed = (values.number("speech:voice.longest_pause_ms") or 0) >= NOTICED_PAUSE_MS
    if not count or not noticed:
        return "", ""
    return next(((adverb, noun) for up_to, adverb, noun in _PAUSES if count <= up_to), _PAUSES[-1][1:])

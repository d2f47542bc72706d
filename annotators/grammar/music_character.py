"""What kind of music it is, as parts of a sentence, and whether the measures are the music's at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soundseam.annotators.grammar.engine import Values
from soundseam.annotators.grammar.events import ALL_OF_IT, SPAN_READS, SURE, SURE_STREAM, read_timeline, timeline_reads
from soundseam.annotators.grammar.words import with_article
from soundseam.schemas.event import EventClass
from soundseam.schemas.music import Mode, key_name

SURE_TEMPO, SURE_KEY, SURE_MODE = 0.3, 0.5, 0.2
_BESIDE_SPEECH = 0.35
"""With speech over so much of the time, not even tempo and key are the music's."""
_SHORTEST_MS = {"key": 8_000, "tempo": 4_000}
_BESIDE_ANYTHING = 0.1
"""With other sounds over so much of the time, level, notes and colour are not the music's."""

_UNHURRIED_BPM, _MODERATE_BPM = 96.0, 122.0
_TEMPI = (
    (72.0, "slow", "slowly"),
    (_UNHURRIED_BPM, "unhurried", "without hurry"),
    (_MODERATE_BPM, "moderately fast", "at a moderate tempo"),
    (150.0, "lively", "at a lively tempo"),
    (999.0, "fast", "at a fast tempo"),
)
"""Upper limits of the words, in beats per minute: about largo to adagio, andante, moderato, allegro, presto."""

SURE_SIGNS = ("music:rhythm.tempo_confidence", "music:tonality.confidence")
PROFILE = ("segments:profile.*.class", "segments:profile.*.share", "segments:profile.*.strength")
CHARACTER_READS = (
    "music:rhythm.tempo_bpm",
    "music:rhythm.tempo_confidence",
    "music:rhythm.onset_rate_hz",
    "music:tonality.tonic",
    "music:tonality.mode",
    "music:tonality.confidence",
    "music:tonality.runner_up",
    *timeline_reads("segments"),
)


def share_of(values: Values, event_class: str) -> float:
    return sum(share for name, share in _shares(values) if name == event_class)


def is_alone(values: Values) -> bool:
    """Whether there is certainly music, with little speech over it: only then do the measurements describe the
    music.
    """
    return music_strength(values) >= SURE and not is_doubtful(values) and share_of(values, "speech") <= _BESIDE_SPEECH


def is_doubtful(values: Values) -> bool:
    """Whether only a detector's score indicates music, and not clearly: a grasshopper has a pulse, a horn a pitch."""
    tempo, key = (values.number(name) or 0 for name in SURE_SIGNS)
    return not (tempo >= SURE_TEMPO and key >= SURE_KEY) and SURE <= music_strength(values) < SURE_STREAM


def is_undisturbed(values: Values) -> bool:
    """Whether there is almost nothing besides the music."""
    return sum(share for name, share in _shares(values) if name != "music") <= _BESIDE_ANYTHING


def music_strength(values: Values) -> float:
    names, strengths = values.texts(PROFILE[0]), values.numbers(PROFILE[2])
    return max((strength or 0.0 for name, strength in zip(names, strengths, strict=True) if name == "music"), default=0)


def _shares(values: Values) -> list[tuple[str, float]]:
    names, shares = values.texts(PROFILE[0]), values.numbers(PROFILE[1])
    return [(name, share or 0.0) for name, share in zip(names, shares, strict=True)]


@dataclass(frozen=True)
class Character:
    """Parts of a sentence; each is empty if nothing can be said."""

    tempo: str
    """lively"""
    moving: str
    """at a lively tempo"""
    key: str
    """a major key, D minor"""
    extent: str
    """throughout"""

    @property
    def music(self) -> str:
        return f"{self.tempo} music" if self.tempo else "music"

    @property
    def in_key(self) -> str:
        return f" in {self.key}" if self.key else ""

    @property
    def moves(self) -> str:
        return f" {self.moving}" if self.moving else ""


def read_character(values: Values) -> Character:
    tempo = _tempo(values)
    return Character(
        tempo=tempo[1] if tempo else "",
        moving=tempo[2] if tempo else "",
        key=_key(values),
        extent=" throughout" if is_throughout(values) else "",
    )


def is_throughout(values: Values) -> bool:
    """Whether music fills the segment from start to end, according to its events."""
    timeline = read_timeline(values, "segments")
    return any(
        stream.event_class is EventClass.MUSIC and stream.duration_ms >= ALL_OF_IT * timeline.duration_ms
        for stream in timeline.streams
    )


def is_long_enough(values: Values, fact: str) -> bool:
    start, end = (values.number(name) or 0 for name in SPAN_READS)
    return end - start >= _SHORTEST_MS[fact]


def loudness_course(trend_db: float | None, range_db: float | None) -> str:
    """louder, softer, even or varied; empty for what is ordinary or unknown."""
    if trend_db is not None and abs(trend_db) >= 6:
        return "louder" if trend_db > 0 else "softer"
    if range_db is None or 4 < range_db < 14:
        return ""
    return "even" if range_db <= 4 else "varied"


def colours(percussive_share: float, brightness_hz: float) -> tuple[str, ...]:
    """The prominent ones of percussive or sustained, and of dark or bright."""
    attack = "percussive" if percussive_share >= 0.5 else "sustained" if percussive_share <= 0.08 else ""
    tone = "dark" if brightness_hz <= 900 else "bright" if brightness_hz >= 3_200 else ""
    return tuple(word for word in (attack, tone) if word)


def tempo_words(tempo_bpm: float) -> str:
    """The word for a tempo: slow, lively."""
    return _step(tempo_bpm)[1]


def stated_tempo(text: str) -> tuple[float, float] | None:
    """The beats a minute, from and up to, for which `text` has a word; None if it has none."""
    low = 0.0
    for up_to, adjective, adverb in _TEMPI:
        if re.search(rf"(?<!moderately )(?<!thick and )\b{adjective}\b", text) or adverb in text:
            return low, up_to
        low = up_to
    return None


def _step(tempo_bpm: float) -> tuple[float, str, str]:
    return next((step for step in _TEMPI if tempo_bpm <= step[0]), _TEMPI[-1])


def _tempo(values: Values) -> tuple[float, str, str] | None:
    tempo, density = values.number("music:rhythm.tempo_bpm"), values.number("music:rhythm.onset_rate_hz")
    if tempo is None or density is None or not is_long_enough(values, "tempo"):
        return None
    if (values.number("music:rhythm.tempo_confidence") or 0) < SURE_TEMPO:
        return None
    # An octave error of the tempo shows in the notes: few of them in fast music, many in slow.
    if (tempo > _MODERATE_BPM and density < tempo / 60) or (tempo < _UNHURRIED_BPM and density > 4.5):
        return None
    return _step(tempo)


def _key(values: Values) -> str:
    tonic, mode = values.text("music:tonality.tonic"), values.text("music:tonality.mode")
    confidence = values.number("music:tonality.confidence") or 0
    if tonic is None or mode is None or not is_long_enough(values, "key"):
        return ""
    if confidence >= SURE_KEY:
        return key_name(tonic, Mode(mode))
    runner_up = values.text("music:tonality.runner_up") or ""
    return with_article(f"{mode} key") if confidence >= SURE_MODE and runner_up.endswith(mode) else ""

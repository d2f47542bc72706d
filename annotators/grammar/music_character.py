"""What kind of music it is, as parts of a sentence, and whether the measures are the music's at all."""

from __future__ import annotations

from dataclasses import dataclass

from soundseam.annotators.grammar.engine import Values
from soundseam.annotators.grammar.events import SURE
from soundseam.annotators.grammar.words import with_article

_SURE_TEMPO, _SURE_KEY, _SURE_MODE = 0.3, 0.5, 0.2
_BESIDE_SPEECH = 0.35
"""With speech over so much of the time, not even tempo and key are the music's."""
_SURE_WITHOUT_SIGNS = 0.8
"""Detection score from which music without a pulse and a key is music all the same."""
_BESIDE_ANYTHING = 0.1
"""With other sounds over so much of the time, level, notes and colour are not the music's."""

_TEMPI = (
    (72.0, "slow", "slowly"),
    (96.0, "unhurried", "without hurry"),
    (122.0, "moderately fast", "at a moderate tempo"),
    (150.0, "lively", "at a lively tempo"),
    (999.0, "fast", "at a fast tempo"),
)
"""Beats a minute up to which the words hold: about largo to adagio, andante, moderato, allegro, presto."""

SIGNS = ("music:rhythm.tempo_bpm", "music:tonality.tonic")
PROFILE = ("segments:profile.*.class", "segments:profile.*.share", "segments:profile.*.strength")
CHARACTER_READS = (
    "music:rhythm.tempo_bpm",
    "music:rhythm.tempo_confidence",
    "music:rhythm.onset_rate_hz",
    "music:tonality.tonic",
    "music:tonality.mode",
    "music:tonality.confidence",
    "music:tonality.runner_up",
)


def share_of(values: Values, event_class: str) -> float:
    return sum(share for name, share in _shares(values) if name == event_class)


def is_alone(values: Values) -> bool:
    """Whether there is music for sure, and little speech over it: only then is what was measured the music's."""
    return music_strength(values) >= SURE and not is_doubtful(values) and share_of(values, "speech") <= _BESIDE_SPEECH


def is_doubtful(values: Values) -> bool:
    """Whether a detector hears music, but not for sure, in what has neither pulse nor key."""
    no_sign = values.number(SIGNS[0]) is None and values.text(SIGNS[1]) is None
    return no_sign and SURE <= music_strength(values) < _SURE_WITHOUT_SIGNS


def is_undisturbed(values: Values) -> bool:
    """Whether next to nothing but the music is heard."""
    return sum(share for name, share in _shares(values) if name != "music") <= _BESIDE_ANYTHING


def music_strength(values: Values) -> float:
    names, strengths = values.texts(PROFILE[0]), values.numbers(PROFILE[2])
    return max((strength or 0.0 for name, strength in zip(names, strengths, strict=True) if name == "music"), default=0)


def _shares(values: Values) -> list[tuple[str, float]]:
    names, shares = values.texts(PROFILE[0]), values.numbers(PROFILE[1])
    return [(name, share or 0.0) for name, share in zip(names, shares, strict=True)]


@dataclass(frozen=True)
class Character:
    """Parts of a sentence; each is empty where nothing can be said."""

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
        extent=" throughout" if share_of(values, "music") >= 0.9 else "",
    )


def tempo_words(tempo_bpm: float) -> str:
    """What music of a tempo is called: slow, lively."""
    return _step(tempo_bpm)[1]


def _step(tempo_bpm: float) -> tuple[float, str, str]:
    return next((step for step in _TEMPI if tempo_bpm <= step[0]), _TEMPI[-1])


def _tempo(values: Values) -> tuple[float, str, str] | None:
    tempo, density = values.number("music:rhythm.tempo_bpm"), values.number("music:rhythm.onset_rate_hz")
    if tempo is None or density is None:
        return None
    if (values.number("music:rhythm.tempo_confidence") or 0) < _SURE_TEMPO:
        return None
    # A tempo an octave off shows in the notes: few of them in fast music, many in slow.
    if (tempo > 122 and density < tempo / 60) or (tempo < 96 and density > 4.5):
        return None
    return _step(tempo)


def _key(values: Values) -> str:
    tonic, mode = values.text("music:tonality.tonic"), values.text("music:tonality.mode")
    confidence = values.number("music:tonality.confidence") or 0
    if tonic is None or mode is None:
        return ""
    if confidence >= _SURE_KEY:
        return f"{tonic.replace('#', ' sharp')} {mode}"
    runner_up = values.text("music:tonality.runner_up") or ""
    return with_article(f"{mode} key") if confidence >= _SURE_MODE and runner_up.endswith(mode) else ""

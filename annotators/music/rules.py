"""What can be said of music: tempo, key, density, dynamics and colour, where they are sure enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from annotators.grammar import Pick, Rule, Values
from annotators.grammar_events import SURE
from annotators.grammar_words import with_article

_SURE_TEMPO, _SURE_KEY, _SURE_MODE = 0.3, 0.5, 0.2
_BESIDE_SPEECH = 0.35
"""With speech over so much of the time, what was measured is not the music alone."""

_TEMPI = (
    (72.0, "slow", "slowly"),
    (96.0, "unhurried", "without hurry"),
    (122.0, "moderately fast", "at a moderate tempo"),
    (150.0, "lively", "at a lively tempo"),
    (999.0, "fast", "at a fast tempo"),
)
"""Beats a minute up to which the words hold: about largo to adagio, andante, moderato, allegro, presto."""

_SIGNS = ("music:rhythm.tempo_bpm", "music:tonality.tonic")
_PROFILE = ("segments:profile.*.class", "segments:profile.*.share", "segments:profile.*.strength")
_CHARACTER = (
    "music:rhythm.tempo_bpm",
    "music:rhythm.tempo_confidence",
    "music:rhythm.onset_rate_hz",
    "music:tonality.tonic",
    "music:tonality.mode",
    "music:tonality.confidence",
    "music:tonality.runner_up",
)
_DYNAMICS = ("music:dynamics.trend_db", "music:dynamics.loudness_range_db")
_TIMBRE = ("music:timbre.percussive_share", "music:timbre.brightness_hz")
_DENSITY = ("music:rhythm.onset_rate_hz",)


def _share(values: Values, event_class: str) -> float:
    pairs = zip(values.texts(_PROFILE[0]), values.numbers(_PROFILE[1]), strict=True)
    return sum(share or 0.0 for name, share in pairs if name == event_class)


def _is_alone(values: Values) -> bool:
    """Whether there is music for sure, and little beside it: only then is what was measured the music's.

    What has neither pulse nor key may be music to a detector; to a listener it need not be.
    """
    if values.number(_SIGNS[0]) is None and values.text(_SIGNS[1]) is None:
        return False
    pairs = zip(values.texts(_PROFILE[0]), values.numbers(_PROFILE[2]), strict=True)
    is_music = any(name == "music" and (strength or 0.0) >= SURE for name, strength in pairs)
    return is_music and _share(values, "speech") <= _BESIDE_SPEECH


@dataclass(frozen=True)
class _Character:
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


def _character(values: Values) -> _Character:
    tempo = _tempo(values)
    return _Character(
        tempo=tempo[1] if tempo else "",
        moving=tempo[2] if tempo else "",
        key=_key(values),
        extent=" throughout" if _share(values, "music") >= 0.9 else "",
    )


def _tempo(values: Values) -> tuple[float, str, str] | None:
    tempo, density = values.number("music:rhythm.tempo_bpm"), values.number("music:rhythm.onset_rate_hz")
    if tempo is None or density is None:
        return None
    if (values.number("music:rhythm.tempo_confidence") or 0) < _SURE_TEMPO:
        return None
    # A tempo an octave off shows in the notes: few of them in fast music, many in slow.
    if (tempo > 122 and density < tempo / 60) or (tempo < 96 and density > 4.5):
        return None
    return next(step for step in _TEMPI if tempo <= step[0])


def _key(values: Values) -> str:
    tonic, mode = values.text("music:tonality.tonic"), values.text("music:tonality.mode")
    confidence = values.number("music:tonality.confidence") or 0
    if tonic is None or mode is None:
        return ""
    if confidence >= _SURE_KEY:
        return f"{tonic.replace('#', ' sharp')} {mode}"
    runner_up = values.text("music:tonality.runner_up") or ""
    return with_article(f"{mode} key") if confidence >= _SURE_MODE and runner_up.endswith(mode) else ""


def _say_opening(values: Values, pick: Pick) -> str | None:
    one = _character(values)
    frames = [
        f"{one.music}{one.in_key} plays{one.extent}",
        f"{one.music}{one.in_key} is playing{one.extent}",
        f"{one.music}{one.in_key} is heard{one.extent}",
        f"there is {one.music}{one.in_key}{one.extent}",
        f"we hear {one.music}{one.in_key}{one.extent}",
        f"{one.music}{one.in_key} can be heard{one.extent}",
        f"a passage of {one.music}{one.in_key} is heard",
    ]
    if one.tempo or one.key:
        frames += [
            f"what plays here is {one.music}{one.in_key}",
            f"a passage of {one.music}{one.in_key} plays{one.extent}",
            f"a piece of {one.music}{one.in_key} is heard",
        ]
    if one.moving:
        frames += [
            f"music{one.in_key} plays{one.moves}",
            f"the music heard here moves{one.moves}{one.in_key and ',' + one.in_key}",
            f"{one.moving}, music{one.in_key} plays{one.extent}",
            f"playing{one.moves}, music{one.in_key} is heard{one.extent}",
        ]
    if one.key:
        frames += [
            f"in {one.key}, {one.music} plays{one.extent}",
            f"the music here is in {one.key}{one.moving and ' and moves' + one.moves}",
        ]
    return pick(*frames)


def _say_character(values: Values, pick: Pick) -> str | None:
    one = _character(values)
    if not one.tempo and not one.key:
        return None
    if not one.key:
        return pick(
            f"the music is {one.tempo}",
            f"the music moves{one.moves}",
            f"the tempo of the music is {one.tempo}",
            f"the music goes on{one.moves}",
            f"{one.moving}, the music moves on",
            f"what plays is {one.music}",
        )
    moving = f" and moves{one.moves}" if one.moving else ""
    return pick(
        f"the music is in {one.key}{moving}",
        f"the music plays in {one.key}{moving}",
        f"the music keeps to {one.key}{moving}",
        f"what plays is {one.music} in {one.key}",
        f"the music stays in {one.key}{moving}",
        f"{one.moving + ', ' if one.moving else ''}the music is in {one.key}",
    )


def _say_dynamics(values: Values, pick: Pick) -> str | None:
    trend, width = values.number("music:dynamics.trend_db"), values.number("music:dynamics.loudness_range_db")
    if trend is not None and abs(trend) >= 6:
        louder, swell = ("louder", "grows") if trend > 0 else ("softer", "fades")
        return pick(
            f"the music gets {louder} towards the end",
            f"the music {swell} towards the end",
            f"towards the end the music becomes {louder}",
            f"over time the music gets {louder}",
            f"the end is {louder} than the beginning",
            f"the loudness {'rises' if trend > 0 else 'falls'} as the music goes on",
        )
    if width is not None and width <= 4:
        return pick(
            "the loudness stays even",
            "the loudness hardly changes",
            "the music keeps one level of loudness",
            "the music stays equally loud",
            "there is hardly any change in loudness",
            "soft and loud passages do not differ much",
        )
    if width is not None and width >= 14:
        return pick(
            "the music moves between soft and loud",
            "soft and loud passages differ widely",
            "the loudness changes a good deal",
            "loud moments stand against soft ones",
            "there are both soft and loud passages",
            "the music swells and falls back",
        )
    return None


def _say_timbre(values: Values, pick: Pick) -> str | None:
    percussive, bright = values.number("music:timbre.percussive_share"), values.number("music:timbre.brightness_hz")
    if percussive is None or bright is None:
        return None
    if percussive >= 0.5:
        return pick(
            "percussive strokes stand out",
            "much of the music is percussive",
            "the sound of the music is largely percussive",
            "short, percussive attacks mark the music",
            "percussive sounds run through the music",
            "there is a strong percussive part",
        )
    if percussive <= 0.08:
        return pick(
            "long, sustained tones prevail",
            "the tones are mostly sustained",
            "the music sounds smooth and sustained",
            "the music is made of held tones",
            "held notes carry the music",
            "there are hardly any percussive sounds",
        )
    if bright <= 900:
        return pick(
            "the colour of the music is dark",
            "the sound of the music is dark",
            "the tone is rather dark",
            "the music sounds dark",
        )
    if bright >= 3_200:
        return pick(
            "the colour of the music is bright",
            "the sound of the music is bright",
            "the tone is rather bright",
            "the music sounds bright",
        )
    return None


def _say_density(values: Values, pick: Pick) -> str | None:
    density = values.number("music:rhythm.onset_rate_hz")
    if density is None:
        return None
    if density >= 7:
        return pick(
            "the notes come thick and fast",
            "many notes follow one another quickly",
            "there are many quick notes",
            "the music is full of quick notes",
            "quick notes run through the music",
            "the texture is busy",
        )
    if density <= 1.2:
        return pick(
            "the notes are few and far between",
            "new notes come only now and then",
            "there are few separate notes",
            "the music is sparse",
            "few notes are struck",
            "long gaps lie between the notes",
        )
    return None


def _rule(name: str, reads: tuple[str, ...], say: Callable[[Values, Pick], str | None], tells: set[str]) -> Rule:
    """`say`, where the segment's profile is sure of music, and what was measured is the music's."""

    def say_of_music(values: Values, pick: Pick) -> str | None:
        return say(values, pick) if _is_alone(values) else None

    return Rule(name, tuple(dict.fromkeys((*_PROFILE, *_SIGNS, *reads))), say_of_music, frozenset(tells))


def _say_doubtful(values: Values, pick: Pick) -> str | None:
    if values.number(_SIGNS[0]) is not None or values.text(_SIGNS[1]) is not None:
        return None
    if _share(values, "music") <= max(_share(values, "speech"), _share(values, "singing")):
        return None
    extent = " throughout" if _share(values, "music") >= 0.9 else ""
    noun = pick("what may be music", "what sounds like music", "something like music", "possibly music")
    return pick(
        f"{noun} is heard{extent}",
        f"there is {noun}{extent}",
        f"we hear {noun}{extent}",
        f"{noun} can be heard{extent}",
    )


DOUBTFUL = Rule("music.doubtful", (*_PROFILE, *_SIGNS), _say_doubtful, frozenset({"opening", "character"}))
OPENING = _rule("music.opening", _CHARACTER, _say_opening, {"opening", "character"})
CHARACTER = _rule("music.character", _CHARACTER, _say_character, {"character"})
DYNAMICS = _rule("music.dynamics", _DYNAMICS, _say_dynamics, {"dynamics"})
TIMBRE = _rule("music.timbre", _TIMBRE, _say_timbre, {"colour"})
DENSITY = _rule("music.density", _DENSITY, _say_density, {"density"})

RULES = (DOUBTFUL, OPENING, CHARACTER, DYNAMICS, TIMBRE, DENSITY)
DETAILS = (DYNAMICS, TIMBRE, DENSITY)
"""What may follow tempo and key, what tells most first."""

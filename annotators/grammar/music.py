"""Rules about music: tempo, key, density, dynamics and colour, if they are certain enough."""

from __future__ import annotations

from soundseam.annotators.grammar.engine import Pick, Rule, Say, Values
from soundseam.annotators.grammar.events import timeline_reads
from soundseam.annotators.grammar.music_character import (
    CHARACTER_READS,
    PROFILE,
    SURE_SIGNS,
    colours,
    is_alone,
    is_doubtful,
    is_throughout,
    is_undisturbed,
    loudness_course,
    read_character,
    share_of,
)
from soundseam.annotators.grammar.words import HEDGES

_DYNAMICS = ("music:dynamics.trend_db", "music:dynamics.loudness_range_db", *timeline_reads("segments"))
_TIMBRE = ("music:timbre.percussive_share", "music:timbre.brightness_hz")
_DENSITY = ("music:rhythm.onset_rate_hz",)
_MAY_LACK = frozenset({"music:tonality"})
"""Of profiles without a backend that analyses whole pieces."""


def _say_opening(values: Values, pick: Pick) -> str | None:
    one = read_character(values)
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
            f"{one.music}{one.in_key} fills the recording" if one.extent else f"{one.music}{one.in_key} starts up",
            f"a passage of {one.music}{one.in_key} plays{one.extent}",
            f"a piece of {one.music}{one.in_key} is heard",
        ]
    if one.moving:
        frames += [
            f"music{one.in_key} plays{one.moves}",
            f"the music moves{one.moves}{one.in_key and ',' + one.in_key}",
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
    one = read_character(values)
    if not one.tempo and not one.key:
        return None
    if not one.key:
        return pick(
            f"the music is {one.tempo}",
            f"the music moves{one.moves}",
            f"the tempo of the music is {one.tempo}",
            f"the music goes on{one.moves}",
            f"{one.moving}, the music moves on",
            f"{one.music} goes on",
        )
    moving = f" and moves{one.moves}" if one.moving else ""
    return pick(
        f"the music is in {one.key}{moving}",
        f"the music plays in {one.key}{moving}",
        f"the music keeps to {one.key}{moving}",
        f"{one.music} goes on in {one.key}",
        f"the music stays in {one.key}{moving}",
        f"{one.moving + ', ' if one.moving else ''}the music is in {one.key}",
    )


def _say_dynamics(values: Values, pick: Pick) -> str | None:
    if not is_throughout(values):
        return None  # music that begins late "gets louder"
    trend, width = values.number("music:dynamics.trend_db"), values.number("music:dynamics.loudness_range_db")
    course = loudness_course(trend, width)
    if course in {"louder", "softer"}:
        louder, swell = (course, "grows" if course == "louder" else "fades")
        return pick(
            f"the music gets {louder} towards the end",
            f"the music {swell} towards the end",
            f"towards the end the music becomes {louder}",
            f"over time the music gets {louder}",
            f"the end of the music is {louder} than its beginning",
            f"the loudness {'rises' if course == 'louder' else 'falls'} as the music goes on",
        )
    if course == "even":
        return pick(
            "the loudness stays even",
            "the loudness hardly changes",
            "the music keeps one level of loudness",
            "the music stays equally loud",
            "there is hardly any change in loudness",
            "soft and loud passages do not differ much",
        )
    if course == "varied":
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
    word = next(iter(colours(percussive, bright)), "")
    if word == "percussive":
        return pick(
            "percussive strokes stand out",
            "much of the music is percussive",
            "the sound of the music is largely percussive",
            "short, percussive attacks mark the music",
            "percussive sounds run through the music",
            "there is a strong percussive part",
        )
    if word == "sustained":
        return pick(
            "long, sustained tones prevail",
            "the tones are mostly sustained",
            "the music sounds smooth and sustained",
            "the music is made of held tones",
            "held notes carry the music",
            "there are hardly any percussive sounds",
        )
    if word == "dark":
        return pick(
            "the colour of the music is dark",
            "the sound of the music is dark",
            "the tone is rather dark",
            "the music sounds dark",
        )
    if word == "bright":
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


def _undisturbed(say: Say) -> Say:
    def say_undisturbed(values: Values, pick: Pick) -> str | None:
        return say(values, pick) if is_undisturbed(values) else None

    return say_undisturbed


def _rule(name: str, reads: tuple[str, ...], say: Say, topics: set[str]) -> Rule:
    """`say`, where the segment's profile is sure of music, and what was measured is the music's."""

    def say_of_music(values: Values, pick: Pick) -> str | None:
        return say(values, pick) if is_alone(values) else None

    reads = tuple(dict.fromkeys((*PROFILE, *SURE_SIGNS, *reads)))
    return Rule(name, reads, say_of_music, frozenset(topics), _MAY_LACK)


def _say_doubtful(values: Values, pick: Pick) -> str | None:
    if not is_doubtful(values) or share_of(values, "speech") >= share_of(values, "music"):
        return None
    extent = " throughout" if is_throughout(values) else ""
    noun = f"{pick(*HEDGES)} music"
    return pick(
        f"{noun} is heard{extent}",
        f"there is {noun}{extent}",
        f"we hear {noun}{extent}",
        f"{noun} can be heard{extent}",
    )


DOUBTFUL = Rule(
    "music.doubtful",
    (*PROFILE, *SURE_SIGNS, *timeline_reads("segments")),
    _say_doubtful,
    frozenset({"opening", "character"}),
    _MAY_LACK,
)
OPENING = _rule("music.opening", CHARACTER_READS, _say_opening, {"opening", "character"})
CHARACTER = _rule("music.character", CHARACTER_READS, _say_character, {"character"})
DYNAMICS = _rule("music.dynamics", _DYNAMICS, _undisturbed(_say_dynamics), {"dynamics"})
TIMBRE = _rule("music.timbre", _TIMBRE, _undisturbed(_say_timbre), {"colour"})
DENSITY = _rule("music.density", _DENSITY, _undisturbed(_say_density), {"density"})

RULES = (DOUBTFUL, OPENING, CHARACTER, DYNAMICS, TIMBRE, DENSITY)
DETAILS = (DYNAMICS, TIMBRE, DENSITY)
"""What may follow tempo and key, the most informative first."""

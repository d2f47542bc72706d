"""Separate sounds: one, two or many, their positions, and what accompanies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundseam.annotators.grammar.arrangement import (
    COUNTED,
    ORDINALS,
    Beside,
    are_together,
    beside_stream,
    comes_late,
    do_overlap,
    has_no_place,
    louder_of,
    loudest_of,
    peak_of,
    spread_of,
)
from soundseam.annotators.grammar.engine import Pick, Rule, Values
from soundseam.annotators.grammar.events import (
    ALL_OF_IT,
    SURE,
    SegmentEvent,
    Stream,
    Timeline,
    read_timeline,
    timeline_reads,
)
from soundseam.annotators.grammar.general import is_steady
from soundseam.annotators.grammar.phrases import follow_phrase, lasting_phrase, shared_phrase, sound_phrase
from soundseam.annotators.grammar.words import number_word, place_word, plural, with_article
from soundseam.schemas.event import EventClass

_CLAUSES = {
    EventClass.SPEECH: ("while someone speaks", "before anyone speaks", "after someone has spoken", "speech"),
    EventClass.MUSIC: ("while music plays", "before music sets in", "after some music", "music"),
    EventClass.SINGING: ("while someone sings", "before anyone sings", "after someone has sung", "singing"),
}
_OTHER_CLAUSES = (
    "while another sound goes on",
    "before a longer sound begins",
    "after a longer sound",
    "a longer sound",
)
_NOUNS = {EventClass.SPEECH: "speech", EventClass.MUSIC: "music", EventClass.SINGING: "singing"}


@dataclass(frozen=True)
class _Scene:
    """A timeline, and whether its stream was named in an earlier sentence."""

    timeline: Timeline
    named: bool

    def beside(self, sounds: Sequence[SegmentEvent]) -> str:
        """The position of all `sounds` relative to the only stream, in words; empty for none or several."""
        place = beside_stream(sounds, self.timeline)
        if place is None:
            return ""
        during, before, after, besides = self._words(self.timeline.streams[0])
        if place is Beside.DURING:
            return during
        if place in (Beside.BEFORE, Beside.AFTER):
            return before if place is Beside.BEFORE else after
        if place is Beside.GAP and self.named:
            return f"in a gap of {besides}"
        return f"partly {during}" if place is Beside.PARTLY and self.named else f"along with {besides}"

    def _words(self, stream: Stream) -> tuple[str, str, str, str]:
        if self.named:
            noun = f"the {_NOUNS.get(stream.event_class, 'longer sound')}"
            return f"during {noun}", f"before {noun}", f"after {noun}", noun
        if stream.is_sure:
            return _CLAUSES.get(stream.event_class, _OTHER_CLAUSES)
        if stream.score < SURE or stream.event_class not in _NOUNS:
            return _OTHER_CLAUSES
        noun = f"what may be {_NOUNS[stream.event_class]}"
        return f"beside {noun}", f"before {noun}", f"after {noun}", noun


def _say_sounds(timeline: Timeline, pick: Pick, named: bool) -> str | None:
    sounds, scene = timeline.sounds, _Scene(timeline, named)
    if not sounds:
        return None
    if len(sounds) == 1:
        return _say_one(sounds[0], scene, pick)
    if len(sounds) == 2 and sound_phrase(sounds[0]) != sound_phrase(sounds[1]):
        return _say_two(sounds[0], sounds[1], scene, pick)
    return _say_alike(sounds, scene, pick)


def _say_one(sound: SegmentEvent, scene: _Scene, pick: Pick) -> str:
    timeline = scene.timeline
    if has_no_place(sound, timeline):
        return _say_alone(sound, pick)
    phrase, lasting = with_article(sound_phrase(sound)), with_article(lasting_phrase(sound))
    place = place_word((sound.span.start_ms + sound.span.end_ms) / 2 / timeline.duration_ms)
    beside = scene.beside([sound])
    if beside:
        return pick(
            f"{lasting} is heard {beside}",
            f"{place}, {phrase} is heard {beside}",
            f"{lasting} comes {beside}",
            f"{beside}, {phrase} is heard {place}",
            f"{beside}, there is {phrase} {place}",
            f"{beside}, {lasting} can be heard",
            f"there is {phrase} {place}, {beside}",
            f"we hear {lasting} {beside}",
        )
    frames = [
        f"{phrase} is heard {place}",
        f"{place}, {phrase} is heard",
        f"{place}, there is {lasting}",
        f"there is {phrase} {place}",
        f"{place} comes {lasting}",
        f"we hear {phrase} {place}",
        f"{phrase} comes {place}",
        f"{phrase} can be heard {place}",
    ]
    if not timeline.streams:
        frames.append(f"only {phrase} is heard, {place}")
    if not timeline.streams and phrase != "a sound":
        frames.append(f"a single sound is heard {place}, {phrase}")
    return pick(*frames)


_HOW = {"start": ", loudest at its beginning", "end": ", loudest towards its end", None: ""}


def _say_alone(sound: SegmentEvent, pick: Pick) -> str:
    phrase, how = with_article(lasting_phrase(sound)), _HOW[peak_of(sound)]
    return pick(
        f"{phrase} is heard{how}",
        f"there is {phrase}{how}",
        f"we hear {phrase}{how}",
        f"{phrase} can be heard{how}",
        f"{phrase} comes up{how}",
        f"{phrase} goes by{how}",
    )


def _say_two(first: SegmentEvent, second: SegmentEvent, scene: _Scene, pick: Pick) -> str:
    one, other = with_article(sound_phrase(first)), follow_phrase(first, second)
    beside = scene.beside([first, second])
    if first.span.overlap_ms(second.span) > 0:
        frames = [
            f"{one} and {other} overlap",
            f"{one} is heard, overlapping with {other}",
            f"{one} overlaps with {other}",
            f"along with {one}, {other} is heard",
            f"there is {one}, overlapped by {other}",
            f"we hear {one} and {other} at the same time"
            if are_together(first, second)
            else f"{one} runs into {other}",
        ]
    else:
        loud = louder_of(first, second)
        louder = "" if loud is None else f", the {ORDINALS[loud]} clearly louder"
        later = ", after a while," if comes_late(first, second) else ""
        frames = [
            f"{one} is followed{later} by {other}{louder}",
            f"first {one} is heard, then {other}{louder}",
            f"{one} comes first, then {other}{louder}",
            f"after {one}, there is {other}{louder}",
            f"there is {one}, and then {other}{louder}",
            f"we hear {one} and then {other}{louder}",
            f"{one} is heard, and later {other}{louder}",
            f"two sounds follow one another, {one} and {other}{louder}",
        ]
    return f"{beside}, {pick(*frames)}" if beside else pick(*frames)


def _say_alike(sounds: Sequence[SegmentEvent], scene: _Scene, pick: Pick) -> str:
    phrase = f"{_count_word(len(sounds))} {plural(shared_phrase(sounds))}"
    loudest, spread = _loudest(sounds), _spread(sounds, scene.timeline)
    beside = scene.beside(sounds)
    frames = [
        f"there are {phrase}{spread}{loudest}",
        f"we hear {phrase}{spread}{loudest}",
        f"{phrase} are heard{spread}{loudest}",
        f"{phrase} can be heard{spread}{loudest}",
    ]
    if not do_overlap(sounds):
        frames += [
            f"{phrase} follow one another{spread}{loudest}",
            f"one after another, {phrase} are heard{loudest}",
            f"{phrase} come one by one{loudest}",
        ]
    if beside:
        return f"{beside}, {pick(*frames)}"
    if spread:
        frames.append(f"{spread.lstrip(' ,')}, {phrase} are heard{loudest}")
    return pick(*frames)


def _count_word(count: int) -> str:
    if count <= COUNTED:
        return number_word(count)
    return "several" if count < 10 else "many"


def _loudest(sounds: Sequence[SegmentEvent]) -> str:
    place = loudest_of(sounds)
    if place is None:
        return ""
    if len(sounds) == 2:
        return f", the {ORDINALS[place]} the louder"
    if place == len(sounds) - 1:
        return ", the last the loudest"
    return f", the {ORDINALS[place]} the loudest"


def _spread(sounds: Sequence[SegmentEvent], timeline: Timeline) -> str:
    spread = spread_of(sounds, timeline)
    if isinstance(spread, float):
        return f" {place_word(spread)}"
    return {"quick": " in quick succession", "whole": ", spread over the whole time", None: ""}[spread]


_MIN_STEADY_MS = 2_000
_TONAL, _TONELESS = 0.7, 0.1
_HUM_BELOW_HZ, _LOW_BELOW_HZ, _HISS_FROM_HZ = 1_000, 1_000, 3_500
_FAINT_BELOW_DBFS = -50.0
_STEADINESS = "general:acoustics.stationarity"


def _say_steady_sound(values: Values, pick: Pick) -> str | None:
    """The only sound of a segment, if it lasts throughout, hardly changes, and has no name: a hum, a hiss, noise."""
    timeline = read_timeline(values, "general")
    if timeline.streams or len(timeline.sounds) != 1 or not is_steady(values.number(_STEADINESS)):
        return None
    (sound,) = timeline.sounds
    if sound.name is not None or sound.span.duration_ms < max(_MIN_STEADY_MS, ALL_OF_IT * timeline.duration_ms):
        return None
    kind = steady_kind(sound)
    if kind is None:
        return None
    phrase = with_article(f"faint, {kind}" if is_faint(sound) else kind)
    return pick(
        f"{phrase} is heard throughout",
        f"{phrase} goes on from beginning to end",
        f"there is {phrase} all the time",
        f"we hear {phrase} all the way through",
        f"nothing but {phrase} is heard",
        f"{phrase} continues without a break",
        f"only {phrase} can be heard",
        f"from beginning to end there is {phrase}",
    )


def steady_kind(sound: SegmentEvent) -> str | None:
    """ "steady hum"; None if it is neither clearly tonal nor clearly noise."""
    bright, tonal = sound.brightness_hz, sound.tonal_share
    if bright is None or tonal is None or _TONELESS < tonal < _TONAL:
        return None
    if tonal >= _TONAL:
        return "steady hum" if bright < _HUM_BELOW_HZ else "steady tone"
    if bright >= _HISS_FROM_HZ:
        return "steady hiss"
    return "low, steady noise" if bright < _LOW_BELOW_HZ else "steady noise"


def is_faint(sound: SegmentEvent) -> bool:
    return sound.level_dbfs is not None and sound.level_dbfs < _FAINT_BELOW_DBFS


def _rule(name: str, table: str, topics: set[str], opens: bool) -> Rule:
    """`opens`: the rule names the only stream itself, and so says nothing unless there is exactly one."""

    def say(values: Values, pick: Pick) -> str | None:
        timeline = read_timeline(values, table)
        if opens and len(timeline.streams) != 1:
            return None
        return _say_sounds(timeline, pick, named=not opens)

    return Rule(name, timeline_reads(table), say, frozenset(topics))


OPENING = _rule("sounds.opening", "general", {"sounds", "opening"}, opens=True)
PLAIN_OPENING = _rule("sounds.plain_opening", "segments", {"sounds", "opening"}, opens=True)
SOUNDS = _rule("sounds.measured", "general", {"sounds"}, opens=False)
PLAIN_SOUNDS = _rule("sounds.plain", "segments", {"sounds"}, opens=False)
STEADY_SOUND = Rule(
    "sounds.steady",
    (*timeline_reads("general"), _STEADINESS),
    _say_steady_sound,
    frozenset({"sounds", "opening", "steadiness"}),
)
RULES = (OPENING, PLAIN_OPENING, SOUNDS, PLAIN_SOUNDS, STEADY_SOUND)

"""Separate sounds: one, two or many, their positions, and what accompanies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from soundseam.schemas.timespan import covered_ms, union_spans

_CLEARLY_LOUDER_DB = 6.0
_LOUDEST_DB = 3.0
_ORDINALS = ("first", "second", "third")
_TOO_SHORT_FOR_PLACES_MS = 2_000
_COUNTED = 6
"""Up to this number sounds are counted; above it, the words are several or many."""

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
        """The position of all `sounds` relative to the only stream; empty for none or several."""
        if len(self.timeline.streams) != 1:
            return ""
        stream = self.timeline.streams[0]
        during, before, after, besides = self._words(stream)
        spans = union_spans(sound.span for sound in sounds)
        covered = stream.covered_ms(spans) / covered_ms(spans)
        if covered >= ALL_OF_IT:
            return during
        if covered <= 1 - ALL_OF_IT:
            if spans[-1].start_ms < stream.start_ms:
                return before
            if spans[0].end_ms > stream.end_ms:
                return after
            return f"in a gap of {besides}" if self.named else f"along with {besides}"
        return f"partly {during}" if len(sounds) == 1 and self.named else f"along with {besides}"

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
    fills = sound.span.duration_ms >= 0.75 * timeline.duration_ms
    if not timeline.streams and (fills or timeline.duration_ms < _TOO_SHORT_FOR_PLACES_MS):
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


def _say_alone(sound: SegmentEvent, pick: Pick) -> str:
    phrase = with_article(lasting_phrase(sound))
    attack, duration = sound.attack_ms, sound.span.duration_ms
    how = ""
    if attack is not None and duration >= 300:
        how = (
            ", loudest at its beginning"
            if attack <= 40
            else ", loudest towards its end"
            if attack > 0.8 * duration
            else ""
        )
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
            if _mostly_together(first, second)
            else f"{one} runs into {other}",
        ]
    else:
        louder = _louder(first, second)
        later = ", after a while," if second.span.start_ms - first.span.end_ms >= 4_000 else ""
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


def _mostly_together(first: SegmentEvent, second: SegmentEvent) -> bool:
    return first.span.overlap_ms(second.span) >= 0.8 * max(first.span.duration_ms, second.span.duration_ms)


def _louder(first: SegmentEvent, second: SegmentEvent) -> str:
    if first.level_dbfs is None or second.level_dbfs is None:
        return ""
    if abs(first.level_dbfs - second.level_dbfs) < _CLEARLY_LOUDER_DB:
        return ""
    return f", the {'first' if first.level_dbfs > second.level_dbfs else 'second'} clearly louder"


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
    if not _overlap(sounds):
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
    if count <= _COUNTED:
        return number_word(count)
    return "several" if count < 10 else "many"


def _overlap(sounds: Sequence[SegmentEvent]) -> bool:
    return any(after.span.start_ms < before.span.end_ms for before, after in pairwise(sounds))


def _loudest(sounds: Sequence[SegmentEvent]) -> str:
    known = [sound.level_dbfs for sound in sounds if sound.level_dbfs is not None]
    if len(known) < len(sounds) or len(sounds) > _COUNTED:
        return ""
    ranked = sorted(known, reverse=True)
    if ranked[0] - ranked[1] < _LOUDEST_DB:
        return ""
    place = known.index(ranked[0])
    if len(sounds) == 2:
        return f", the {_ORDINALS[place]} the louder"
    if place == len(sounds) - 1:
        return ", the last the loudest"
    return f", the {_ORDINALS[place]} the loudest" if place < len(_ORDINALS) else ""


def _spread(sounds: Sequence[SegmentEvent], timeline: Timeline) -> str:
    start, end = sounds[0].span.start_ms, max(sound.span.end_ms for sound in sounds)
    gaps = [after.span.start_ms - before.span.end_ms for before, after in pairwise(sounds)]
    if max(gaps) <= 350:
        return "" if _overlap(sounds) else " in quick succession"
    if end - start <= 0.4 * timeline.duration_ms:
        return f" {place_word((start + end) / 2 / timeline.duration_ms)}"
    reaches = end - start >= 0.75 * timeline.duration_ms and max(gaps) <= 0.5 * timeline.duration_ms
    return ", spread over the whole time" if reaches and len(sounds) > 2 else ""


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
    noun = _steady_noun(sound)
    if noun is None:
        return None
    phrase = with_article(noun)
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


def _steady_noun(sound: SegmentEvent) -> str | None:
    """ "faint, steady hum"; None if it is neither clearly tonal nor clearly noise."""
    bright, tonal = sound.brightness_hz, sound.tonal_share
    if bright is None or tonal is None or _TONELESS < tonal < _TONAL:
        return None
    if tonal >= _TONAL:
        noun = "steady hum" if bright < _HUM_BELOW_HZ else "steady tone"
    elif bright >= _HISS_FROM_HZ:
        noun = "steady hiss"
    else:
        noun = "low, steady noise" if bright < _LOW_BELOW_HZ else "steady noise"
    faint = sound.level_dbfs is not None and sound.level_dbfs < _FAINT_BELOW_DBFS
    return f"faint, {noun}" if faint else noun


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

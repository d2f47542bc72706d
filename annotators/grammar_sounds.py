"""Sounds that come and go: one, two or many, each called by what was measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from annotators.grammar import Pick, Rule, Values
from annotators.grammar_events import Heard, Stream, Timeline, read_timeline, timeline_reads
from annotators.grammar_words import number_word, place_word, plural, with_article
from schemas.event import EventClass

_SURE = 0.5
"""Score from which a class is named; below, a sound is a sound."""
_NOUNS = {
    EventClass.HUMAN_VOICE: "vocal sound",
    EventClass.ANIMAL: "animal sound",
    EventClass.NATURE: "sound of nature",
    EventClass.ENVIRONMENT: "ambient sound",
}
_CLEARLY_LOUDER_DB = 6.0
_LOUDEST_DB = 3.0
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_COUNTED = 6
"""Up to here listeners count; beyond, they say several or many."""


def _size(sound: Heard) -> str:
    duration = sound.span.duration_ms
    if duration < 350:
        return "very short"
    if duration < 1_500:
        return "short"
    return "long" if duration >= 5_000 else ""


def _character(sound: Heard) -> str:
    """How it sounds, in one word: clear in pitch, noisy, bright, dull; empty where nothing stands out."""
    bright, tonal = sound.brightness_hz, sound.tonal_share
    if bright is None or sound.span.duration_ms < 100:
        return ""
    if tonal is not None and tonal < 0.1 and bright >= 2_800:
        return "hissing" if bright >= 3_800 else "noisy"
    if bright >= 2_500:
        return "bright"
    if bright < 700:
        return "dull"
    return "clear" if tonal is not None and tonal >= 0.7 else ""


def _strength(sound: Heard) -> str:
    return "faint" if sound.salience_db is not None and sound.salience_db < 6 else ""


def _noun(sound: Heard) -> str:
    return _NOUNS.get(sound.event_class, "sound") if sound.score >= _SURE else "sound"


def _phrase(sound: Heard) -> str:
    """Without article: "short, bright sound"."""
    adjectives = [word for word in (_strength(sound), _size(sound), _character(sound)) if word]
    return " ".join(part for part in (", ".join(adjectives[:2]), _noun(sound)) if part)


def _say_sounds(values: Values, pick: Pick, table: str) -> str | None:
    timeline = read_timeline(values, table)
    sounds = timeline.sounds
    if not sounds:
        return None
    if len(sounds) == 1:
        return _say_one(sounds[0], timeline, pick)
    return _say_two(sounds, timeline, pick) if len(sounds) == 2 else _say_many(sounds, timeline, pick)


def _say_one(sound: Heard, timeline: Timeline, pick: Pick) -> str:
    share = timeline.share(sound.span)
    if not timeline.streams and share >= 0.75:
        return _say_alone(sound, pick)
    phrase = with_article(_phrase(sound))
    place = place_word((sound.span.start_ms + sound.span.end_ms) / 2 / timeline.duration_ms)
    beside = _beside(sound, timeline.streams)
    if beside:
        return pick(
            f"{phrase} is heard {beside}",
            f"{place}, {phrase} is heard {beside}",
            f"{place}, {phrase} comes {beside}",
            f"{beside}, {phrase} is heard {place}",
            f"{beside}, there is {phrase}",
            f"{beside}, {phrase} can be heard",
        )
    return pick(
        f"{phrase} is heard {place}",
        f"{place}, {phrase} is heard",
        f"{place}, there is {phrase}",
        f"there is {phrase} {place}",
        f"{place} comes {phrase}",
        f"one sound is heard {place}, {phrase}" if phrase != "a sound" else f"one sound is heard {place}",
        f"we hear {phrase} {place}",
        f"{phrase} comes {place}",
        f"{phrase} can be heard {place}",
    )


def _say_alone(sound: Heard, pick: Pick) -> str:
    phrase = with_article(_phrase(sound))
    attack = sound.attack_ms
    sudden = attack is not None and attack <= 40 and sound.span.duration_ms >= 300
    slow = attack is not None and attack >= max(400, 0.4 * sound.span.duration_ms)
    how = ", loudest right at its start" if sudden else ", growing before it ends" if slow else ""
    return pick(
        f"{phrase} is heard{how}",
        f"there is {phrase}{how}",
        f"we hear {phrase}{how}",
        f"only {phrase} is heard{how}",
        f"{phrase} sounds{how}",
        f"a single sound is heard, {phrase.removeprefix('a ').removeprefix('an ').removesuffix(' sound')}{how}"
        if phrase.endswith(" sound")
        else f"{phrase} can be heard{how}",
        f"what is heard is {phrase}{how}",
        f"nothing but {phrase} is heard{how}",
        f"{phrase} can be heard{how}",
        f"this is {phrase}{how}",
    )


_STREAM_NOUNS = {EventClass.SPEECH: "speech", EventClass.MUSIC: "music", EventClass.SINGING: "singing"}


def _beside(sound: Heard, streams: Sequence[Stream]) -> str:
    """How a sound lies to the one stream there is; empty for none or several."""
    if len(streams) != 1:
        return ""
    stream = streams[0]
    noun = _STREAM_NOUNS.get(stream.event_class, "other sound")
    if sound.span.end_ms <= stream.start_ms + 100:
        return f"before the {noun}"
    if sound.span.start_ms >= stream.end_ms - 100:
        return f"after the {noun}"
    covered = sum(span.overlap_ms(sound.span) for span in stream.spans)
    if covered >= 0.5 * sound.span.duration_ms:
        return f"during the {noun}"
    return f"in a gap of the {noun}" if covered == 0 else ""


def _say_two(sounds: Sequence[Heard], timeline: Timeline, pick: Pick) -> str:
    first, second = sounds
    one, other = with_article(_phrase(first)), with_article(_phrase(second))
    if one == other:
        return _say_alike(sounds, timeline, pick)
    if first.span.overlap_ms(second.span) > 0:
        return pick(
            f"{one} and {other} overlap",
            f"{one} is heard, overlapping with {other}",
            f"two sounds overlap, {one} and {other}",
            f"during {one}, there is {other}",
            f"along with {one}, {other} is heard",
            f"there is {one}, overlapped by {other}",
        )
    louder = _louder(first, second)
    later = ", after a while," if second.span.start_ms - first.span.end_ms >= 4_000 else ""
    return pick(
        f"{one} is followed{later} by {other}{louder}",
        f"first {one} is heard, then {other}{louder}",
        f"{one} comes first, then {other}{louder}",
        f"two sounds follow one another, {one} and {other}{louder}",
        f"after {one}, there is {other}{louder}",
        f"there is {one}, and then {other}{louder}",
        f"we hear {one} and then {other}{louder}",
        f"{one} is heard, and later {other}{louder}",
    )


def _louder(first: Heard, second: Heard) -> str:
    if first.level_dbfs is None or second.level_dbfs is None:
        return ""
    if abs(first.level_dbfs - second.level_dbfs) < _CLEARLY_LOUDER_DB:
        return ""
    return f", the {'first' if first.level_dbfs > second.level_dbfs else 'second'} clearly louder"


def _say_many(sounds: Sequence[Heard], timeline: Timeline, pick: Pick) -> str:
    return _say_alike(sounds, timeline, pick)


def _say_alike(sounds: Sequence[Heard], timeline: Timeline, pick: Pick) -> str:
    count = len(sounds)
    phrase = f"{_count_word(count)} {plural(_shared_phrase(sounds))}"
    loudest = _loudest(sounds)
    spread = _spread(sounds, timeline)
    beside = _beside_all(timeline.streams)
    frames = [
        f"{phrase} follow one another{spread}{loudest}",
        f"there are {phrase}{spread}{loudest}",
        f"we hear {phrase}{spread}{loudest}",
        f"{phrase} are heard{spread}{loudest}",
        f"{phrase} can be heard{spread}{loudest}",
        f"one after another, {phrase} are heard{loudest}",
        f"{phrase} come{spread}{loudest}" if spread else f"{phrase} come one by one{loudest}",
    ]
    if beside:
        frames = [f"{beside}, {frame}" for frame in frames[:4]]
    elif spread:
        frames.append(f"{spread.strip()}, {phrase} are heard{loudest}")
    return pick(*frames)


def _count_word(count: int) -> str:
    if count <= _COUNTED:
        return number_word(count)
    return "several" if count < 10 else "many"


def _shared_phrase(sounds: Sequence[Heard]) -> str:
    """What holds of all of them: "short, bright sound"."""
    shared = [
        words.pop()
        for words in (
            {_strength(one) for one in sounds},
            {_plain_size(one) for one in sounds},
            set(map(_character, sounds)),
        )
        if len(words) == 1
    ]
    nouns = {_noun(sound) for sound in sounds}
    noun = nouns.pop() if len(nouns) == 1 else "sound"
    return " ".join(part for part in (", ".join([word for word in shared if word][:2]), noun) if part)


def _plain_size(sound: Heard) -> str:
    return _size(sound).removeprefix("very ")


def _loudest(sounds: Sequence[Heard]) -> str:
    levels = [sound.level_dbfs for sound in sounds]
    known = [level for level in levels if level is not None]
    if len(known) < len(levels):
        return ""
    ranked = sorted(known, reverse=True)
    if ranked[0] - ranked[1] < _LOUDEST_DB:
        return ""
    place = known.index(ranked[0])
    if len(sounds) == 2:
        return f", the {_ORDINALS[place]} the louder"
    if place == len(sounds) - 1:
        return ", the last the loudest"
    return f", the {_ORDINALS[place]} the loudest" if place < len(_ORDINALS) and len(sounds) <= _COUNTED else ""


def _spread(sounds: Sequence[Heard], timeline: Timeline) -> str:
    start, end = sounds[0].span.start_ms, max(sound.span.end_ms for sound in sounds)
    gaps = [after.span.start_ms - before.span.end_ms for before, after in pairwise(sounds)]
    if max(gaps) <= 600:
        return " in quick succession"
    share = (end - start) / timeline.duration_ms
    if share <= 0.4:
        return f" {place_word((start + end) / 2 / timeline.duration_ms)}"
    return " over the whole time" if share >= 0.75 and len(sounds) > 2 else ""


def _beside_all(streams: Sequence[Stream]) -> str:
    if len(streams) != 1:
        return ""
    return f"besides the {_STREAM_NOUNS.get(streams[0].event_class, 'lasting sound')}"


def _say_of_segment(values: Values, pick: Pick) -> str | None:
    return _say_sounds(values, pick, "segments")


def _say_measured(values: Values, pick: Pick) -> str | None:
    return _say_sounds(values, pick, "general")


SOUNDS = Rule("sounds.measured", timeline_reads("general"), _say_measured, frozenset({"sounds"}))
PLAIN_SOUNDS = Rule("sounds.plain", timeline_reads("segments"), _say_of_segment, frozenset({"sounds"}))
RULES = (SOUNDS, PLAIN_SOUNDS)

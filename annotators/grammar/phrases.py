"""Noun phrases for sounds: a noun if the class is certain, with up to two adjectives from measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from soundseam.annotators.grammar.events import SURE, SegmentEvent
from soundseam.annotators.grammar.words import seconds_word, with_article
from soundseam.schemas.event import EventClass

_NOUNS = {
    EventClass.HUMAN_VOICE: "vocal sound",
    EventClass.ANIMAL: "animal sound",
    EventClass.NATURE: "sound of nature",
    EventClass.ENVIRONMENT: "ambient sound",
}
_DISTINCT_DB = 6.0
_MUCH_LONGER = 2.0


def sound_phrase(sound: SegmentEvent) -> str:
    """Without article: "short, bright sound"."""
    return _joined((strength(sound), size(sound), character(sound)), _noun(sound) + pitch(sound))


def lasting_phrase(sound: SegmentEvent) -> str:
    """The same with its length, if that is worth mentioning: "sound lasting about three seconds"."""
    if sound.span.duration_ms < 1_500:
        return sound_phrase(sound)
    words = _joined((strength(sound), character(sound)), _noun(sound) + pitch(sound))
    return f"{words} lasting {seconds_word(sound.span.duration_ms)}"


def follow_phrase(first: SegmentEvent, second: SegmentEvent) -> str:
    """`second`, mentioned after `first`, with its article: "a longer, bright one"."""
    if _noun(first) != _noun(second):
        return with_article(sound_phrase(second))
    length = ""
    if second.span.duration_ms >= _MUCH_LONGER * first.span.duration_ms:
        length = "longer"
    elif first.span.duration_ms >= _MUCH_LONGER * second.span.duration_ms:
        length = "shorter"
    words = (_changed(strength, first, second), length, _changed(character, first, second))
    tone = _changed(pitch, first, second)
    if any(words):
        return with_article(_joined(words, f"one{tone}"))
    return f"one{tone}" if tone else "another one"


def shared_phrase(sounds: Sequence[SegmentEvent]) -> str:
    """The common description of all of them, without article."""
    words = (shared(strength, sounds), shared(plain_size, sounds), shared(character, sounds))
    return _joined(words, (shared(_noun, sounds) or "sound") + shared(pitch, sounds))


def _noun(sound: SegmentEvent) -> str:
    return _NOUNS.get(sound.event_class, "sound") if sound.score >= SURE else "sound"


def size(sound: SegmentEvent) -> str:
    duration = sound.span.duration_ms
    if duration < 1_500:
        return "very short" if duration < 350 else "short"
    return "long" if duration >= 5_000 else ""


def plain_size(sound: SegmentEvent) -> str:
    return size(sound).removeprefix("very ")


def character(sound: SegmentEvent) -> str:
    """Its character in one word; empty if nothing stands out."""
    bright, tonal = sound.brightness_hz, sound.tonal_share
    if bright is None or sound.span.duration_ms < 100:
        return ""
    if bright >= 3_500 and tonal is not None and tonal < 0.1:
        return "hissing"
    if bright >= 2_500:
        return "bright"
    return "dull" if bright < 600 else ""


def pitch(sound: SegmentEvent) -> str:
    clear = sound.tonal_share is not None and sound.tonal_share >= 0.7 and sound.span.duration_ms >= 200
    return " of clear pitch" if clear else ""


def strength(sound: SegmentEvent) -> str:
    """Loudness word. A sound may be loud and yet hardly stand out; its distance is unknown."""
    return "indistinct" if sound.salience_db is not None and sound.salience_db < _DISTINCT_DB else ""


def _joined(adjectives: Sequence[str], noun: str) -> str:
    said = [word for word in adjectives if word][:2]
    return f"{', '.join(said)} {noun}".strip()


def shared(word: Callable[[SegmentEvent], str], sounds: Sequence[SegmentEvent]) -> str:
    words = {word(sound) for sound in sounds}
    return words.pop() if len(words) == 1 else ""


def _changed(word: Callable[[SegmentEvent], str], first: SegmentEvent, second: SegmentEvent) -> str:
    return "" if word(first) == word(second) else word(second)

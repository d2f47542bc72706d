"""The grammar of long captions: rules that each derive one text from the facts of several segments.

A rule only sees the facts that it declares, of the segments that its claim cites, so a text can be derived again from
its evidence. Names of speakers and pieces are those of the recording.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from soundseam.annotators.grammar.events import SURE
from soundseam.annotators.grammar.sound_names import sound_names
from soundseam.annotators.grammar.words import join_words, number_word
from soundseam.pipeline.long.facts import SegmentFacts, Sound
from soundseam.pipeline.long.scope import NOTABLE_MS, Scope, duration_words, times_word
from soundseam.pipeline.long.sounds import APART_MS
from soundseam.pipeline.long.stretches import STREAMS, evidence_of, joined
from soundseam.pipeline.long.things import streams_of
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import RecordingClaim
from soundseam.schemas.timespan import TimeSpan, clock, covered_ms

_MOST = 0.9
_NAMED_SPEAKERS = 3
_LINE_SPEECH_MS = 2_000
_COUNTED_BROADLY = 2
"""Up to so many occurrences of what has only a broad name have a number: what is one call and what two is unsure."""
_PEOPLE = ("someone", "people")
"""Whose sounds are said by what they do."""
_NOUNS = {
    EventClass.HUMAN_VOICE: "vocal sounds",
    EventClass.ANIMAL: "animal sounds",
    EventClass.NATURE: "sounds of nature",
    EventClass.ENVIRONMENT: "ambient sounds",
}
_TOPIC_WORD = re.compile(r"[^\W\d_]{5,}")
_COMMON = frozenset(
    re.findall(
        r"\S+",
        "about after again being could every first going great little maybe might never other people please quite "
        "really right should something still thank thanks their there these thing things think those through today "
        "under where which while would yeah",
    )
)


def line_text(scope: Scope) -> str | None:
    """What happens in some segments in which the same happens, in order of first onset."""
    texts = {_segment_text(replace(scope, segments=(one,))) for one in scope.segments}
    return texts.pop() if len(texts) == 1 else None


def _segment_text(scope: Scope) -> str | None:
    (segment,) = scope.segments
    phrases: dict[str, int] = {}
    for event in segment.events:
        phrase = _phrase(scope, event)
        if phrase:
            phrases.setdefault(phrase, event.span.start_ms)
    if len(phrases) > 1:
        phrases.pop("a sound", None)
    return ", ".join(phrases) or None


def _phrase(scope: Scope, event: Sound) -> str:
    """An event as a part of a line; empty if it is not certain."""
    if event.event_class in STREAMS and not streams_of(scope.segments[0], event.event_class):
        return ""
    if event.event_class is EventClass.SPEECH:
        return _speaking(scope)
    if event.event_class is EventClass.SINGING:
        return "singing"
    if event.event_class is EventClass.MUSIC:
        pieces = scope.pieces()
        return f"music ({join_words([piece.name for piece in pieces])})" if pieces else "music"
    if event.label in scope.things.sound_labels:
        return sound_names()[event.label].doing
    return _NOUNS.get(event.event_class, "a sound") if event.score >= SURE else "a sound"


def _speaking(scope: Scope) -> str:
    """Who speaks: whose turns are short may be somebody else, and so little speech without a turn may be none."""
    spoken = scope.spoken_ms()
    names = [name for name, ms in spoken.items() if ms >= _LINE_SPEECH_MS]
    if names and len(spoken) <= _NAMED_SPEAKERS:
        return f"{join_words(names)} speaking"
    return "speech" if spoken or scope.stream_ms(EventClass.SPEECH) >= _LINE_SPEECH_MS else ""


def title(scope: Scope) -> str | None:
    """A few words for what most of the time is filled with."""
    speech, music, sounds = scope.speech_ms, scope.music_ms, covered_ms(event.span for event in scope.sounds)
    longest = max(speech, music, sounds)
    if longest == 0:
        return "Unclear sounds"
    if longest == speech:
        over = " over music" if music >= 0.5 * scope.span.duration_ms else ""
        return f"{_talk(scope)}{over}{_topics(scope)}"
    if longest == music:
        return _music_title(scope)
    return _sounds_title(scope)


def _talk(scope: Scope) -> str:
    spoken = scope.spoken_ms() if scope.sure_share >= _MOST else {}
    leading = [name for name, ms in spoken.items() if ms >= (1 - _MOST) * sum(spoken.values())]
    if len(leading) == 1:
        return f"{leading[0]} talks"
    return f"{join_words(leading)} talk" if 0 < len(leading) <= _NAMED_SPEAKERS else "Talk"


def _topics(scope: Scope) -> str:
    """The longer words that are said most often, at least twice."""
    words = Counter(
        word.lower() for one in scope.segments for word in _TOPIC_WORD.findall(one.words) if word.lower() not in _COMMON
    )
    often = sorted((-count, word) for word, count in words.items() if count > 1)[:2]
    return f": {', '.join(word for _, word in often)}" if often else ""


def _music_title(scope: Scope) -> str:
    pieces = scope.pieces()
    if len(pieces) == 1:
        again = pieces[0].parts[0].end_ms <= scope.span.start_ms
        return f"{pieces[0].name}{' again' if again else ''}"
    is_sung = scope.stream_ms(EventClass.SINGING) >= NOTABLE_MS
    return "Music with singing" if is_sung else "Music"


def _sounds_title(scope: Scope) -> str:
    lengths: Counter[str] = Counter()
    for event in scope.sounds:
        named = event.label in scope.things.sound_labels
        lengths[sound_names()[event.label].doing if named else _NOUNS.get(event.event_class, "sounds")] += (
            event.span.duration_ms
        )
    names = sorted(lengths, key=lambda name: (-lengths[name], name))
    known = [name for name in names if name != "sounds"][:2]
    text = join_words(known) if known else "sounds"
    return f"{text[:1].upper()}{text[1:]}{' and other sounds' if known and len(names) > len(known) else ''}"


def sentence(scope: Scope) -> str | None:
    """How long who speaks, how long music plays, and how often which sound occurs."""
    clauses = [*_speech_clauses(scope), *_music_clauses(scope), *_sound_clauses(scope)]
    return _sentence(join_words(clauses)) if clauses else "Its sounds are not surely known."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _speech_clauses(scope: Scope) -> Iterator[str]:
    spoken = {name: ms for name, ms in scope.spoken_ms().items() if ms >= NOTABLE_MS}
    if scope.speech_ms < NOTABLE_MS:
        return
    if not 0 < len(spoken) <= 2 * _NAMED_SPEAKERS or scope.sure_share < _MOST:
        yield f"there is speech for {duration_words(scope.speech_ms)}"
    else:
        yield from (f"{name} speaks for {duration_words(ms)}" for name, ms in spoken.items())


def _music_clauses(scope: Scope) -> Iterator[str]:
    if scope.music_ms >= NOTABLE_MS:
        pieces = scope.pieces()
        what = join_words([piece.name for piece in pieces]) if pieces else "music"
        yield f"{what} play{'s' if len(pieces) < 2 else ''} for {duration_words(scope.music_ms)}"


def _sound_clauses(scope: Scope) -> Iterator[str]:
    by_label: dict[str, list[TimeSpan]] = {}
    for event in scope.sounds:
        if event.label in scope.things.sound_labels:
            by_label.setdefault(event.label, []).append(event.span)
    yield from (_heard(scope, label, spans) for label, spans in list(by_label.items())[:4])


def _heard(scope: Scope, label: str, spans: Sequence[TimeSpan]) -> str:
    name, sound = sound_names()[label], next(one for one in scope.things.sounds if one.label == label)
    what = name.doing if name.noun in _PEOPLE else name.subject
    if name.number == "mass":
        length = duration_words(covered_ms(spans))
        more = length if sound.countable else f"at least {length.removeprefix('about ')}"
        return f"{what} {name.are} heard for {more}"
    count = len(joined(spans, APART_MS))
    if count == 1 and not sound.countable:
        return f"{what} {name.are} heard"
    if name.broader is None and not sound.countable and count > _COUNTED_BROADLY:
        return f"{what} {name.are} heard several times"
    least = "" if sound.countable else "at least "
    return f"{what} {name.are} heard {least}{times_word(count)}"


def overview(scope: Scope) -> str | None:
    """How long the recording is, and what kinds of sound fill it."""
    kinds = {"speech": scope.speech_ms, "music": scope.music_ms}
    for event in scope.sounds:
        noun = _NOUNS.get(event.event_class, "other sounds")
        kinds[noun] = kinds.get(noun, 0) + event.span.duration_ms
    there = [kind for kind, ms in sorted(kinds.items(), key=lambda item: -item[1]) if ms >= NOTABLE_MS]
    what = f" with {join_words(there)}" if there else ""
    return f"A recording of {duration_words(scope.duration_ms)}{what}."


def speakers(scope: Scope) -> str | None:
    """How many people speak; at least so many, if more may."""
    names = scope.spoken_ms()
    if not names or (len(names) == 1 and not scope.things.all_speakers):
        return None
    count = number_word(len(names))
    if not scope.things.all_speakers:
        return f"At least {count} people speak."
    if len(names) == 1:
        return "One person speaks."
    longest = max(names, key=lambda name: names[name])
    return f"{count.capitalize()} people speak, {longest} longest."


def speaker_time(scope: Scope) -> str | None:
    """How long one speaker speaks, and between when."""
    own = joined(turn.span for one in scope.segments for turn in one.turns if turn.speaker == scope.subject)
    if not own:
        return None
    name, length = scope.things.speaker_names[str(scope.subject)], duration_words(covered_ms(own))
    if not scope.things.all_speakers:
        return f"{name} speaks for at least {length.removeprefix('about ')}, first surely at {clock(own[0].start_ms)}."
    return f"{name} speaks for {length} in all, first at {clock(own[0].start_ms)}."


def music_time(scope: Scope) -> str | None:
    """How often music plays, and how long in all; at least so long, if there may be more."""
    spans = joined(
        (span for one in scope.segments for span in streams_of(one, EventClass.MUSIC, EventClass.SINGING)), 3_000
    )
    if covered_ms(spans) < NOTABLE_MS:
        return None
    length, start = duration_words(scope.music_ms), clock(spans[0].start_ms)
    if not scope.things.all_music:
        return f"Music plays for at least {length.removeprefix('about ')}, for example at {start}."
    count = sum(len(piece.parts) for piece in scope.things.pieces)
    return f"Music plays {times_word(count)}, for {length} in all, first at {start}."


def piece_returns(scope: Scope) -> str | None:
    piece = next((one for one in scope.things.pieces if one.name == scope.subject), None)
    if piece is None or len(piece.parts) < 2:
        return None
    places = join_words([clock(one.start_ms) for one in piece.parts])
    return f"{piece.name} is played {times_word(len(piece.parts))}, at {places}."


def sound_time(scope: Scope) -> str | None:
    """How often one sound occurs, or how long it lasts."""
    spans = [event.span for event in scope.sounds if event.label == scope.subject]
    if not spans:
        return None
    is_all = next(one.countable for one in scope.things.sounds if one.label == scope.subject)
    # If others may be the same, one of those may be the first.
    where = f"{'first' if is_all else 'for example'} at {clock(min(spans).start_ms)}"
    return _sentence(f"{_heard(scope, str(scope.subject), spans)}, {where}")


@dataclass(frozen=True)
class LongRule:
    """A rule, and the names of the facts that it reads."""

    say: Callable[[Scope], str | None]
    reads: tuple[str, ...]
    is_about: Callable[[SegmentFacts, str | None], bool] = lambda _, __: True


def _speaks(segment: SegmentFacts, speaker: str | None) -> bool:
    return any(turn.speaker == speaker for turn in segment.turns)


def _has_sound(segment: SegmentFacts, label: str | None) -> bool:
    return any(event.label == label for event in segment.events)


def _has_music(segment: SegmentFacts, _: str | None) -> bool:
    return bool(streams_of(segment, EventClass.MUSIC, EventClass.SINGING))


LONG_RULES: Mapping[str, LongRule] = {
    "line": LongRule(line_text, ("events", "turns")),
    "title": LongRule(title, ("events", "turns", "words")),
    "sentence": LongRule(sentence, ("events", "turns")),
    "overview": LongRule(overview, ("events", "turns")),
    "speakers": LongRule(speakers, ("turns",), lambda segment, _: bool(segment.turns)),
    "speaker_time": LongRule(speaker_time, ("turns",), _speaks),
    "music_time": LongRule(music_time, ("events",), _has_music),
    "piece_returns": LongRule(piece_returns, ("events", "key", "tempo_bpm", "chords"), _has_music),
    "sound_time": LongRule(sound_time, ("events",), _has_sound),
}


def claim_by(name: str, scope: Scope) -> RecordingClaim | None:
    """What a rule says about a scope, with the rows that it rests on; None if it says nothing."""
    rule = LONG_RULES[name]
    places = ((one, {one.origins[fact] for fact in rule.reads if fact in one.origins}) for one in scope.segments)
    mine = tuple(one.only(read) for one, read in places if read and rule.is_about(one, scope.subject))
    if not mine:
        return None
    evidence = evidence_of(mine, rule.reads)
    text = rule.say(replace(scope, segments=mine))
    if text is None:
        return None
    span = scope.span
    return RecordingClaim(
        text=text, rule=name, subject=scope.subject, start_ms=span.start_ms, end_ms=span.end_ms, evidence=evidence
    )

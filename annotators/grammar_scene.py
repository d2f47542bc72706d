"""What is heard together and in which order: the sentences that open a caption of several things."""

from __future__ import annotations

from dataclasses import dataclass

from annotators.grammar import Pick, Rule, Values
from annotators.grammar_events import Timeline, read_timeline, timeline_reads
from annotators.grammar_words import join_words, place_word
from schemas.event import EventClass

_TOGETHER, _APART = 0.6, 0.1
"""Share of the shorter stream that the other covers: from there on "while", up to there "then"."""


@dataclass(frozen=True)
class _Words:
    """How a stream is called: as a noun, and as a clause that says that it goes on."""

    noun: str
    clause: str
    plural: bool = False


_WORDS = {
    EventClass.SPEECH: _Words("speech", "someone speaks"),
    EventClass.MUSIC: _Words("music", "music plays"),
    EventClass.SINGING: _Words("singing", "someone sings"),
    EventClass.HUMAN_VOICE: _Words("vocal sounds without words", "a voice sounds without words", plural=True),
    EventClass.NATURE: _Words("sounds of nature", "sounds of nature go on", plural=True),
    EventClass.ANIMAL: _Words("animal sounds", "animals are heard", plural=True),
    EventClass.ENVIRONMENT: _Words("ambient sound", "ambient sound goes on"),
    EventClass.OBJECT: _Words("a lasting sound", "a sound goes on"),
    EventClass.SOURCE_AMBIGUOUS: _Words("a lasting sound", "a sound goes on"),
}


def _say_streams(values: Values, pick: Pick) -> str | None:
    timeline = read_timeline(values, "segments")
    words = list(dict.fromkeys(_WORDS[stream.event_class].noun for stream in timeline.streams))
    if len(words) < 2:
        return None
    if len(words) > 2 or len(timeline.streams) > 2:
        nouns = join_words(words)
        return pick(
            f"{nouns} are all heard",
            f"we hear {nouns}",
            f"there is a mixture of {nouns}",
            f"several things are heard: {nouns}",
            f"heard here are {nouns}",
            f"the sound is made up of {nouns}",
        )
    first, second = sorted(timeline.streams, key=lambda stream: stream.start_ms)
    overlap = first.overlap_ms(second) / max(1, min(first.duration_ms, second.duration_ms))
    if overlap >= _TOGETHER:
        return _say_together(timeline, pick)
    if overlap <= _APART and first.end_ms <= second.start_ms + 500:
        return _say_sequence(_WORDS[first.event_class], _WORDS[second.event_class], pick)
    return _say_both(_WORDS[first.event_class], _WORDS[second.event_class], pick)


def _say_together(timeline: Timeline, pick: Pick) -> str:
    longer, shorter = (_WORDS[stream.event_class] for stream in timeline.streams)
    return pick(
        f"{shorter.clause} while {longer.clause}",
        f"while {longer.clause}, {shorter.clause}",
        f"{shorter.noun} and {longer.noun} are heard together",
        f"{longer.noun} and {shorter.noun} are heard at the same time",
        f"as {longer.clause}, {shorter.clause}",
        f"there {'are' if shorter.plural else 'is'} {shorter.noun} along with {longer.noun}",
        f"together with {longer.noun}, {shorter.noun} {'are' if shorter.plural else 'is'} heard",
        f"we hear {shorter.noun} together with {longer.noun}",
    )


def _say_sequence(first: _Words, second: _Words, pick: Pick) -> str:
    return pick(
        f"first {first.clause}, then {second.clause}",
        f"{first.noun} {'are' if first.plural else 'is'} followed by {second.noun}",
        f"{first.clause}, and then {second.clause}",
        f"after {first.noun}, {second.noun} {'come' if second.plural else 'comes'} in",
        f"at first {first.clause}; {second.noun} {'follow' if second.plural else 'follows'}",
        f"we hear {first.noun} first and {second.noun} after that",
        f"{second.noun} {'come' if second.plural else 'comes'} after {first.noun}",
    )


def _say_both(first: _Words, second: _Words, pick: Pick) -> str:
    return pick(
        f"both {first.noun} and {second.noun} are heard",
        f"{first.noun} and {second.noun} are heard, partly at different times",
        f"we hear {first.noun}, and also {second.noun}",
        f"there {'are' if first.plural else 'is'} {first.noun} as well as {second.noun}",
        f"partly together and partly apart, {first.noun} and {second.noun} are heard",
        f"at some points {first.clause}, at others {second.clause}",
    )


def _say_extent(values: Values, pick: Pick) -> str | None:
    timeline = read_timeline(values, "segments")
    if len(timeline.streams) != 1:
        return None
    stream = timeline.streams[0]
    words = _WORDS[stream.event_class]
    starts, ends = stream.start_ms / timeline.duration_ms, stream.end_ms / timeline.duration_ms
    verb = "" if words.plural else "s"
    if stream.duration_ms < 0.75 * (stream.end_ms - stream.start_ms):
        return None
    noun = words.noun.replace("a lasting", "the lasting") if words.noun.startswith("a ") else f"the {words.noun}"
    if starts >= 0.25 and ends >= 0.8:
        place = place_word(starts)
        return pick(
            f"{noun} begin{verb} {place}",
            f"{noun} only set{verb} in {place}",
            f"{place}, {noun} begin{verb}",
            f"it takes a while before {noun} begin{verb}",
        )
    if ends <= 0.75 and starts <= 0.2:
        place = place_word(ends)
        return pick(
            f"{noun} end{verb} {place}",
            f"{noun} stop{verb} {place}",
            f"{place}, {noun} stop{verb}",
            f"{noun} {'are' if words.plural else 'is'} over before the end",
        )
    return None


def _say_stream(values: Values, pick: Pick) -> str | None:
    timeline = read_timeline(values, "segments")
    if len(timeline.streams) != 1:
        return None
    stream = timeline.streams[0]
    words = _WORDS[stream.event_class]
    extent = " throughout" if stream.duration_ms >= 0.9 * timeline.duration_ms else ""
    verb = "are" if words.plural else "is"
    return pick(
        f"{words.noun} {verb} heard{extent}",
        f"there {verb} {words.noun}{extent}",
        f"we hear {words.noun}{extent}",
        f"{words.clause}{extent}",
        f"what is heard{extent} is {words.noun}",
    )


_READS = timeline_reads("segments")

STREAMS = Rule("scene.streams", _READS, _say_streams, frozenset({"opening"}))
STREAM = Rule("scene.stream", _READS, _say_stream, frozenset({"opening"}))
EXTENT = Rule("scene.extent", _READS, _say_extent, frozenset({"extent"}))

RULES = (STREAMS, STREAM, EXTENT)

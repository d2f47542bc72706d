"""What is one thing over a whole recording: a speaker, a piece of music, a sound that occurs again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from soundseam.annotators.grammar.events import SURE, SURE_STREAM, sure_from
from soundseam.pipeline.long.facts import RecordingFacts, SegmentFacts, Sound
from soundseam.pipeline.long.sounds import find_sounds
from soundseam.pipeline.long.stretches import evidence_of, joined, stretches_of
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import KnownSpeaker, Piece, RecurringSound
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_MIN_KNOWN_SPEECH = 0.9
"""Share of the speech with sure turns from which a recording's speakers are surely all known."""
_MIN_SPEAKER_MS = 5_000
"""Who surely speaks less in all may be a mistake of the diarization."""
_MIN_SPEECH_MS, _SPEECH_GAP_MS = 3_000, 1_000
"""Speech of this length, pauses up to the other one included, is surely speech."""
_SAME_PIECE_GAP_MS = 3_000
_MIN_PIECE_MS = 8_000
_APART_MUSIC_MS = 10_000
"""Pause from which music plays once more."""
_ALIKE, _UNLIKE = 0.95, 0.6
"""Cosine of the chords of two stretches from which they are the same piece, or below which they are not."""
_SAME_TEMPO = 0.03


def streams_of(segment: SegmentFacts, *classes: EventClass) -> tuple[TimeSpan, ...]:
    """When there is surely one of `classes` (speech, singing, music) in a segment."""
    return union_spans(
        event.span for event in segment.events if event.event_class in classes and is_sure(event, segment)
    )


def is_sure(event: Sound, segment: SegmentFacts) -> bool:
    """Whether it is surely of its class: by its score, or for speech also by a sure turn.

    Speech without one must go on for some seconds: a short cry of an animal may be called speech with a high score.
    """
    if event.event_class is EventClass.SPEECH and event.score >= SURE:
        if any(turn.span.overlap_ms(event.span) for turn in segment.turns):
            return True
        speech = [one.span for one in segment.events if one.event_class is EventClass.SPEECH and one.score >= SURE]
        going_on = any(
            one.duration_ms >= _MIN_SPEECH_MS and one.overlap_ms(event.span) for one in joined(speech, _SPEECH_GAP_MS)
        )
        return event.score >= SURE_STREAM and going_on
    return event.score >= sure_from(event.event_class)


@dataclass(frozen=True)
class Things:
    """The things of a recording, and how captions call them."""

    speakers: tuple[KnownSpeaker, ...]
    pieces: tuple[Piece, ...]
    sounds: tuple[RecurringSound, ...]
    all_speakers: bool = False
    """Whether `speakers` are surely all who speak."""
    all_music: bool = False
    """Whether the parts of `pieces` are surely all music, each one time that music plays."""

    @cached_property
    def speaker_names(self) -> Mapping[str, str]:
        return {one.speaker: one.name for one in self.speakers}

    @cached_property
    def sound_labels(self) -> frozenset[str]:
        return frozenset(one.label for one in self.sounds)

    @cached_property
    def _parts(self) -> list[tuple[TimeSpan, Piece]]:
        return sorted((part.span, piece) for piece in self.pieces for part in piece.parts)

    def piece_at(self, span: TimeSpan) -> Piece | None:
        """The piece of which `span`, a segment's, has most; None if there is none."""
        found = max(self._parts, key=lambda pair: pair[0].overlap_ms(span), default=None)
        return found[1] if found is not None and found[0].overlap_ms(span) else None


def find_things(recording: RecordingFacts, min_name_score: float) -> Things:
    segments = recording.segments
    speakers, pieces = tuple(_speakers(segments)), tuple(_pieces(segments))
    return Things(
        speakers,
        pieces,
        tuple(find_sounds(segments, min_name_score)),
        _knows_all(segments, {one.speaker for one in speakers}),
        _is_all_music(segments, pieces),
    )


def _knows_all(segments: Sequence[SegmentFacts], speakers: Collection[str]) -> bool:
    spoken = {one.segment_id: covered_ms(streams_of(one, EventClass.SPEECH)) for one in segments}
    known = [one for one in segments if one.has_turns]
    is_most = sum(spoken[one.segment_id] for one in known) >= _MIN_KNOWN_SPEECH * sum(spoken.values())
    return bool(speakers) and is_most and all(turn.speaker in speakers for one in known for turn in one.turns)


def _is_all_music(segments: Sequence[SegmentFacts], pieces: Sequence[Piece]) -> bool:
    """Whether no other event, sure or not, may be music, and the pauses are so long that all would count the same."""
    parts = sorted(part.span for piece in pieces for part in piece.parts)
    maybe = (one.span for segment in segments for one in segment.events if one.event_class in _MUSIC)
    is_apart = all(after.start_ms - before.end_ms >= _APART_MUSIC_MS for before, after in pairwise(parts))
    return bool(parts) and is_apart and all(any(span.overlap_ms(part) for part in parts) for span in maybe)


def _speakers(segments: Sequence[SegmentFacts]) -> Iterator[KnownSpeaker]:
    turns: dict[str, list[TimeSpan]] = {}
    known = [one for one in segments if one.has_turns]
    for segment in known:
        for turn in segment.turns:
            turns.setdefault(turn.speaker, []).append(turn.span)
    turns = {speaker: spans for speaker, spans in turns.items() if covered_ms(spans) >= _MIN_SPEAKER_MS}
    for index, (speaker, spans) in enumerate(sorted(turns.items(), key=lambda item: (min(item[1]), item[0])), 1):
        yield KnownSpeaker(
            speaker=speaker,
            name=f"Speaker {index}",
            speech_ms=covered_ms(spans),
            turns=stretches_of(joined(spans)),
            evidence=evidence_of(
                (one for one in known if any(turn.speaker == speaker for turn in one.turns)), ["turns"]
            ),
        )


@dataclass(frozen=True)
class _Playing:
    """Music without a longer pause, and what its segments say of it."""

    span: TimeSpan
    segments: tuple[SegmentFacts, ...]

    @cached_property
    def chords(self) -> Mapping[str, float]:
        """Chord → its length, as a vector of unit length."""
        lengths: Counter[str] = Counter()
        for segment in self.segments:
            lengths.update(dict(segment.chords))
        norm = sum(value * value for value in lengths.values()) ** 0.5
        return {name: value / norm for name, value in lengths.items() if norm}

    @cached_property
    def key(self) -> str:
        """The only key that its segments name; empty for none or several."""
        keys = {segment.key for segment in self.segments if segment.key}
        return keys.pop() if len(keys) == 1 else ""

    @cached_property
    def tempo_bpm(self) -> float:
        tempi = sorted(segment.tempo_bpm for segment in self.segments if segment.tempo_bpm)
        return tempi[len(tempi) // 2] if tempi else 0.0

    def is_same(self, other: _Playing) -> bool | None:
        """Whether the two are one piece; None if that is unsure."""
        alike = sum(value * other.chords.get(name, 0.0) for name, value in self.chords.items())
        if not (self.chords and other.chords):
            return None
        if alike >= _ALIKE and self.key == other.key and _same_tempo(self.tempo_bpm, other.tempo_bpm):
            return True
        return False if alike < _UNLIKE and self.key != other.key and self.key and other.key else None


def _same_tempo(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_TEMPO * max(one, other) if one and other else one == other


def _pieces(segments: Sequence[SegmentFacts]) -> Iterator[Piece]:
    playing = list(_playing(segments))
    groups: list[list[_Playing]] = []
    for stretch in playing:
        fitting = [group for group in groups if all(stretch.is_same(one) for one in group)]
        if len(fitting) == 1:
            fitting[0].append(stretch)
        else:
            groups.append([stretch])
    for index, group in enumerate(groups):
        others = [one for other in groups if other is not group for one in other]
        spans = [one.span for one in group]
        yield Piece(
            name=f"Piece {_letters(index)}",
            music_ms=covered_ms(spans),
            parts=stretches_of(spans),
            distinct=all(mine.is_same(one) is False for mine in group for one in others),
            evidence=evidence_of((one for mine in group for one in mine.segments), _MUSIC_FACTS),
        )


_MUSIC = (EventClass.MUSIC, EventClass.SINGING)
_MUSIC_FACTS = ("events", "key", "tempo_bpm", "chords")


def _letters(index: int) -> str:
    """A to Z, then AA, AB and so on."""
    head = _letters(index // 26 - 1) if index >= 26 else ""
    return head + chr(ord("A") + index % 26)


def _playing(segments: Sequence[SegmentFacts]) -> Iterator[_Playing]:
    music = {one.segment_id: streams_of(one, *_MUSIC) for one in segments}
    spans = joined((span for found in music.values() for span in found), _SAME_PIECE_GAP_MS)
    at = 0
    for span in (span for span in spans if span.duration_ms >= _MIN_PIECE_MS):
        while segments[at].span.end_ms <= span.start_ms:
            at += 1
        stop = at
        while stop < len(segments) and segments[stop].span.start_ms < span.end_ms:
            stop += 1
        yield _Playing(span, tuple(one for one in segments[at:stop] if music[one.segment_id]))

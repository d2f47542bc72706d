"""What a text of a recording's caption is about, with its sums; and the words for lengths, times and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from soundseam.annotators.grammar.events import SURE
from soundseam.pipeline.long.facts import SegmentFacts, Sound
from soundseam.pipeline.long.stretches import STREAMS
from soundseam.pipeline.long.things import Things, streams_of
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import Piece
from soundseam.schemas.timespan import TimeSpan, covered_ms

NOTABLE_MS = 1_000
"""One speaker's speech or one stretch of music under this is left out of a title or a sentence."""
SURE_IN_ALL_MS = 3_000
"""Speech or music under this in all may be something else."""


@dataclass(frozen=True)
class Scope:
    """What a text is about: some consecutive segments, and one thing or none."""

    segments: tuple[SegmentFacts, ...]
    things: Things
    subject: str | None = None
    duration_ms: int = 0
    """Of the whole recording."""

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(self.segments[0].span.start_ms, self.segments[-1].span.end_ms)

    def stream_ms(self, *classes: EventClass) -> int:
        return sum(covered_ms(streams_of(one, *classes)) for one in self.segments)

    @property
    def speech_ms(self) -> int:
        """0 if it is so little that it may be none."""
        return _unless_little(self.stream_ms(EventClass.SPEECH))

    @property
    def music_ms(self) -> int:
        """0 if it is so little that it may be none."""
        return _unless_little(self.stream_ms(EventClass.MUSIC, EventClass.SINGING))

    @property
    def sounds(self) -> list[Sound]:
        """All that is neither speech nor music and surely of its class."""
        return [
            event
            for one in self.segments
            for event in one.events
            if event.event_class not in STREAMS and event.score >= SURE
        ]

    def spoken_ms(self) -> dict[str, int]:
        """Name of a speaker → speech in the scope, in order of first turn; empty if speakers are not surely known."""
        found: Counter[str] = Counter()
        for one in self.segments:
            for turn in one.turns:
                if name := self.things.speaker_names.get(turn.speaker):
                    found[name] += turn.span.duration_ms
        return dict(found)

    @property
    def sure_share(self) -> float:
        """Share of the speech in segments of which it is surely known who speaks."""
        known = sum(covered_ms(streams_of(one, EventClass.SPEECH)) for one in self.segments if one.has_turns)
        return known / max(self.speech_ms, 1)

    def pieces(self) -> list[Piece]:
        """The pieces that surely play in it and may be called by name, in order."""
        spans = (span for one in self.segments for span in streams_of(one, EventClass.MUSIC, EventClass.SINGING))
        found = (self.things.piece_at(span) for span in spans if span.duration_ms >= NOTABLE_MS)
        return [piece for piece in dict.fromkeys(found) if piece is not None and len(piece.parts) > 1]


def _unless_little(ms: int) -> int:
    return ms if ms >= SURE_IN_ALL_MS else 0


def duration_words(ms: int) -> str:
    """As in about 40 seconds, about 2 minutes and 5 seconds, about an hour and 10 minutes."""
    seconds = max(1, round(ms / 1000))
    if seconds < 60:
        return f"about {_counted(seconds, 'second')}"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"about {_counted(minutes, 'minute')}" + (f" and {_counted(rest, 'second')}" if rest else "")
    hours, rest = divmod(round(seconds / 60), 60)
    return f"about {_counted(hours, 'hour')}" + (f" and {_counted(rest, 'minute')}" if rest else "")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def times_word(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")

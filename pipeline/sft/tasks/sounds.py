"""Questions about the sounds of a segment: which, how often, how long, when, in which order, and what at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import TimedText, exact, labels, number, spans, wer
from soundseam.pipeline.sft.ask import (
    FAINT_DB,
    QuestionDraft,
    SegmentTask,
    Wording,
    grade,
    near_counts,
    timed_turn,
)
from soundseam.pipeline.sft.material import Material, Sighting
from soundseam.pipeline.sft.transcripts import cite_transcript, grade_transcript, timed_texts, usable_transcript
from soundseam.pipeline.sft.words import Words, seconds
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan, covered_ms

MIN_SCORE = 0.6
"""Minimum score of an event in an answer."""
LASTING = frozenset({EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC})
"""Continuous classes, which are not counted."""
_GRID_MS = 500
"""Asked times lie on a grid, as a listener's would."""

Sound = tuple[EventClass, str]
"""(class, label)"""
Sounds = dict[Sound, tuple[Sighting, ...]]
"""Each sound with its events in order of onset."""


def are_sure(sightings: Iterable[Sighting], min_score: float) -> bool:
    """Whether none of them is in doubt or without a name, so that a list of them is complete."""
    return all(sighting.event.score >= min_score and _is_nameable(sighting) for sighting in sightings)


def sure_sounds(material: Material, min_score: float) -> Sounds:
    """The sounds with a name and without doubtful events, in order of first onset."""
    found: Sounds = {}
    for sighting in material.sightings:
        name = (sighting.event.event_class, sighting.event.label)
        found[name] = (*found.get(name, ()), sighting)
    return {name: group for name, group in found.items() if are_sure(group, min_score)}


def _is_nameable(sighting: Sighting) -> bool:
    """Whether the sound's name distinguishes it from others."""
    return sighting.event.event_class is not EventClass.SOURCE_AMBIGUOUS and bool(sighting.event.label)


def is_crowded(sightings: Sequence[Sighting]) -> bool:
    """Whether any two of them overlap."""
    return any(one.span.overlap_ms(other.span) for one, other in combinations(sightings, 2))


def is_faint(sightings: Sequence[Sighting]) -> bool:
    return any(sighting.salience_db is not None and sighting.salience_db < FAINT_DB for sighting in sightings)


def evidence_of(sightings: Iterable[Sighting]) -> tuple[Evidence, ...]:
    return tuple(one for sighting in sightings for one in sighting.evidence)


def sound_words(sighting: Sighting, words: Words) -> str:
    """The name of the event."""
    return words.sound(sighting.event.event_class, sighting.event.label)


def timed_sounds(material: Material, sightings: Iterable[Sighting], words: Words) -> tuple[TimedText, ...]:
    """Events as entries of timed text."""
    return tuple(
        material.timed(sighting.span.start_ms, sighting.span.end_ms, sound_words(sighting, words))
        for sighting in sightings
    )


class SoundTask(SegmentTask):
    """A task about one sound at a time, without doubtful events."""

    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event of the sound"
    )

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        for sound, group in sure_sounds(material, self.min_score).items():
            yield from self.asks_about(material, sound, group)

    @abstractmethod
    def asks_about(self, material: Material, sound: Sound, group: Sequence[Sighting]) -> Iterator[QuestionDraft]:
        """The questions about `sound`, whose events are `group`."""


class CountingTask(SoundTask):
    """Eligible: a nameable sound of separate events, none doubtful, with clear gaps between them."""

    task: Literal["counting"] = "counting"
    min_gap_ms: int = Field(
        alias="least_gap_ms", default=500, ge=0, description="minimum gap between two counted events"
    )
    max_times: int = Field(alias="most_times", default=8, ge=1, description="listeners do not count further")

    def asks_about(self, material: Material, sound: Sound, group: Sequence[Sighting]) -> Iterator[QuestionDraft]:
        if sound[0] not in LASTING and self._can_count(group):
            many, crowded = len(group) > 3, is_crowded(material.sightings)
            difficulty = grade(1 + many, crowded=crowded, faint=is_faint(group))
            turn = partial(_counting_turn, sound, len(group))
            yield QuestionDraft("count", evidence_of(group), difficulty, turn, topic=sound[1])

    def _can_count(self, group: Sequence[Sighting]) -> bool:
        gaps = (later.span.start_ms - earlier.span.end_ms for earlier, later in pairwise(group))
        return len(group) <= self.max_times and all(gap >= self.min_gap_ms for gap in gaps)


def _counting_turn(sound: Sound, count: int, words: Words) -> Wording:
    name = words.sound(*sound)
    return Wording(
        words.say("question", sound=name),
        words.say("answer", sound=name, count=str(count)),
        number(count, 0, None),
        rivals=near_counts(count),
    )


class DurationTask(SoundTask):
    """Eligible: a nameable sound without doubtful events, long enough to be estimated."""

    task: Literal["duration"] = "duration"
    min_ms: int = Field(alias="least_ms", default=500, ge=1, description="shorter is not worth asking")
    tolerance_share: float = Field(default=0.1, ge=0.0, description="of the duration, but at least 0.3 s")

    def asks_about(self, material: Material, sound: Sound, group: Sequence[Sighting]) -> Iterator[QuestionDraft]:
        total_ms = covered_ms(one.span for one in group)
        if total_ms >= self.min_ms:
            difficulty = grade(min(len(group), 2), crowded=is_crowded(material.sightings), faint=is_faint(group))
            turn = partial(_duration_turn, sound, total_ms, self.tolerance_share)
            yield QuestionDraft("total", evidence_of(group), difficulty, turn, topic=sound[1])


def _duration_turn(sound: Sound, total_ms: int, tolerance_share: float, words: Words) -> Wording:
    name, value = words.sound(*sound), round(total_ms / 1000, 1)
    return Wording(
        words.say("question", sound=name),
        words.say("answer", sound=name, seconds=seconds(total_ms)),
        number(value, max(0.3, tolerance_share * value), "s", decimals=1),
    )


class EventWhenTask(SoundTask):
    """Eligible: a nameable sound that occurs a few times, none doubtful, and does not fill the audio."""

    task: Literal["event_when"] = "event_when"
    max_times: int = Field(alias="most_times", default=4, ge=1, description="maximum number of events of the sound")
    max_share: float = Field(
        alias="most_share", default=0.9, ge=0.0, le=1.0, description="maximum share of the audio that the sound fills"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="allowed difference of an edge from the reference")

    def asks_about(self, material: Material, sound: Sound, group: Sequence[Sighting]) -> Iterator[QuestionDraft]:
        filled = covered_ms(one.span for one in group) / max(material.duration_ms, 1)
        if len(group) <= self.max_times and filled <= self.max_share:
            difficulty = grade(len(group), crowded=is_crowded(material.sightings), faint=is_faint(group))
            turn = partial(_event_when_turn, material, group, self.tolerance_ms)
            kind = "once" if len(group) == 1 else "several"
            yield QuestionDraft(kind, evidence_of(group), difficulty, turn, topic=sound[1])


def _event_when_turn(material: Material, group: Sequence[Sighting], tolerance_ms: int, words: Words) -> Wording:
    entries = timed_sounds(material, group, words)
    first, name = entries[0], entries[0].text
    answer = text = words.timed(entries)
    if len(entries) == 1:
        start, end = seconds(first.segment_start_ms), seconds(first.segment_end_ms)
        answer = words.say("answer", sound=name, start=start, end=end)
    return Wording(words.say("question", sound=name), answer, spans(entries, text, tolerance_ms))


class EventListTask(SegmentTask):
    """Eligible: a segment without doubtful or unnamed events, since a list must be complete."""

    task: Literal["event_list"] = "event_list"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_score: float = Field(alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event")
    max_events: int = Field(
        alias="most_events", default=20, ge=1, description="a longer list is too much for a listener"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        found = material.sightings
        if 1 <= len(found) <= self.max_events and are_sure(found, self.min_score):
            difficulty = grade(crowded=is_crowded(found), faint=is_faint(found), timed=len(found) > 2)
            turn = partial(_event_list_turn, material, found, self.tolerance_ms)
            yield QuestionDraft("list", evidence_of(found), difficulty, turn)


def _event_list_turn(material: Material, found: Sequence[Sighting], tolerance_ms: int, words: Words) -> Wording:
    return timed_turn("sound", timed_sounds(material, found, words), tolerance_ms, words)


class OrderTask(SegmentTask):
    """Eligible: two nameable sounds with clearly different first onsets."""

    task: Literal["order"] = "order"
    min_score: float = Field(
        alias="least_score",
        default=MIN_SCORE,
        ge=0.0,
        le=1.0,
        description="minimum score of every event of both sounds",
    )
    min_apart_ms: int = Field(
        alias="least_apart_ms", default=500, ge=0, description="minimum time between the two onsets"
    )

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        firsts = (group[0] for group in sure_sounds(material, self.min_score).values())
        for pair in combinations(firsts, 2):
            if pair[1].span.start_ms - pair[0].span.start_ms >= self.min_apart_ms:
                difficulty = grade(crowded=is_crowded(pair), faint=is_faint(pair))
                names = "/".join(sorted(one.event.label for one in pair))
                yield QuestionDraft("first", evidence_of(pair), difficulty, partial(_order_turn, *pair), topic=names)


def _order_turn(first: Sighting, second: Sighting, words: Words) -> Wording:
    names = [sound_words(one, words) for one in (first, second)]
    # In order of name, so that the question does not reveal the answer.
    one, other = sorted(names)
    return Wording(
        words.say("question", one=one, other=other),
        words.say("answer", first=names[0], second=names[1]),
        exact(names[0], offered=names),
        rivals=(names[1],),
    )


class TimeQaTask(SegmentTask):
    """Eligible: a segment with several sounds, none doubtful; or a usable transcript with word times."""

    task: Literal["time_qa"] = "time_qa"
    min_score: float = Field(alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event")
    clear_ms: int = Field(
        default=250,
        ge=0,
        description="an event that overlaps the edge of the requested time by less makes the question unfair",
    )

    needs: ClassVar[tuple[str, ...]] = (
        "segments:events",
        "or annotations/speech:transcript.words (usable for training)",
    )

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        yield from self._between(material)
        yield from self._said(material)

    def _between(self, material: Material) -> Iterator[QuestionDraft]:
        """Questions about the sounds between two times."""
        names = {sighting.event.label for sighting in material.sightings}
        if len(names) < 2 or not are_sure(material.sightings, self.min_score):
            return
        for window in dict.fromkeys(_window(material, sighting) for sighting in material.sightings):
            inside = self._sounds_in(material, window)
            if inside and len({one.event.label for one in inside}) < len(names):
                difficulty = grade(crowded=is_crowded(inside), faint=is_faint(inside), timed=True)
                turn, fact = partial(_between_turn, window, inside), f"{window.start_ms}-{window.end_ms}"
                yield QuestionDraft("between", evidence_of(inside), difficulty, turn, fact=fact)

    def _sounds_in(self, material: Material, window: TimeSpan) -> tuple[Sighting, ...]:
        """The sounds in `window` (in the clip's time); empty if that is ambiguous."""
        inside = []
        for sighting in material.sightings:
            overlap = sighting.span.shift(-material.segment.start_ms).overlap_ms(window)
            if 0 < overlap < min(self.clear_ms, sighting.span.duration_ms):
                return ()
            if overlap:
                inside.append(sighting)
        return tuple(inside)

    def _said(self, material: Material) -> Iterator[QuestionDraft]:
        """Questions about the sentence at one time."""
        said = usable_transcript(material)
        if said is None:
            return
        spoken = timed_texts(material, said.sentences)
        for sentence in spoken if len(spoken) > 1 else ():
            middle = (sentence.segment_start_ms + sentence.segment_end_ms) // 2
            evidence = cite_transcript(material, said, timed=True)
            difficulty = grade_transcript(material, said, timed=True)
            yield QuestionDraft("said", evidence, difficulty, partial(_said_turn, sentence, middle), fact=f"{middle}")


def _window(material: Material, sighting: Sighting) -> TimeSpan:
    start, end = (material.in_clip(ms) for ms in sighting.span)
    return TimeSpan(max(0, start // _GRID_MS * _GRID_MS), min(material.duration_ms, -(-end // _GRID_MS) * _GRID_MS))


def _between_turn(window: TimeSpan, inside: tuple[Sighting, ...], words: Words) -> Wording:
    names = list(dict.fromkeys(sound_words(one, words) for one in inside))
    return Wording(
        words.say("question", start=seconds(window.start_ms), end=seconds(window.end_ms)),
        words.say("answer", sounds=words.listing(names)),
        labels(names),
    )


def _said_turn(sentence: TimedText, middle_ms: int, words: Words) -> Wording:
    return Wording(words.say("question", time=seconds(middle_ms)), sentence.text, wer(sentence.text))

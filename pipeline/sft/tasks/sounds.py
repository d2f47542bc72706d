"""Which of two sounds comes first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import TimedText, exact, number, spans
from soundseam.pipeline.sft.ask import FAINT_DB, QuestionDraft, SegmentTask, Wording, grade
from soundseam.pipeline.sft.material import Material, Sighting
from soundseam.pipeline.sft.words import Words, seconds
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import covered_ms

MIN_SCORE = 0.6
"""Of an event that an answer may name."""
LASTING = frozenset({EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC})
"""Classes that go on rather than happen: nobody counts them."""

Sounds = dict[tuple[EventClass, str], tuple[Sighting, ...]]
"""(class, label) → its events in order of onset."""


def all_sure(material: Material, min_score: float) -> bool:
    """Whether a list of the segment's events can be complete: it has some, and none is in doubt."""
    return bool(material.sightings) and all(one.event.score >= min_score for one in material.sightings)


def sure_sounds(material: Material, min_score: float) -> Sounds:
    """The sounds of which no event is in doubt, in order of first onset."""
    found: Sounds = {}
    for one in material.sightings:
        name = (one.event.event_class, one.event.label)
        found[name] = (*found.get(name, ()), one)
    return {name: group for name, group in found.items() if all(one.event.score >= min_score for one in group)}


def is_crowded(sightings: Sequence[Sighting]) -> bool:
    """Whether any two of them overlap."""
    return any(one.span.overlap_ms(other.span) for one, other in combinations(sightings, 2))


def is_faint(sightings: Sequence[Sighting]) -> bool:
    return any(one.salience_db is not None and one.salience_db < FAINT_DB for one in sightings)


def is_nameable(event_class: EventClass, label: str) -> bool:
    """Whether a sound can be told from others by its name."""
    return event_class is not EventClass.SOURCE_AMBIGUOUS and bool(label)


class CountingTask(SegmentTask):
    """Eligible: a nameable sound that happens rather than goes on, none in doubt, with clear gaps between."""

    task: Literal["counting"] = "counting"
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event of the sound"
    )
    min_gap_ms: int = Field(alias="least_gap_ms", default=500, ge=0, description="between two that count as two")
    max_times: int = Field(alias="most_times", default=8, ge=1, description="nobody counts further by ear")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        for (event_class, label), group in sure_sounds(material, self.min_score).items():
            if is_nameable(event_class, label) and event_class not in LASTING and self._can_count(group):
                yield QuestionDraft(
                    kind="count",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(
                        1 + (len(group) > 3), crowded=is_crowded(material.sightings), faint=is_faint(group)
                    ),
                    turn=partial(_counting_turn, event_class, label, len(group)),
                )

    def _can_count(self, group: Sequence[Sighting]) -> bool:
        gaps = (later.span.start_ms - earlier.span.end_ms for earlier, later in pairwise(group))
        return len(group) <= self.max_times and all(gap >= self.min_gap_ms for gap in gaps)


def _counting_turn(event_class: EventClass, label: str, count: int, words: Words) -> Wording:
    sound = words.sound(event_class, label)
    rivals = tuple(str(other) for other in (count + 1, count - 1, count + 2, count + 3) if other > 0)
    return Wording(
        words.say("question", sound=sound),
        words.say("answer", sound=sound, count=str(count)),
        number(count, 0, None),
        rivals=rivals,
    )


class DurationTask(SegmentTask):
    """Eligible: a nameable sound, none of its events in doubt, long enough to be estimated."""

    task: Literal["duration"] = "duration"
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event of the sound"
    )
    min_ms: int = Field(alias="least_ms", default=500, ge=1, description="shorter is not worth asking")
    tolerance_share: float = Field(default=0.1, ge=0.0, description="of the duration, but 0.3 s at least")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        for (event_class, label), group in sure_sounds(material, self.min_score).items():
            total_ms = covered_ms(one.span for one in group)
            if is_nameable(event_class, label) and total_ms >= self.min_ms:
                yield QuestionDraft(
                    kind="total",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(min(len(group), 2), crowded=is_crowded(material.sightings), faint=is_faint(group)),
                    turn=partial(_duration_turn, event_class, label, total_ms, self.tolerance_share),
                )


def _duration_turn(event_class: EventClass, label: str, total_ms: int, tolerance_share: float, words: Words) -> Wording:
    sound = words.sound(event_class, label)
    value = round(total_ms / 1000, 1)
    return Wording(
        words.say("question", sound=sound),
        words.say("answer", sound=sound, seconds=seconds(total_ms)),
        number(value, max(0.3, tolerance_share * value), "s", decimals=1),
    )


class EventListTask(SegmentTask):
    """Eligible: a segment none of whose events is in doubt or without a name, since a list must be complete."""

    task: Literal["event_list"] = "event_list"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_score: float = Field(alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event")
    max_events: int = Field(
        alias="most_events", default=20, ge=1, description="a longer list is no question for a listener"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        found = material.sightings
        named = all(is_nameable(one.event.event_class, one.event.label) for one in found)
        if named and all_sure(material, self.min_score) and len(found) <= self.max_events:
            yield QuestionDraft(
                kind="list",
                topic="",
                fact="",
                materials=(material,),
                evidence=tuple(one for sighting in found for one in sighting.evidence),
                difficulty=grade(crowded=is_crowded(found), faint=is_faint(found), timed=len(found) > 2),
                turn=partial(_event_list_turn, material, found, self.tolerance_ms),
            )


def _event_list_turn(material: Material, found: tuple[Sighting, ...], tolerance_ms: int, words: Words) -> Wording:
    entries = tuple(timed(material, sighting, words) for sighting in found)
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="sound"))
    return Wording(question, text, spans(entries, text, tolerance_ms))


def timed(material: Material, sighting: Sighting, words: Words) -> TimedText:
    """An event as an entry of timed text."""
    return TimedText(
        segment_start_ms=material.in_clip(sighting.span.start_ms),
        segment_end_ms=material.in_clip(sighting.span.end_ms),
        text=words.sound(sighting.event.event_class, sighting.event.label),
    )


class EventWhenTask(SegmentTask):
    """Eligible: a nameable sound, heard a few times, none in doubt, that does not fill the audio."""

    task: Literal["event_when"] = "event_when"
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event of the sound"
    )
    max_times: int = Field(alias="most_times", default=4, ge=1, description="how often the sound may be heard")
    max_share: float = Field(
        alias="most_share", default=0.9, ge=0.0, le=1.0, description="of the audio that the sound may fill"
    )
    tolerance_ms: int = Field(default=300, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        for (event_class, label), group in sure_sounds(material, self.min_score).items():
            filled = covered_ms(one.span for one in group) / max(material.duration_ms, 1)
            if is_nameable(event_class, label) and len(group) <= self.max_times and filled <= self.max_share:
                yield QuestionDraft(
                    kind="once" if len(group) == 1 else "several",
                    topic=label,
                    fact=label,
                    materials=(material,),
                    evidence=tuple(one for sighting in group for one in sighting.evidence),
                    difficulty=grade(len(group), crowded=is_crowded(material.sightings), faint=is_faint(group)),
                    turn=partial(_event_when_turn, material, group, self.tolerance_ms),
                )


def _event_when_turn(material: Material, group: Sequence[Sighting], tolerance_ms: int, words: Words) -> Wording:
    entries = [timed(material, sighting, words) for sighting in group]
    first, name = entries[0], entries[0].text
    text = words.timed(entries)
    if len(entries) == 1:
        start, end = seconds(first.segment_start_ms), seconds(first.segment_end_ms)
        answer = words.say("answer", sound=name, start=start, end=end)
    else:
        answer = text
    return Wording(words.say("question", sound=name), answer, spans(entries, text, tolerance_ms))


class OrderTask(SegmentTask):
    """Eligible: two nameable sounds whose first onsets lie clearly apart."""

    task: Literal["order"] = "order"
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event of both sounds"
    )
    min_apart_ms: int = Field(alias="least_apart_ms", default=500, ge=0, description="between the two onsets")

    needs: ClassVar[tuple[str, ...]] = ("segments:events",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        sounds = sure_sounds(material, self.min_score)
        firsts = [group[0] for name, group in sounds.items() if is_nameable(*name)]
        for first, second in combinations(firsts, 2):
            if second.span.start_ms - first.span.start_ms >= self.min_apart_ms:
                pair = (first, second)
                names = sorted(one.event.label for one in pair)
                yield QuestionDraft(
                    kind="first",
                    topic="/".join(names),
                    fact="/".join(names),
                    materials=(material,),
                    evidence=(*first.evidence, *second.evidence),
                    difficulty=grade(crowded=is_crowded(pair), faint=is_faint(pair)),
                    turn=partial(_order_turn, first, second),
                )


def _order_turn(first: Sighting, second: Sighting, words: Words) -> Wording:
    names = [words.sound(one.event.event_class, one.event.label) for one in (first, second)]
    # In order of name, so that the question does not give the answer away.
    one, other = sorted(names)
    return Wording(
        words.say("question", one=one, other=other),
        words.say("answer", first=names[0], second=names[1]),
        exact(names[0], offered=names),
        rivals=(names[1],),
    )

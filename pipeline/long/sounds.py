"""The sounds of a recording that are called by name, each with all its occurrences, and which counts are exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import median

from soundseam.annotators.grammar.events import SURE, sure_from
from soundseam.annotators.grammar.sound_names import broader_labels, sound_names
from soundseam.pipeline.long.facts import SegmentFacts, Sound
from soundseam.pipeline.long.stretches import STREAMS, evidence_of, joined, stretches_of
from soundseam.schemas.long import RecurringSound
from soundseam.schemas.timespan import covered_ms

_SURE_OF_ONE = 0.9
"""Score of a name that occurs only once."""
APART_MS = 1_000
"""Occurrences of a sound with less between them are one."""
_SAME_BRIGHTNESS, _SAME_TONALITY = 1.15, 0.15
"""Largest ratio and difference within occurrences of which none is another sound by mistake."""
_OTHER_BRIGHTNESS, _OTHER_TONALITY = 1.3, 0.25
"""An event beyond both, from the median of a sound's occurrences, is another sound."""
_LONGER = 1.5
"""An occurrence longer than the median by more than this may be two."""


def find_sounds(segments: Sequence[SegmentFacts], min_name_score: float) -> Iterator[RecurringSound]:
    """In order of first occurrence. Speech and music are no sounds."""
    found: defaultdict[str, list[Sound]] = defaultdict(list)
    having: defaultdict[str, list[SegmentFacts]] = defaultdict(list)
    others: list[Sound] = []
    for segment in segments:
        for event in segment.events:
            if event.event_class in STREAMS or not is_named(event):
                others.append(event)
                continue
            found[event.label].append(event)
            if not having[event.label] or having[event.label][-1] is not segment:
                having[event.label].append(segment)
    for label, events in sorted(found.items(), key=lambda item: (min(one.span for one in item[1]), item[0])):
        if sum(one.score for one in events) / len(events) < (min_name_score if len(events) > 1 else _SURE_OF_ONE):
            continue
        rest = [*others, *chain.from_iterable(more for other, more in found.items() if other != label)]
        yield RecurringSound(
            label=label,
            event_class=events[0].event_class,
            name=sound_names()[label].doing,
            sound_ms=covered_ms(one.span for one in events),
            occurrences=stretches_of(joined((one.span for one in events), APART_MS)),
            countable=_is_countable(events, rest),
            evidence=evidence_of(having[label], ["events"]),
        )


def is_named(event: Sound) -> bool:
    """Whether its label says what it is, more than that something sounds."""
    return event.label in sound_names() and sound_names()[event.label].noun != "something"


def _is_countable(events: Sequence[Sound], rest: Sequence[Sound]) -> bool:
    """Whether `events`, all with one name, are surely all with this name; `rest` are the recording's other events.

    They are if nothing else is without a name. If they were measured, they also are if they are alike, none may be two
    in one, the name is no broad one, and whatever else there is sounds clearly different.
    """
    label = events[0].label
    sounds = [one for one in rest if one.event_class not in STREAMS]
    if any(is_named(one) and _may_be_same(label, one.label) for one in sounds):
        return False
    if any(one.brightness_hz is None for one in events):
        return all(map(is_named, sounds))
    # Speech and music that are unsure may be this sound, too.
    unsure = [one for one in rest if one.event_class in STREAMS and one.score < sure_from(one.event_class)]
    return (
        sound_names()[label].broader is not None
        and _are_alike(events)
        and not any(_may_be_like(one, events) for one in (*sounds, *unsure))
    )


def _may_be_same(label: str, other: str) -> bool:
    return other in broader_labels(label) or label in broader_labels(other)


def _are_alike(events: Sequence[Sound]) -> bool:
    brightness = [one.brightness_hz or 0.0 for one in events]
    tonality = [one.tonal_share or 0.0 for one in events]
    lengths = [one.span.duration_ms for one in events]
    return (
        max(brightness) <= _SAME_BRIGHTNESS * min(brightness)
        and max(tonality) - min(tonality) <= _SAME_TONALITY
        and max(lengths) <= _LONGER * median(lengths)
    )


def _may_be_like(other: Sound, events: Sequence[Sound]) -> bool:
    if not other.brightness_hz:
        return other.score >= SURE
    brightness = median(one.brightness_hz or 0.0 for one in events)
    tonality = median(one.tonal_share or 0.0 for one in events)
    ratio = max(other.brightness_hz, brightness) / max(min(other.brightness_hz, brightness), 1.0)
    return ratio <= _OTHER_BRIGHTNESS and abs((other.tonal_share or 0.0) - tonality) <= _OTHER_TONALITY

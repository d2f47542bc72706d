"""Chapters of a recording: the optimum over all ways of dividing its segments, by what is in them."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundseam.pipeline.long.config import ChapterConfig
from soundseam.pipeline.long.facts import SegmentFacts
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan, covered_ms

Array = NDArray[np.float64]
MAX_FEATURES = 96
"""The features with most time are compared; a recording with more speakers and sounds has a long tail of short ones."""
_TOPIC_DIMENSIONS = 32
_GAP_MS, _GAP_DISCOUNT = 10_000, 0.5
"""After a gap of this length a new chapter costs half as much."""
_WORD = re.compile(r"[^\W\d_]{5,}")


def find_chapters(
    segments: Sequence[SegmentFacts], piece_of: Sequence[str], config: ChapterConfig
) -> list[tuple[int, int]]:
    """(first, stop) of each chapter as indices into `segments`, in order, covering all of them.

    `piece_of` is the piece that each segment is surely a part of, or empty. The sum over chapters of how much their
    segments differ from their mean, plus the cost of each chapter, is as low as it can be, by dynamic programming: each
    segment is compared with the starts of chapters at most `max_ms` before its end, so time grows with the length.
    """
    if not segments:
        return []
    features = _features(segments, piece_of, config)
    lengths = np.array([max(one.span.duration_ms, 1) / 1000 for one in segments])
    return _optimum(features, lengths, [one.span for one in segments], config)


def _optimum(
    features: Array, lengths: Array, spans: Sequence[TimeSpan], config: ChapterConfig
) -> list[tuple[int, int]]:
    count = len(spans)
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features * lengths[:, None], axis=0)])
    squares = np.concatenate([[0.0], np.cumsum(np.square(features).sum(axis=1) * lengths)])
    time = np.concatenate([[0.0], np.cumsum(lengths)])
    costs = _start_costs(spans, config.change_cost)
    best, came_from = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    first = 0
    for stop in range(1, count + 1):
        while first < stop - 1 and spans[stop - 1].end_ms - spans[first].start_ms > config.max_ms:
            first += 1
        mean = sums[stop] - sums[first:stop]
        scatter = squares[stop] - squares[first:stop] - np.square(mean).sum(axis=1) / (time[stop] - time[first:stop])
        totals = best[first:stop] + costs[first:stop] + scatter
        chosen = int(np.argmin(totals))
        best[stop], came_from[stop] = totals[chosen], first + chosen
    edges = [count]
    while edges[-1] > 0:
        edges.append(int(came_from[edges[-1]]))
    edges.reverse()
    return list(pairwise(edges))


def _start_costs(spans: Sequence[TimeSpan], cost: float) -> Array:
    """What it costs to begin a chapter at each segment: less after a gap."""
    gaps = [0, *(max(0, after.start_ms - before.end_ms) for before, after in pairwise(spans))]
    return cost * (1 - _GAP_DISCOUNT * np.minimum(np.array(gaps) / _GAP_MS, 1.0))


def _features(segments: Sequence[SegmentFacts], piece_of: Sequence[str], config: ChapterConfig) -> Array:
    """(num_segments, num_features): two segments that have nothing in common are about 1 apart, squared, by class."""
    rows = [dict(_named(one, piece, config)) for one, piece in zip(segments, piece_of, strict=True)]
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update(row)
    names = {
        name: index for index, (name, _) in enumerate(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
    }
    features = np.zeros((len(rows), min(len(names), MAX_FEATURES)))
    for index, row in enumerate(rows):
        for name, value in row.items():
            if names[name] < MAX_FEATURES:
                features[index, names[name]] = value
    return features


def _named(segment: SegmentFacts, piece: str, config: ChapterConfig) -> Iterator[tuple[str, float]]:
    length = max(segment.span.duration_ms, 1)
    classes = {event.event_class for event in segment.events}
    shares = {
        one: covered_ms(event.span for event in segment.events if event.event_class is one) / length for one in classes
    }
    for name, share in _grouped(shares).items():
        yield f"class {name}", share
    speaking: Counter[str] = Counter()
    for turn in segment.voices:
        speaking[turn.speaker] += turn.span.duration_ms
    for speaker, spoken_ms in speaking.items():
        yield f"speaker {speaker}", (config.speakers * spoken_ms / speaking.total()) ** 0.5 * _presence(shares)
    if piece:
        yield f"piece {piece}", config.pieces**0.5
    labels = {event.label for event in segment.events if event.event_class not in _STREAMS}
    for label in labels:
        yield f"sound {label}", (config.sounds / len(labels)) ** 0.5
    yield from _topic(segment.words, config.topics)


_STREAMS = (EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC)


def _grouped(shares: dict[EventClass, float]) -> dict[str, float]:
    """Speech, music with singing, and everything else: finer classes of sounds are told apart by their labels."""
    music = max(shares.get(EventClass.MUSIC, 0.0), shares.get(EventClass.SINGING, 0.0))
    other = max((share for name, share in shares.items() if name not in _STREAMS), default=0.0)
    return {"speech": shares.get(EventClass.SPEECH, 0.0), "music": music, "other": other}


def _presence(shares: dict[EventClass, float]) -> float:
    return min(1.0, 2 * shares.get(EventClass.SPEECH, 0.0))


def _topic(words: str, weight: float) -> Iterator[tuple[str, float]]:
    found = Counter(zlib.crc32(word.lower().encode()) % _TOPIC_DIMENSIONS for word in _WORD.findall(words))
    length = sum(count * count for count in found.values()) ** 0.5
    for place, count in found.items():
        yield f"topic {place}", weight**0.5 * count / length

"""Whole pieces: adjacent music segments are processed together, and each gets its part of the sections, and the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import soxr

from soundseam.annotators.base import DETECTION_RATE_HZ, Clip, Samples, Waveform, checked_samples
from soundseam.schemas.music import MusicFacts, Section, Tonality
from soundseam.schemas.segment import Segment
from soundseam.schemas.timespan import TimeSpan

SAME_PIECE_MS = 3_000
"""Segments with at most this gap between them belong to one piece."""


class Part(NamedTuple):
    """One section of a piece, from the piece's start."""

    start_ms: float
    end_ms: float
    label: str
    function: str | None = None


class PieceFacts(NamedTuple):
    """What is found in a piece: its parts, in order, without gaps, none or two at least; and its key."""

    parts: Sequence[Part]
    tonality: Tonality | None = None
    """None if the finder looks for no key."""


AnalysePiece = Callable[[Samples], PieceFacts]
"""Of a piece, mono at the finder's own rate."""
MIN_KEY_MS = 8_000
"""In a shorter segment the key of the piece cannot be recognised."""


class SectionAnnotator:
    """Implements RecordingAnnotator. A piece longer than `longest_ms` is processed in stretches."""

    def __init__(self, analyse: AnalysePiece, rate_hz: int, longest_ms: int) -> None:
        self._analyse = analyse
        self._rate_hz = rate_hz
        self._longest_ms = longest_ms

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        """Each clip as a piece of its own."""
        return [self._facts(clip.segment, clip.segment.start_ms, self._analyse(clip.samples)) for clip in clips]

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> Sequence[MusicFacts]:
        answers: list[MusicFacts] = []
        for piece in pieces_of(segments, self._longest_ms):
            start_ms = piece[0].start_ms
            found = self._analyse(self._read(waveform, TimeSpan(start_ms, piece[-1].end_ms)))
            answers += [self._facts(segment, start_ms, found) for segment in piece]
        return answers

    def _read(self, waveform: Waveform, span: TimeSpan) -> Samples:
        per_ms = DETECTION_RATE_HZ // 1000
        samples = waveform.read(span.start_ms * per_ms, min(span.end_ms * per_ms, waveform.num_samples))
        resampled: Samples = soxr.resample(checked_samples(samples), DETECTION_RATE_HZ, self._rate_hz)
        return resampled

    @staticmethod
    def _facts(segment: Segment, start_ms: int, found: PieceFacts) -> MusicFacts:
        tonality = found.tonality
        if tonality is not None and segment.span.duration_ms < MIN_KEY_MS:
            tonality = no_key(tonality.tuning_cents)
        return MusicFacts(sections=tuple(_sections_in(segment, start_ms, found.parts)), tonality=tonality)


def no_key(tuning_cents: float | None) -> Tonality:
    return Tonality(tonic=None, mode=None, confidence=0.0, runner_up=None, tuning_cents=tuning_cents)


def pieces_of(segments: Sequence[Segment], longest_ms: int) -> list[list[Segment]]:
    """`segments`, in order, as groups of adjacent ones, each group spanning at most about `longest_ms`."""
    pieces: list[list[Segment]] = []
    for segment in segments:
        if pieces and segment.start_ms - pieces[-1][-1].end_ms <= SAME_PIECE_MS:
            pieces[-1].append(segment)
        else:
            pieces.append([segment])
    return [stretch for piece in pieces for stretch in _stretches(piece, longest_ms)]


def _stretches(piece: Sequence[Segment], longest_ms: int) -> Iterator[list[Segment]]:
    """`piece` in the smallest number of stretches within `longest_ms`, about equally long; segments are never cut."""
    whole_ms = piece[-1].end_ms - piece[0].start_ms
    target_ms = whole_ms / -(-whole_ms // longest_ms) if whole_ms else longest_ms
    stretch: list[Segment] = []
    for segment in piece:
        if stretch and segment.end_ms - stretch[0].start_ms > target_ms * 1.05:
            yield stretch
            stretch = []
        stretch.append(segment)
    yield stretch


def _sections_in(segment: Segment, start_ms: int, parts: Sequence[Part]) -> Iterator[Section]:
    """The `parts` inside `segment`, clipped to it, in the recording's time."""
    for part in parts:
        span = TimeSpan(start_ms + round(part.start_ms), start_ms + round(part.end_ms)).intersection(segment.span)
        if span.duration_ms:
            yield Section(start_ms=span.start_ms, end_ms=span.end_ms, label=part.label, function=part.function)

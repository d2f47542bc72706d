"""Speakers' turns: joins the windows of a recording, projects turns onto segments, and assigns speakers to words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, Clip, Samples, Waveform
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Speakers, SpeechFacts, Turn, Word
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

MIN_SIMILARITY = 0.5
"""Minimum cosine similarity of two mean voice embeddings of one speaker, if no shared time decides."""
_MIN_SHARED_MS = 500


class SpeakerSpan(NamedTuple):
    """One speaker speaking, in the recording's time."""

    speaker: str
    span: TimeSpan


@dataclass(frozen=True)
class WindowTurns:
    """The result for one window of a recording. `voices` has the mean embedding of each of its speakers."""

    window: TimeSpan
    turns: tuple[SpeakerSpan, ...]
    voices: Mapping[str, NDArray[np.float32]]


def windows_over(duration_ms: int, window_ms: int, overlap_ms: int) -> tuple[TimeSpan, ...]:
    """The smallest number of windows of at most `window_ms` that cover a recording, with overlaps of `overlap_ms`."""
    if duration_ms <= window_ms:
        return (TimeSpan(0, duration_ms),)
    step_ms = window_ms - overlap_ms
    starts = range(0, duration_ms - overlap_ms, step_ms)
    return tuple(TimeSpan(start, min(start + window_ms, duration_ms)) for start in starts)


def join_windows(windows: Sequence[WindowTurns]) -> tuple[SpeakerSpan, ...]:
    """The turns of a whole recording, in order, under labels S1, S2, ... in order of appearance.

    A window's speaker is matched with a known one if both speak for at least half a second of the time that the windows
    share, else if their voices are similar; no two speakers of one window are matched with the same one. Of the shared
    time, each window provides the half on its side.
    """
    voices: dict[str, NDArray[np.float32]] = {}
    labels: set[str] = set()
    joined: list[SpeakerSpan] = []
    before: tuple[SpeakerSpan, ...] = ()
    edges = _middles(windows)
    for window, part in zip(windows, edges, strict=True):
        names = _match(window, before, voices, len(labels))
        labels |= set(names.values())
        before = tuple(SpeakerSpan(names[turn.speaker], turn.span) for turn in window.turns)
        for speaker, voice in window.voices.items():
            voices.setdefault(names[speaker], voice)
        clipped = (SpeakerSpan(turn.speaker, turn.span.intersection(part)) for turn in before)
        joined += [turn for turn in clipped if turn.span.duration_ms > 0]
    return _merged(joined)


def in_order_of_appearance(turns: Sequence[SpeakerSpan], max_gap_ms: int = 0) -> tuple[SpeakerSpan, ...]:
    """`turns` in order of time, those of a speaker at most `max_gap_ms` apart joined, under labels S1, S2, ... as they
    first speak."""
    merged = _merged(turns, max_gap_ms)
    names = {speaker: f"S{number}" for number, speaker in enumerate(dict.fromkeys(turn.speaker for turn in merged), 1)}
    return tuple(SpeakerSpan(names[turn.speaker], turn.span) for turn in merged)


def speakers_in(
    segment: Segment, turns: Sequence[SpeakerSpan], scope: Literal["recording", "segment"] = "recording"
) -> Speakers:
    """The part of `turns` inside `segment`."""
    clipped = [SpeakerSpan(turn.speaker, turn.span.intersection(segment.span)) for turn in turns]
    clipped = sorted(
        (turn for turn in clipped if turn.span.duration_ms > 0), key=lambda turn: (turn.span, turn.speaker)
    )
    spans = {turn.speaker: tuple(t.span for t in clipped if t.speaker == turn.speaker) for turn in clipped}
    return Speakers(
        turns=tuple(
            Turn(
                speaker=turn.speaker,
                start_ms=turn.span.start_ms,
                end_ms=turn.span.end_ms,
                overlapped=any(turn.speaker != other.speaker and turn.span.overlap_ms(other.span) for other in clipped),
            )
            for turn in clipped
        ),
        count=len(spans),
        overlap_ms=_overlap_ms(list(spans.values())),
        scope=scope,
    )


def alone_spans(turns: Sequence[Turn]) -> dict[str, tuple[TimeSpan, ...]]:
    """Speaker → the time in which nobody else speaks, in order; speakers who never speak alone are missing."""
    labels = dict.fromkeys(turn.speaker for turn in turns)
    spans = {label: union_spans(_span(turn) for turn in turns if turn.speaker == label) for label in labels}
    return {
        label: tuple(
            part
            for span in own
            for part in _without(span, [other for name in spans if name != label for other in spans[name]])
        )
        for label, own in spans.items()
    }


def with_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> tuple[Word, ...]:
    """`words` with the speaker whose turns cover most of each; for a tie, that of the first turn."""
    return tuple(word.model_copy(update={"speaker": _speaker_of(word, turns)}) for word in words)


def _speaker_of(word: Word, turns: Sequence[Turn]) -> str | None:
    span = TimeSpan(word.start_ms, max(word.end_ms, word.start_ms + 1))
    shared = [(span.overlap_ms(TimeSpan(turn.start_ms, turn.end_ms)), turn.speaker) for turn in turns]
    most = max((overlap for overlap, _ in shared), default=0)
    return next((speaker for overlap, speaker in shared if overlap == most), None) if most else None


def _span(turn: Turn) -> TimeSpan:
    return TimeSpan(turn.start_ms, turn.end_ms)


def _without(span: TimeSpan, others: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The parts of `span` that `others` do not cover, in order."""
    left, start_ms = [], span.start_ms
    for other in union_spans(other.intersection(span) for other in others):
        left.append(TimeSpan(start_ms, other.start_ms))
        start_ms = other.end_ms
    return [part for part in (*left, TimeSpan(start_ms, span.end_ms)) if part.duration_ms > 0]


def _middles(windows: Sequence[WindowTurns]) -> list[TimeSpan]:
    """The part of each window that is used: up to the middle of its overlaps with neighbours."""
    if not windows:
        return []
    cuts = [(first.window.end_ms + second.window.start_ms) // 2 for first, second in pairwise(windows)]
    edges = [windows[0].window.start_ms, *cuts, windows[-1].window.end_ms]
    return [TimeSpan(start, end) for start, end in pairwise(edges)]


def _match(
    window: WindowTurns, before: Sequence[SpeakerSpan], voices: Mapping[str, NDArray[np.float32]], known: int
) -> dict[str, str]:
    """The window's own label → the recording's, of which there are `known` so far, the best match first."""
    labels = list(dict.fromkeys(turn.speaker for turn in sorted(window.turns, key=lambda turn: turn.span)))
    offers = sorted(
        (
            (_likeness(label, name, window, before, voices), label, name)
            for label in labels
            for name in {*voices, *(turn.speaker for turn in before)}
        ),
        key=lambda offer: (-offer[0], offer[1], offer[2]),
    )
    names: dict[str, str] = {}
    for likeness, label, name in offers:
        if likeness > 0 and label not in names and name not in names.values():
            names[label] = name
    for label in labels:
        if label not in names:
            known += 1
            names[label] = f"S{known}"
    return names


def _likeness(
    label: str,
    name: str,
    window: WindowTurns,
    before: Sequence[SpeakerSpan],
    voices: Mapping[str, NDArray[np.float32]],
) -> float:
    """Above 1 if they share enough time, growing with it; up to 1 for similar voices; 0 for neither."""
    mine = [turn.span for turn in window.turns if turn.speaker == label]
    theirs = [turn.span for turn in before if turn.speaker == name]
    shared_ms = covered_ms([span.intersection(other) for span in mine for other in theirs])
    if shared_ms >= _MIN_SHARED_MS:
        return 1.0 + shared_ms
    if label not in window.voices or name not in voices:
        return 0.0
    first, second = window.voices[label], voices[name]
    cosine = float(first @ second / max(1e-9, float(np.linalg.norm(first) * np.linalg.norm(second))))
    return cosine if cosine >= MIN_SIMILARITY else 0.0


def _merged(turns: Sequence[SpeakerSpan], max_gap_ms: int = 0) -> tuple[SpeakerSpan, ...]:
    """`turns` in order of time, merging those of one speaker at most `max_gap_ms` apart."""
    speakers = dict.fromkeys(turn.speaker for turn in turns)
    merged = [
        SpeakerSpan(speaker, TimeSpan(span.start_ms, span.end_ms - max_gap_ms))
        for speaker in speakers
        for span in union_spans(
            TimeSpan(turn.span.start_ms, turn.span.end_ms + max_gap_ms) for turn in turns if turn.speaker == speaker
        )
    ]
    return tuple(sorted(merged, key=lambda turn: (turn.span, turn.speaker)))


def _overlap_ms(spans_of_speakers: Sequence[Sequence[TimeSpan]]) -> int:
    """Time that at least two of the groups cover."""
    shared = [
        span.intersection(other)
        for index, spans in enumerate(spans_of_speakers)
        for others in spans_of_speakers[index + 1 :]
        for span in spans
        for other in others
    ]
    return covered_ms(shared)


DiarizeWindow = Callable[[Samples, TimeSpan], WindowTurns]
"""The turns in 16 kHz mono samples (num_samples,) of a window of a recording, in the recording's time."""

_SHORTEST_MS = 100
"""Minimum length of audio for a model."""


class Windowing(Protocol):
    """The options of a diarization backend for its windows."""

    @property
    def window_s(self) -> int: ...

    @property
    def overlap_s(self) -> int: ...


class WindowedDiarizer:
    """The annotator of every diarization backend, around what diarizes one window."""

    def __init__(self, diarize: DiarizeWindow, windowing: Windowing) -> None:
        self._diarize_window = diarize
        self._windowing = windowing

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        """Each clip separately: labels are only consistent within their segment."""
        return [self._of_clip(clip) for clip in clips]

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> Sequence[SpeechFacts]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        windows = windows_over(duration_ms, 1000 * self._windowing.window_s, 1000 * self._windowing.overlap_s)
        per_ms = DETECTION_RATE_HZ // 1000
        turns = join_windows(
            [self._diarize(waveform.read(span.start_ms * per_ms, span.end_ms * per_ms), span) for span in windows]
        )
        return [SpeechFacts(speakers=speakers_in(segment, turns)) for segment in segments]

    def _of_clip(self, clip: Clip) -> SpeechFacts:
        turns = join_windows([self._diarize(clip.samples, clip.segment.span)])
        return SpeechFacts(speakers=speakers_in(clip.segment, turns, scope="segment"))

    def _diarize(self, samples: Samples, window: TimeSpan) -> WindowTurns:
        if window.duration_ms < _SHORTEST_MS:
            return WindowTurns(window, (), {})
        return self._diarize_window(samples, window)


def span_in(window: TimeSpan, start_s: float, end_s: float) -> TimeSpan:
    """A turn that a model timed from the window's start, in the recording's time, clipped to the window."""
    return TimeSpan(window.start_ms + round(1000 * start_s), window.start_ms + round(1000 * end_s)).intersection(window)

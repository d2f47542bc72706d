"""What every diarization shares: a recording in windows, their turns joined, and projected onto segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from annotators.base import Clip, Samples
from annotators.speech.turns import WindowTurns, join_windows, speakers_in, windows_over
from annotators.waveform import DETECTION_RATE_HZ, Waveform
from schemas.segment import Segment
from schemas.speech import SpeechFacts
from schemas.timespan import TimeSpan

DiarizeWindow = Callable[[Samples, TimeSpan], WindowTurns]
"""The turns in 16 kHz mono samples (num_samples,) that fill a window of a recording, in the recording's time."""

_SHORTEST_MS = 100
"""Less sound than this gives no model anything to judge."""


class Windowing(Protocol):
    """The options of a diarization backend that say how it goes over a recording."""

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
        """Each clip on its own: labels mean the same speaker within their segment only."""
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

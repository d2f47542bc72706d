"""Gaps in a stream: time between timestamps without samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from av.audio.frame import AudioFrame

MIN_GAP_S = 0.04
_ROUNDING_S = 0.01
"""Differences up to this between timestamps and samples are not gaps: milliseconds in Matroska, phones' clocks."""
_RESET_S = 1.0
"""A larger jump back means that the clock was reset."""
_MAX_GAP_S: Mapping[str, float] = {
    # As in FFmpeg's command line: the clocks of broadcasts jump, and more than 10 s is not a gap.
    "mpegts": 10.0,
    "mpeg": 10.0,
    "flac": 3600.0,
    "flv": 3600.0,
    "asf": 3600.0,
    "ogg": 6 * 3600.0,
    "matroska,webm": 24 * 3600.0,
    "mov,mp4,m4a,3gp,3g2,mj2": 24 * 3600.0,
}
"""The containers whose timestamps are trusted, and their maximum gap. Others count samples or bytes."""


@dataclass(frozen=True)
class Gap:
    """Silence in place of missing audio."""

    frames: int
    sample_rate_hz: int
    is_meant: bool = False
    """True if the encoder sent nothing because nobody spoke."""


class Timeline:
    """Compares the timestamps of one stream's frames with the samples they hold."""

    def __init__(self, container: str) -> None:
        self._max_gap_s = _MAX_GAP_S.get(container, 0.0)
        self._next_s: float | None = None
        self._owed_s = 0.0
        self.jumps = 0
        """Number of implausibly long gaps."""

    def gap_before(self, frame: AudioFrame) -> Gap | None:
        """The gap between the previous frame and this one; None if there is none."""
        if not self._max_gap_s:
            return None
        duration_s = frame.samples / frame.sample_rate
        if frame.pts is None or frame.time_base is None:
            self._next_s = None if self._next_s is None else self._next_s + duration_s
            return None
        begin_s = frame.pts * frame.time_base.numerator / frame.time_base.denominator
        off_s = 0.0 if self._next_s is None else begin_s - self._next_s
        self._next_s = begin_s + duration_s
        if abs(off_s) <= _ROUNDING_S:
            return None
        if not -_RESET_S < off_s <= self._max_gap_s:
            self.jumps += off_s > 0
            self._owed_s = 0.0
            return None
        # A late frame may be followed by an early one: only a lasting difference is a gap.
        self._owed_s += off_s
        if self._owed_s < MIN_GAP_S:
            self._owed_s = max(self._owed_s, -_RESET_S)
            return None
        gap = Gap(round(self._owed_s * frame.sample_rate), frame.sample_rate)
        self._owed_s = 0.0
        return gap

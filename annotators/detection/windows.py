"""Taggers with a fixed window on a recording of any length: windows overlap and are faded into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from pydantic import Field, model_validator

from annotators.detection.session import Floats
from annotators.waveform import DETECTION_RATE_HZ, Waveform
from schemas.record import Record

Tagger = Callable[[Floats], Floats]
"""From windows (batch, num_samples) to scores (batch, num_frames, num_labels) in [0, 1]."""


class Windowing(Record):
    """How a recording is cut up for a tagger. A frame that two windows hold is weighted by its distance to their ends.

    So a window's edge, where a tagger sees only one side, weighs nothing, and where windows meet leaves no step.
    """

    window_ms: int = Field(gt=0, description="what the tagger takes at once")
    step_ms: int = Field(gt=0, description="from one window's start to the next's; at most the window")
    hop_ms: int = Field(gt=0, description="length of a frame; divides the step and the window")
    batch: int = Field(default=8, ge=1, description="windows in one call")

    @model_validator(mode="after")
    def _frames_line_up(self) -> Windowing:
        if self.window_ms % self.hop_ms or self.step_ms % self.hop_ms or self.step_ms > self.window_ms:
            raise ValueError(
                f"windowing: hop_ms ({self.hop_ms}) must divide step_ms ({self.step_ms}) and window_ms "
                f"({self.window_ms}), and the step must not be longer than the window"
            )
        return self

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self.window_ms // self.hop_ms

    @property
    def step_frames(self) -> int:
        return self.step_ms // self.hop_ms


def stitched_scores(waveform: Waveform, tagger: Tagger, windowing: Windowing) -> Iterator[Floats]:
    """Scores (some frames, num_labels) of a whole recording, in order; all together cover every sample.

    Memory holds one batch of windows and what overlaps the next.
    """
    total = -(-waveform.num_samples * 1000 // (windowing.hop_ms * DETECTION_RATE_HZ))
    weights = _fade(windowing.frames)[:, None]
    held: Floats | None = None
    weight = np.zeros((windowing.frames, 1), dtype=np.float32)
    given = 0
    for batch in _batches(waveform, windowing):
        for scores in tagger(batch):
            if scores.shape[0] != windowing.frames:
                raise ValueError(f"the tagger gave {scores.shape[0]} frames a window, not {windowing.frames}")
            held = np.zeros_like(scores) if held is None else held
            held += weights * scores
            weight += weights
            step = min(windowing.step_frames, total - given)
            yield held[:step] / weight[:step]
            given += step
            held = np.concatenate((held[windowing.step_frames :], np.zeros_like(held[: windowing.step_frames])))
            weight = np.concatenate((weight[windowing.step_frames :], np.zeros_like(weight[: windowing.step_frames])))


def _fade(frames: int) -> Floats:
    """A triangle (frames,), nowhere 0."""
    ramp = np.minimum(np.arange(frames) + 1, frames - np.arange(frames))
    weights: Floats = (ramp / ramp.max()).astype(np.float32)
    return weights


def _batches(waveform: Waveform, windowing: Windowing) -> Iterator[Floats]:
    """All windows, a step apart, until one begins in the last step of the recording."""
    size = windowing.window_ms * DETECTION_RATE_HZ // 1000
    step = windowing.step_ms * DETECTION_RATE_HZ // 1000
    count = -(-waveform.num_samples // step)
    for first in range(0, count, windowing.batch):
        starts = [index * step for index in range(first, min(first + windowing.batch, count))]
        yield np.stack([_read(waveform, start, size) for start in starts])


def _read(waveform: Waveform, start: int, size: int) -> Floats:
    """Samples from `start`, filled up with silence behind the end."""
    window = np.zeros(size, dtype=np.float32)
    stop = min(start + size, waveform.num_samples)
    window[: stop - start] = waveform.read(start, stop)
    return window

"""From frame scores to events: hysteresis thresholds, bridged pauses, minimum length. Without loops over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soundseam.annotators.base import DETECTION_RATE_HZ, Waveform
from soundseam.annotators.onnx import Floats
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.record import Record

Tagger = Callable[[Floats], Floats]
"""From windows (batch, num_samples) to scores (batch, num_frames, num_labels) in [0, 1]."""


class Windowing(Record):
    """How a recording is divided into windows for a tagger. In overlaps, frames are weighted by their distance to the
    ends.

    So the edge of a window, where a tagger sees only one side, has no weight, and windows join without steps.
    """

    window_ms: int = Field(gt=0, description="length of the tagger's input")
    step_ms: int = Field(gt=0, description="from one window's start to the next's; at most the window")
    hop_ms: int = Field(gt=0, description="length of a frame; divides the step and the window")
    batch: int = Field(default=8, ge=1, description="windows per call")

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
    """Scores (num_frames, num_labels) of a whole recording, in blocks, in order; together they cover every sample.

    Memory holds one batch of windows and the overlap with the next.
    """
    total = -(-waveform.num_samples * 1000 // (windowing.hop_ms * DETECTION_RATE_HZ))
    weights = _fade(windowing.frames)[:, None]
    held: Floats | None = None
    weight = np.zeros((windowing.frames, 1), dtype=np.float32)
    given = 0
    for batch in _batches(waveform, windowing):
        for scores in tagger(batch):
            if scores.shape[0] != windowing.frames:
                raise ValueError(f"the tagger gave {scores.shape[0]} frames per window, not {windowing.frames}")
            held = np.zeros_like(scores) if held is None else held
            held += weights * scores
            weight += weights
            step = min(windowing.step_frames, total - given)
            yield held[:step] / weight[:step]
            given += step
            held = np.concatenate((held[windowing.step_frames :], np.zeros_like(held[: windowing.step_frames])))
            weight = np.concatenate((weight[windowing.step_frames :], np.zeros_like(weight[: windowing.step_frames])))


def _fade(frames: int) -> Floats:
    """A triangle (frames,), always above 0."""
    ramp = np.minimum(np.arange(frames) + 1, frames - np.arange(frames))
    weights: Floats = (ramp / ramp.max()).astype(np.float32)
    return weights


def _batches(waveform: Waveform, windowing: Windowing) -> Iterator[Floats]:
    """All windows, one step apart, until one begins in the last step of the recording."""
    size = windowing.window_ms * DETECTION_RATE_HZ // 1000
    step = windowing.step_ms * DETECTION_RATE_HZ // 1000
    count = -(-waveform.num_samples // step)
    for first in range(0, count, windowing.batch):
        starts = [index * step for index in range(first, min(first + windowing.batch, count))]
        yield np.stack([_read(waveform, start, size) for start in starts])


def _read(waveform: Waveform, start: int, size: int) -> Floats:
    """Samples from `start`, padded with silence after the end."""
    window = np.zeros(size, dtype=np.float32)
    stop = min(start + size, waveform.num_samples)
    window[: stop - start] = waveform.read(start, stop)
    return window


Runs = NDArray[np.int64]
"""(num_runs, 2): first frame of each run and the frame after its last."""


MASKED_SHARE = 0.6
MASKING_DB = 8.0
BESIDE_FRAMES = 94
"""3 s of 32 ms frames: the range on either side of a pause in which the level of the sound alone is measured."""


class Thresholds(Record):
    """When a class counts as active. Times are measured on frames."""

    enter: float = Field(gt=0.0, le=1.0, description="an event needs a frame with at least this score")
    stay: float = Field(gt=0.0, le=1.0, description="an event lasts as long as frames have at least this score")
    bridge_ms: int = Field(ge=0, description="a pause up to this long is part of the event")
    shortest_ms: int = Field(ge=0, description="shorter events are dropped")


def runs_of(active: NDArray[np.bool_]) -> Runs:
    """The maximal runs of true frames of `active` (num_frames,), in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)


def join_runs(runs: Runs, longest_pause: int) -> Runs:
    """`runs` with pauses of at most `longest_pause` frames filled."""
    if len(runs) == 0:
        return runs
    starts_new = np.concatenate(([True], runs[1:, 0] - runs[:-1, 1] > longest_pause))
    first = np.flatnonzero(starts_new)
    last = np.concatenate((first[1:], [len(runs)])) - 1
    return np.stack((runs[first, 0], runs[last, 1]), axis=1)


def join_masked(runs: Runs, masked: NDArray[np.bool_], level_db: NDArray[np.floating], longest_pause: int) -> Runs:
    """`runs` of a sound, joined over pauses in which a louder sound masks it.

    A pause of at most `longest_pause` frames counts as masked if `masked` (num_frames,), the frames of other sounds,
    covers MASKED_SHARE of it and its `level_db` (num_frames,) is MASKING_DB over that of the sound alone on either
    side. So music under speech continues, and music before and after speech does not.
    """
    if len(runs) < 2:
        return runs
    filled = np.zeros(len(runs) - 1, dtype=np.bool_)
    short = np.flatnonzero(runs[1:, 0] - runs[:-1, 1] <= longest_pause)
    # One pause at a time: sums over the whole recording would take more memory than everything else.
    for pause in short.tolist():
        start, stop = int(runs[pause, 1]), int(runs[pause + 1, 0])
        if masked[start:stop].mean() >= MASKED_SHARE:
            before = slice(max(int(runs[pause, 0]), start - BESIDE_FRAMES), start)
            after = slice(stop, min(int(runs[pause + 1, 1]), stop + BESIDE_FRAMES))
            level = max(_level_alone(level_db[side], masked[side]) for side in (before, after))
            filled[pause] = float(level_db[start:stop].mean(dtype=np.float64)) >= level + MASKING_DB
    first = np.flatnonzero(np.concatenate(([True], ~filled)))
    last = np.concatenate((first[1:], [len(runs)])) - 1
    return np.stack((runs[first, 0], runs[last, 1]), axis=1)


def _level_alone(level_db: NDArray[np.floating], masked: NDArray[np.bool_]) -> float:
    """Mean level over the unmasked frames; -200 dB if there are none."""
    own = level_db[~masked]
    return float(own.mean(dtype=np.float64)) if len(own) else -200.0


def frames_of(runs: Runs, length: int) -> NDArray[np.bool_]:
    """(length,): true in the frames of `runs`, which are disjoint."""
    steps = np.zeros(length + 1, dtype=np.int8)
    steps[runs[:, 0]] += 1
    steps[runs[:, 1]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8) > 0


def active_runs(scores: NDArray[np.floating], hop_ms: int, thresholds: Thresholds) -> Runs:
    """Runs of frames in which a class with `scores` (num_frames,) is active."""
    runs = runs_of(scores >= thresholds.stay)
    if len(runs) == 0:
        return runs
    peaks = np.maximum.reduceat(np.append(scores, scores.dtype.type(0)), runs.ravel())[::2]
    runs = join_runs(runs[peaks >= thresholds.enter], thresholds.bridge_ms // hop_ms)
    return runs[(runs[:, 1] - runs[:, 0]) * hop_ms >= thresholds.shortest_ms]


def events_of(
    scores: NDArray[np.floating], runs: Runs, hop_ms: int, duration_ms: int, event_class: EventClass, label: str
) -> list[Event]:
    """One event per run, its score the mean of `scores` (num_frames,) over it, clipped to the recording's end."""
    if len(runs) == 0:
        return []
    sums = np.add.reduceat(np.append(scores, scores.dtype.type(0)), runs.ravel(), dtype=np.float64)[::2]
    events = []
    for (first, stop), total in zip(runs.tolist(), sums.tolist(), strict=True):
        offset_ms = min(stop * hop_ms, duration_ms)
        if offset_ms > first * hop_ms:
            score = min(max(total / (stop - first), 0.0), 1.0)
            events.append(
                Event(
                    event_class=event_class,
                    label=label,
                    onset_ms=first * hop_ms,
                    offset_ms=offset_ms,
                    score=round(score, 3),
                )
            )
    return events


def in_order(events: list[Event]) -> tuple[Event, ...]:
    """Sorted by onset, then by all other fields, so that equal content has equal order."""
    return tuple(sorted(events, key=_place))


def _place(event: Event) -> tuple[int, int, str, str, float]:
    return (event.onset_ms, event.offset_ms, event.event_class, event.label, event.score)


def duration_ms_of(num_samples: int, sample_rate_hz: int) -> int:
    """Length in whole milliseconds, rounded down."""
    return num_samples * 1000 // sample_rate_hz

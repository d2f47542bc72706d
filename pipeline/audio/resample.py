"""Resampling as a stream."""

from __future__ import annotations

import numpy as np
import soxr

from annotators.base import Samples


class Resampler:
    """One or more channels to another rate, block by block: the same samples, bit by bit, whatever the blocks.

    soxr's HQ recipe, without delay: output sample i lies at the time i / target_hz.
    """

    def __init__(self, source_hz: int, target_hz: int, channels: int = 1) -> None:
        self._channels = channels
        self._stream = (
            None
            if source_hz == target_hz
            else soxr.ResampleStream(source_hz, target_hz, channels, dtype="float32", quality="HQ")
        )

    def add(self, samples: Samples) -> Samples:
        """The output that `samples` completes: (num_samples,) for one channel, else (channels, num_samples)."""
        return self._run(samples, last=False)

    def finish(self) -> Samples:
        """What is left once all samples were added."""
        nothing = np.empty(0 if self._channels == 1 else (self._channels, 0), np.float32)
        return self._run(nothing, last=True)

    def _run(self, samples: Samples, last: bool) -> Samples:
        if self._stream is None:
            return samples
        frames = np.ascontiguousarray(samples.T)
        resampled: Samples = self._stream.resample_chunk(frames, last=last)
        return resampled.T

"""A recording's sound as detectors and diarization read it: in blocks and windows, so that it need not be in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DETECTION_RATE_HZ = 16_000


class Waveform(Protocol):
    """16 kHz mono audio of any length that need not be in memory. May be read any number of times."""

    @property
    def num_samples(self) -> int: ...

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[NDArray[np.float32]]:
        """All samples, in order, in blocks of `block_samples` (num_samples,), the last one shorter."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples `[start, stop)`, (stop - start,)."""
        ...


class InMemory:
    """A Waveform of samples, 16 kHz mono, that are there already."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self._samples = samples

    @property
    def num_samples(self) -> int:
        return int(self._samples.size)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[NDArray[np.float32]]:
        yield from (self.read(start, start + block_samples) for start in range(0, self.num_samples, block_samples))

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        return self._samples[start:stop]

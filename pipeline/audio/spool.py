"""A recording's 16 kHz mono waveform on disk: flat memory however long it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from annotators.base import Samples
from annotators.waveform import DETECTION_RATE_HZ

_BYTES_PER_SAMPLE = 2
_FULL_SCALE = 32768.0


class SpooledWaveform:
    """16 kHz mono audio as 16-bit PCM in a temporary file without a name, gone with the process.

    16-bit sources at 16 kHz come back exactly. Samples beyond full scale are clipped.
    """

    def __init__(self) -> None:
        # The descriptor alone is used: reads at an offset need no position, so several threads may read at once.
        self._file = tempfile.TemporaryFile(prefix="soundseam-", buffering=0)  # noqa: SIM115
        self._num_samples = 0

    @property
    def num_samples(self) -> int:
        return self._num_samples

    def append(self, samples: Samples) -> None:
        """Adds `samples` (num_samples,) in [-1, 1]."""
        pcm = np.rint(samples * np.float32(_FULL_SCALE))
        np.clip(pcm, -_FULL_SCALE, _FULL_SCALE - 1, out=pcm)
        data = memoryview(pcm.astype("<i2").tobytes())
        while data:
            data = data[self._file.write(data) :]
        self._num_samples += len(samples)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        for start in range(0, self._num_samples, block_samples):
            yield self.read(start, start + block_samples)

    def read(self, start: int, stop: int) -> Samples:
        """Samples `[start, stop)` as far as there are any, (at most stop - start,)."""
        if start < 0:
            raise ValueError(f"a waveform begins at sample 0, not {start}")
        count = max(0, min(stop, self._num_samples) - start)
        parts: list[bytes] = []
        offset, left = start * _BYTES_PER_SAMPLE, count * _BYTES_PER_SAMPLE
        while left:
            # One read gives at most 2 GiB.
            part = os.pread(self._file.fileno(), left, offset)
            if not part:
                raise OSError("the temporary file of a waveform lost its end")
            parts.append(part)
            offset, left = offset + len(part), left - len(part)
        pcm = np.frombuffer(b"".join(parts) if len(parts) != 1 else parts[0], dtype="<i2")
        return pcm.astype(np.float32) * np.float32(1 / _FULL_SCALE)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""Reads the samples for the tests: whatever the container, through FFmpeg."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[2] / "samples"
RECORDINGS = sorted(path for path in (SAMPLES / "recordings").iterdir() if not path.name.startswith("."))


def decode(path: Path, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """The whole recording, mono (num_samples,)."""
    resampler = av.AudioResampler("fltp", "mono", rate_hz)
    with av.open(str(path)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def level_dbfs(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

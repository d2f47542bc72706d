"""Speed and growth of detecting and cutting, next to bare Silero and a bare STFT on the same audio in the same run.

`python -m benchmarks.segmentation` builds recordings of 1 minute to 10 hours from samples/recordings/scene.flac, each
in a process of its own. Times are processor time of one core, which a machine that does other work too changes little;
memory is the peak over what the process had before it began.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import soundfile
import typer

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.detection.embedded import Embedded
from soundseam.annotators.detection.silero_vad import SILERO_FILE, SILERO_SHA256, SileroStream
from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.pipeline.cutting.segmentation import SegmentationConfig, combine, segment_detection

SCENE = Path(__file__).parents[1] / "samples" / "recordings" / "scene.flac"
BLOCK = 30 * DETECTION_RATE_HZ
MINUTES = (1.0, 10.0, 60.0, 600.0)


@dataclass(frozen=True)
class LoopedWaveform:
    """One scene again and again, as long as wanted, without holding more than the scene. Implements Waveform."""

    scene: Samples
    num_samples: int

    def blocks(self, block_samples: int = BLOCK) -> Iterator[Samples]:
        for start in range(0, self.num_samples, block_samples):
            yield self.read(start, min(start + block_samples, self.num_samples))

    def read(self, start: int, stop: int) -> Samples:
        return np.take(self.scene, np.arange(start, stop), mode="wrap")


def main(
    minutes: Annotated[float | None, typer.Option(help="Only this length, in this process.")] = None,
    peak: Annotated[bool, typer.Option(help="With --minutes: only detect and cut, and measure memory.")] = False,
) -> None:
    """Prints a table of lengths, or the figures of one length."""
    if minutes is not None:
        print(*(_measure_memory(minutes) if peak else _measure_speed(minutes)))
        return
    print(f"{'minutes':>8} {'detect+cut':>11} {'cut':>8} {'Silero':>8} {'STFT':>8} {'peak MiB':>9} {'segments':>9}")
    for length in MINUTES:
        whole, cut, silero, stft = _child(length)
        memory, segments = _child(length, "--peak")
        print(f"{length:8.0f} {whole:10.0f}x {cut:7.0f}x {silero:7.0f}x {stft:7.0f}x {memory:9.0f} {segments:9.0f}")


def _child(minutes: float, *options: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.segmentation", "--minutes", str(minutes), *options]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(value) for value in answer.split()]


def _waveform(minutes: float) -> LoopedWaveform:
    scene, rate_hz = soundfile.read(SCENE, dtype="float32")
    if rate_hz != DETECTION_RATE_HZ:
        raise ValueError(f"{SCENE} has {rate_hz} Hz, not {DETECTION_RATE_HZ}")
    return LoopedWaveform(scene, int(60 * minutes * DETECTION_RATE_HZ))


def _measure_speed(minutes: float) -> tuple[float, float, float, float]:
    """Times real time: detect and cut, cut alone, Silero alone, STFT alone."""
    waveform, detector = _waveform(minutes), Embedded().load()
    detection = detector.detect(_waveform(0.2))
    detect_s = _seconds(lambda: detector.detect(waveform))
    detection = detector.detect(waveform)
    cut_s = _seconds(lambda: segment_detection(combine([detection]), 60_000 * int(minutes), SegmentationConfig()))
    silero = SileroStream(open_session(carried_weights(SILERO_FILE), SILERO_SHA256))
    silero_s = _seconds(lambda: [silero.push(block) for block in waveform.blocks()])
    stft_s = _seconds(lambda: [_stft(block) for block in waveform.blocks()])
    read_s = _seconds(lambda: [None for _ in waveform.blocks()])
    parts = (detect_s + cut_s - read_s, cut_s, silero_s - read_s, stft_s - read_s)
    return tuple(round(60 * minutes / max(part, 1e-6)) for part in parts)  # type: ignore[return-value]


def _stft(block: Samples) -> Samples:
    windows = np.lib.stride_tricks.sliding_window_view(block, 512)[::256]
    spectrum: Samples = np.abs(np.fft.rfft(windows * np.hanning(512).astype(np.float32)))
    return spectrum


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _measure_memory(minutes: float) -> tuple[float, int]:
    """Peak MiB above what the loaded detector takes, and the number of segments."""
    detector = Embedded().load()
    segment_detection(combine([detector.detect(_waveform(0.2))]), 12_000, SegmentationConfig())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    waveform = _waveform(minutes)
    detection = detector.detect(waveform)
    segments = segment_detection(combine([detection]), 60_000 * int(minutes), SegmentationConfig())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round((after - before) / 1024, 1), len(segments)


if __name__ == "__main__":
    typer.run(main)

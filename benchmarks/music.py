"""Throughput of the music and general backends next to bare library calls: `python -m benchmarks.music`.

One process, one clip of 30 s at a time, in times real time of one core (processor time), best of `--rounds`; set
OMP_NUM_THREADS=1. The library's calls do less than the backend beside them: each answers one of its questions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import librosa
import numpy as np
import pyloudnorm
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.general.acoustics import SegmentAcoustics
from soundseam.annotators.general.events import MeasuredEvents
from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.structure import Structure
from soundseam.schemas.annotation import Facts
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.segment import Boundary, Segment

SECONDS = 30
_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'what':34}{'times real':>12}")
    for backend in (Mir(), Structure(), SegmentAcoustics(), MeasuredEvents()):
        print(f"{backend.backend:34}{_rate(_annotate(backend), rounds):12.0f}")
    for name, call in _library_calls(music(22_050)).items():
        print(f"{'  ' + name:34}{_rate(call, rounds):12.0f}")


def _library_calls(samples: NDArray[np.float32]) -> dict[str, Callable[[], object]]:
    meter = pyloudnorm.Meter(22_050)
    return {
        "librosa.stft": lambda: librosa.stft(samples),
        "librosa.beat.beat_track": lambda: librosa.beat.beat_track(y=samples, sr=22_050),
        "librosa.feature.chroma_cqt": lambda: librosa.feature.chroma_cqt(y=samples, sr=22_050),
        "librosa.estimate_tuning": lambda: librosa.estimate_tuning(y=samples, sr=22_050),
        "librosa.effects.hpss": lambda: librosa.effects.hpss(samples),
        "librosa.feature.spectral_centroid": lambda: librosa.feature.spectral_centroid(y=samples, sr=22_050),
        "pyloudnorm integrated_loudness": lambda: meter.integrated_loudness(samples.astype(np.float64)),
    }


def _annotate(backend: Backend[Facts]) -> Callable[[], object]:
    annotator: Annotator[Facts] = backend.load()
    clip = a_clip(music(backend.sample_rate_hz or 16_000), backend.sample_rate_hz or 16_000, backend.branch)
    return lambda: annotator.annotate([clip])


def _rate(call: Callable[[], object], rounds: int) -> float:
    call()  # compiles and fills caches
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return SECONDS / min(times)


def music(rate_hz: int) -> NDArray[np.float32]:
    """Four chords and a drum, over and over: content changes no cost here but that of beats, which it has."""
    times = np.arange(SECONDS * rate_hz) / rate_hz
    roots = np.array([220.0, 174.6, 261.6, 196.0])[(times // 2).astype(int) % 4]
    tones = sum(np.sin(2 * np.pi * np.cumsum(roots * ratio) / rate_hz) for ratio in (0.5, 1, 1.25, 1.5))
    strokes = np.random.default_rng(0).normal(0, 1, times.size) * np.exp(-((times % 0.5) * 40))
    return (0.1 * tones * np.exp(-(times % 2)) + 0.2 * strokes).astype(np.float32)


def a_clip(samples: NDArray[np.float32], rate_hz: int, branch: Branch) -> Clip:
    events = tuple(
        Event(event_class=EventClass.OBJECT, label="knock", onset_ms=start, offset_ms=start + 1_500, score=0.9)
        for start in range(0, 1000 * SECONDS, 3_000)
    )
    segment = Segment(
        segment_id="s",
        recording_id="r",
        source_uri="r.wav",
        start_ms=0,
        end_ms=1000 * SECONDS,
        branches=(branch,),
        profile=(),
        events=events,
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="",
    )
    return Clip(segment=segment, samples=samples, sample_rate_hz=rate_hz)


if __name__ == "__main__":
    main()

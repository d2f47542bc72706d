"""Mixes scene.flac as scene.yaml says, and writes down what is heard in it when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field

from samples.sound import Samples, resampled
from soundseam.schemas.record import Record

RATE_HZ = 16_000
EVENT_RANGE_DB = 40.0
"""An event begins and ends where a 10 ms frame is within this of the loudest frame of its source."""

_FRAME = RATE_HZ // 100
_EDGE_FADE_S = 0.02
_NOISE_FADE_S = 0.25
_LOWEST_PINK_HZ = 20.0
_SEED = 20_260_801


class Turn(NamedTuple):
    """A speaker's turn of an RTTM file, in seconds of its recording."""

    onset: float
    offset: float
    speaker: str


class Placement(Record):
    """A source, or the part of it between `start` and `end`, at one place of the scene. Times in seconds."""

    at: float
    file: str
    start: float = Field(default=0.0, alias="from")
    end: float | None = Field(default=None, alias="to")
    fade_out: float = _EDGE_FADE_S
    peak_dbfs: float
    cls: Literal["speech", "music", "general"]
    label: str | None = None
    role: Literal["foreground", "background"] = "foreground"
    turns: str | None = None
    """An RTTM file with the turns of `file`: each becomes an event of its own."""


class Noise(Record):
    onset: float
    offset: float
    level_dbfs: float


class Scene(Record):
    """scene.yaml."""

    duration: float
    floor_dbfs: float
    noise: tuple[Noise, ...]
    placements: tuple[Placement, ...]


class SceneEvent(Record):
    """Something heard in the scene, in seconds of it."""

    cls: str
    label: str | None
    onset: float
    offset: float
    role: str


class SceneTruth(Record):
    """What is heard when; `bed` tells what lies under the whole scene."""

    file: str
    duration: float
    bed: str
    events: tuple[SceneEvent, ...]


ReadSource = Callable[[str], tuple[Samples, int]]
"""Gives the samples (num_samples, channels) and the rate in Hz of a source named in scene.yaml."""
ReadTurns = Callable[[str], tuple[Turn, ...]]


def read_scene(path: Path) -> Scene:
    return Scene.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse_rttm(text: str) -> tuple[Turn, ...]:
    """The SPEAKER lines, in order of time."""
    fields = [line.split() for line in text.splitlines() if line.startswith("SPEAKER")]
    turns = [Turn(float(row[3]), round(float(row[3]) + float(row[4]), 3), row[7]) for row in fields]
    return tuple(sorted(turns))


def mix_scene(scene: Scene, read_source: ReadSource, read_turns: ReadTurns) -> tuple[Samples, tuple[SceneEvent, ...]]:
    """The scene, mono at RATE_HZ as (num_samples, 1), and its events ordered by onset.

    The same sources give the same samples: the noise is drawn from a fixed seed.
    """
    random = np.random.default_rng(_SEED)
    length = round(scene.duration * RATE_HZ)
    mixed = random.standard_normal(length) * 10 ** (scene.floor_dbfs / 20)
    for noise in scene.noise:
        start, end = (round(time * RATE_HZ) for time in (noise.onset, noise.offset))
        mixed[start:end] += _pink_noise(random, end - start) * 10 ** (noise.level_dbfs / 20)
    events: list[SceneEvent] = []
    for placement in scene.placements:
        samples = _excerpt(placement, *read_source(placement.file))
        start = round(placement.at * RATE_HZ)
        mixed[start : start + len(samples)] += samples
        events += _events(placement, samples, read_turns)
    events.sort(key=lambda event: (event.onset, event.offset))
    return mixed.astype(np.float32)[:, None], tuple(events)


def _excerpt(placement: Placement, samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """The part of a source that is placed, mono at RATE_HZ, with faded edges and its peak where it belongs."""
    end = None if placement.end is None else round(placement.end * rate_hz)
    part = samples[round(placement.start * rate_hz) : end].mean(axis=1, keepdims=True)
    mono = resampled(part, rate_hz, RATE_HZ)[:, 0].astype(np.float64)
    mono = _faded(mono, _EDGE_FADE_S if placement.start else 0.0, placement.fade_out if placement.end else 0.0)
    return mono * (10 ** (placement.peak_dbfs / 20) / float(np.abs(mono).max()))


def _events(placement: Placement, samples: NDArray[np.float64], read_turns: ReadTurns) -> list[SceneEvent]:
    if placement.turns is None:
        spans = [_heard(samples)]
    else:
        end = placement.start + len(samples) / RATE_HZ
        spans = [
            (max(turn.onset, placement.start) - placement.start, min(turn.offset, end) - placement.start)
            for turn in read_turns(placement.turns)
            if turn.onset < end and turn.offset > placement.start
        ]
    return [
        SceneEvent(
            cls=placement.cls,
            label=placement.label,
            onset=round(placement.at + onset, 3),
            offset=round(placement.at + offset, 3),
            role=placement.role,
        )
        for onset, offset in spans
    ]


def _heard(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Where in `samples` the event begins and ends, in seconds."""
    count = -(-len(samples) // _FRAME)
    frames = np.pad(samples, (0, count * _FRAME - len(samples))).reshape(count, _FRAME)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-EVENT_RANGE_DB / 10))
    return float(loud[0]) * _FRAME / RATE_HZ, min(float(loud[-1] + 1) * _FRAME, len(samples)) / RATE_HZ


def _pink_noise(random: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Noise whose power falls by 3 dB an octave, with a root mean square of 1 and faded edges."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    frequencies_hz = np.fft.rfftfreq(length, 1 / RATE_HZ)
    spectrum *= frequencies_hz >= _LOWEST_PINK_HZ
    spectrum /= np.sqrt(np.maximum(frequencies_hz, _LOWEST_PINK_HZ))
    noise = np.fft.irfft(spectrum, length)
    return _faded(noise / np.sqrt((noise**2).mean()), _NOISE_FADE_S, _NOISE_FADE_S)


def _faded(samples: NDArray[np.float64], fade_in_s: float, fade_out_s: float) -> NDArray[np.float64]:
    rise, fall = round(fade_in_s * RATE_HZ), round(fade_out_s * RATE_HZ)
    gain = np.ones(len(samples))
    gain[:rise] = np.linspace(0.0, 1.0, rise)
    gain[len(gain) - fall :] *= np.linspace(1.0, 0.0, fall)
    return samples * gain

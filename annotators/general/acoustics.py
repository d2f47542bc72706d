"""The segment's sound as a whole: `acoustics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from annotators.base import Annotator, Backend, Clip, Samples
from annotators.general.character import bandwidth_hz, decay_time_ms, stationarity
from annotators.general.levels import RATE_HZ, Array, Sound, level_dbfs, measure_sound, rounded_db, short_term_dbfs
from schemas.event import Branch
from schemas.general import Acoustics, GeneralFacts

_QUIET_DBFS = -60.0


class SegmentAcoustics(Backend[GeneralFacts]):
    """Level, dynamics, silence, bandwidth, stationarity and decay of the whole segment."""

    kind: Literal["acoustics"] = "acoustics"

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "acoustic-measures"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[GeneralFacts]:
        return AcousticsMeasurer()


class AcousticsMeasurer:
    """The annotator of `SegmentAcoustics`."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [GeneralFacts(acoustics=measure_acoustics(clip.samples)) for clip in clips]


def measure_acoustics(samples: Samples) -> Acoustics:
    """`samples` is (num_samples,), 16 kHz mono. A constant offset is taken off before anything is measured."""
    sound = measure_sound(samples)
    levels = short_term_dbfs(sound.power)
    floor = None if sound.is_silent else float(np.percentile(levels, 10))
    peak = float(np.abs(sound.samples).max())
    return Acoustics(
        level_dbfs=None if sound.is_silent else _level(sound.samples),
        peak_dbfs=None if sound.is_silent else rounded_db(20 * float(np.log10(peak))),
        noise_floor_dbfs=None if floor is None else rounded_db(floor),
        dynamic_range_db=None if floor is None else _dynamic_range_db(levels, floor),
        silence_share=round(_silence_share(levels), 3),
        bandwidth_hz=None if sound.is_silent else bandwidth_hz(sound.inner_spectra),
        stationarity=_stationarity(sound, levels),
        decay_time_ms=decay_time_ms(levels),
    )


def _level(samples: Array) -> float | None:
    return level_dbfs(np.square(samples))


def _dynamic_range_db(levels: Array, floor: float) -> float | None:
    return rounded_db(float(np.percentile(levels, 95)) - floor) if len(levels) >= 20 else None


def _silence_share(levels: Array) -> float:
    floor = float(np.percentile(levels, 10))
    stands_out = float(np.percentile(levels, 95)) - floor >= 10
    quiet = levels < _QUIET_DBFS
    return float(np.mean(quiet | (levels <= floor + 3) if stands_out else quiet))


def _stationarity(sound: Sound, levels: Array) -> float | None:
    return None if sound.is_silent else stationarity(sound.inner_spectra, levels)

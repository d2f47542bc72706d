"""Recording quality of speech, measured on the source's own channels: `speech_quality`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.speech.transcripts import sample_mask, speech_stretches
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, SpeechQuality

RATE_HZ = 48_000
_FULL_SCALE = 0.985
"""Clipped peaks ring slightly when resampled to 48 kHz: with this level the measured share is within a tenth of that at
the source's rate, for speech clipped by 6 to 18 dB at 8, 16 and 44.1 kHz.
"""
_CLIPPING_RUN = 3
_SPECTRUM_SAMPLES = 2048
_RANGE_DB = 70.0


class SpeechQualityMeasures(Backend[SpeechFacts]):
    """Bandwidth and clipping of the detected speech."""

    kind: Literal["speech_quality"] = "speech_quality"

    branch: ClassVar[Branch] = Branch.SPEECH
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    mono: ClassVar[bool] = False
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "bandwidth-and-clipping"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[SpeechFacts]:
        return SpeechQualityAnnotator()


class SpeechQualityAnnotator:
    """The annotator of `SpeechQualityMeasures`."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(quality=measure_quality(clip)) for clip in clips]


def measure_quality(clip: Clip) -> SpeechQuality:
    """Of a 48 kHz clip, (num_samples,) or (channels, num_samples)."""
    channels = np.atleast_2d(clip.samples)
    mono = Clip(clip.segment, channels[0], clip.sample_rate_hz)
    speech = channels[:, sample_mask(mono, speech_stretches(clip.segment))]
    return SpeechQuality(bandwidth_hz=_bandwidth_hz(speech), clipping_share=round(_clipping_share(speech), 5))


def _bandwidth_hz(channels: Samples) -> int | None:
    """Upper edge of the highest band within 70 dB of the strongest, the maximum over channels."""
    if channels.shape[1] < _SPECTRUM_SAMPLES or not channels.any():
        return None
    from scipy.signal import welch

    frequencies, power = welch(channels, RATE_HZ, window="blackmanharris", nperseg=_SPECTRUM_SAMPLES)
    level_db = 10 * np.log10(power.max(axis=0) + 1e-20)
    strong = np.flatnonzero(level_db >= level_db.max() - _RANGE_DB)
    return round(float(frequencies[strong[-1]]))


def _clipping_share(channels: Samples) -> float:
    if not channels.size:
        return 0.0
    return sum(_clipped_samples(np.abs(channel) >= _FULL_SCALE) for channel in channels) / channels.size


def _clipped_samples(at_full_scale: NDArray[np.bool_]) -> int:
    edges = np.diff(at_full_scale.astype(np.int8), prepend=0, append=0)
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths[lengths >= _CLIPPING_RUN].sum())

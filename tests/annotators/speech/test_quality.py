from __future__ import annotations

import numpy as np
import pytest
import soxr

from soundseam.annotators.base import Clip, Samples
from soundseam.annotators.speech.quality import RATE_HZ, measure_quality
from soundseam.schemas.event import EventClass
from soundseam.schemas.speech import SpeechQuality
from tests.annotators.speech.builders import read_sample
from tests.support.builders import a_segment, an_event


def at_48k(samples: Samples, rate_hz: int) -> Samples:
    return soxr.resample(samples.T, rate_hz, RATE_HZ).T.astype(np.float32)


def quality_of(samples: Samples, first_ms: int = 0, last_ms: int = 30_000) -> SpeechQuality:
    end_ms = samples.shape[-1] * 1000 // RATE_HZ
    speech = an_event(EventClass.SPEECH, first_ms, min(last_ms, end_ms))
    return measure_quality(Clip(a_segment(end_ms=end_ms, events=(speech,)), samples, RATE_HZ))


def a_voice() -> Samples:
    samples = read_sample("speech-phone-menu.flac")[:80_000]
    return samples / np.abs(samples).max() * 0.9


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_the_bandwidth_of_resampled_speech_ends_at_half_its_old_rate(rate_hz: int) -> None:
    narrow = soxr.resample(a_voice() + white(80_000), 16_000, rate_hz)
    assert quality_of(at_48k(narrow, rate_hz)).bandwidth_hz == pytest.approx(rate_hz / 2, rel=0.05)


def white(count: int) -> Samples:
    """A noise floor as every microphone has one, so that something reaches half the rate."""
    return (np.random.default_rng(0).normal(size=count) * 1e-3).astype(np.float32)


@pytest.mark.parametrize("gain", [2.0, 4.0])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_clipping_is_found_whatever_the_rate_it_was_recorded_at(gain: float, rate_hz: int) -> None:
    clipped = np.clip(soxr.resample(a_voice(), 16_000, rate_hz) * gain, -1.0, 1.0)
    share = np.mean(np.abs(clipped) >= 1.0)
    assert quality_of(at_48k(clipped, rate_hz)).clipping_share == pytest.approx(share, rel=0.2)


def test_unclipped_speech_has_no_clipping() -> None:
    assert quality_of(at_48k(a_voice(), 16_000)).clipping_share == 0


def test_one_clipped_channel_of_two_is_half_the_samples() -> None:
    clipped = np.clip(a_voice() * 4, -1.0, 1.0)
    alone = quality_of(at_48k(clipped, 16_000)).clipping_share
    both = quality_of(at_48k(np.stack([clipped, a_voice()]), 16_000)).clipping_share
    assert both == pytest.approx(alone / 2, rel=0.01)


def test_only_speech_is_measured() -> None:
    loud_beside = np.concatenate([a_voice(), np.sign(a_voice())])
    assert quality_of(at_48k(loud_beside, 16_000), 0, 4_800).clipping_share == 0


def test_silence_has_no_bandwidth() -> None:
    assert quality_of(np.zeros(RATE_HZ, np.float32)).bandwidth_hz is None

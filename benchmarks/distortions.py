"""What happens to audio on its way into a second corpus: level, codecs, resampling, noise, other cuts."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import av
import numpy as np
import soxr

from soundseam.annotators.base import Samples
from soundseam.pipeline.dedup.fingerprint import RATE_HZ

Distortion = Callable[[Samples, np.random.Generator], Samples]


def gain(decibels: float) -> Distortion:
    return lambda samples, _: np.clip(samples * np.float32(10 ** (decibels / 20)), -1, 1)


def noise(snr_db: float) -> Distortion:
    """White noise over the whole band."""

    def add(samples: Samples, random: np.random.Generator) -> Samples:
        level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-snr_db / 20)
        mixed: Samples = samples + random.standard_normal(len(samples)).astype(np.float32) * np.float32(level)
        return mixed

    return add


def shifted(seconds: float) -> Distortion:
    """Without its first `seconds`, or with as much near silence before it where they are negative."""

    def shift(samples: Samples, random: np.random.Generator) -> Samples:
        count = int(abs(seconds) * RATE_HZ)
        if seconds > 0:
            return samples[count:]
        return np.concatenate([random.standard_normal(count).astype(np.float32) * np.float32(1e-4), samples])

    return shift


def resampled(rate_hz: int) -> Distortion:
    def there_and_back(samples: Samples, _: np.random.Generator) -> Samples:
        back: Samples = soxr.resample(soxr.resample(samples, RATE_HZ, rate_hz), rate_hz, RATE_HZ)
        return back

    return there_and_back


def coded(codec: str, container: str, bits_per_second: int, rate_hz: int) -> Distortion:
    def there_and_back(samples: Samples, _: np.random.Generator) -> Samples:
        return _decoded(_encoded(samples, codec, container, bits_per_second, rate_hz))

    return there_and_back


def one_after_another(*distortions: Distortion) -> Distortion:
    def apply(samples: Samples, random: np.random.Generator) -> Samples:
        for distortion in distortions:
            samples = distortion(samples, random)
        return samples

    return apply


MP3 = coded("libmp3lame", "mp3", 64_000, 44_100)
OPUS = coded("libopus", "ogg", 24_000, 48_000)
DISTORTIONS: Mapping[str, Distortion] = {
    "+10 dB, clipped": gain(10),
    "-10 dB": gain(-10),
    "MP3 64 kbit/s": MP3,
    "Opus 24 kbit/s": OPUS,
    "0.5 s cut off": shifted(0.5),
    "0.51 s cut off": shifted(0.51),
    "1 s cut off": shifted(1.0),
    "0.5 s put before": shifted(-0.5),
    "noise 5 dB below": noise(5),
    "through 8 kHz": resampled(8_000),
    "through 11.025 kHz": resampled(11_025),
    "cut, -10 dB, noise 10 dB, Opus": one_after_another(shifted(0.5), gain(-10), noise(10), OPUS),
}


def _encoded(samples: Samples, codec: str, container: str, bits_per_second: int, rate_hz: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, bit_rate=bits_per_second, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format, "mono", rate_hz, frame_size=stream.codec_context.frame_size or 960)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        for each in (frame, None):
            for piece in resampler.resample(each):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _decoded(data: bytes) -> Samples:
    with av.open(io.BytesIO(data), "r") as source:
        resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
        pieces = [piece for frame in source.decode(audio=0) for piece in resampler.resample(frame)]
        pieces += resampler.resample(None)
        samples: Samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
        return samples

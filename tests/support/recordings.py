"""Recordings made on the spot: sounds as arrays (channels, frames), and files of every kind, whole and broken."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Sound = NDArray[np.float32]


def a_tone(seconds: float = 1.0, rate_hz: int = 16_000, hz: float = 440.0, gain: float = 0.3) -> Sound:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (gain * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)[np.newaxis]


def noise(seconds: float = 1.0, rate_hz: int = 16_000, channels: int = 1, seed: int = 0, gain: float = 0.1) -> Sound:
    generator = np.random.default_rng(seed)
    return (gain * generator.standard_normal((channels, round(seconds * rate_hz)))).clip(-1, 1).astype(np.float32)


def silence(seconds: float = 1.0, rate_hz: int = 16_000, channels: int = 1) -> Sound:
    return np.zeros((channels, round(seconds * rate_hz)), np.float32)


def write(path: Path, sound: Sound, rate_hz: int = 16_000, subtype: str | None = None, kind: str | None = None) -> Path:
    """Writes through libsndfile: WAV, FLAC and what else its suffix or `kind` says."""
    soundfile.write(path, sound.T, rate_hz, subtype=subtype, format=kind)
    return path


def encode(path: Path, sound: Sound, rate_hz: int, codec: str, container: str | None = None) -> Path:
    """Writes through FFmpeg: any codec in any container."""
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(sound)]
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        _mux(output, stream, sound, rate_hz, layout)
    return path


def encode_video(path: Path, sounds: Sequence[Sound], rate_hz: int = 48_000, default: int | None = None) -> Path:
    """A second of small video with a stream of AAC for each sound, `default` flagged as such."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        streams = [output.add_stream("aac", rate=rate_hz, layout="mono") for _ in sounds]
        for number, stream in enumerate(streams):
            stream.disposition = stream.disposition.default if number == default else stream.disposition.default ^ 1
        for number in range(10):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for stream, sound in zip(streams, sounds, strict=True):
            _mux(output, stream, sound, rate_hz, "mono")
    return path


def _mux(output: Any, stream: Any, sound: Sound, rate_hz: int, layout: str) -> None:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout=layout)
    frame.rate, frame.pts = rate_hz, 0
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=rate_hz)
    for converted in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(converted))
    output.mux(stream.encode(None))


def cut_off(path: Path, share: float = 0.5) -> Path:
    """Keeps the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    return path


def spoil(path: Path, share: float = 0.5, count: int = 400) -> Path:
    """Overwrites `count` bytes at `share` of a file."""
    data = bytearray(path.read_bytes())
    start = round(len(data) * share)
    data[start : start + count] = np.random.default_rng(0).bytes(count)
    path.write_bytes(bytes(data))
    return path


def wav_header(data_bytes: int, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """The header of a 16-bit WAV that claims `data_bytes` of samples."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", min(36 + data_bytes, 2**32 - 1), b"WAVE"),
        *(b"fmt ", 16, 1, channels, rate_hz, 2 * channels * rate_hz, 2 * channels, 16),
        *(b"data", data_bytes),
    )


def write_claiming(path: Path, sound: Sound, claimed_bytes: int) -> Path:
    """A 16-bit WAV of one channel at 16 kHz whose header claims other than what is there."""
    path.write_bytes(wav_header(claimed_bytes) + (sound[0] * 32767).astype("<i2").tobytes())
    return path


Writer = Callable[[Path, Sound, int], Path]


def _with(codec: str, container: str | None = None) -> Writer:
    return lambda path, sound, rate_hz: encode(path, sound, rate_hz, codec, container)


EXACT_FORMATS: dict[str, Writer] = {
    "wav": write,
    "flac": write,
    "aiff": write,
    "au": write,
    "w64": write,
    "caf": lambda path, sound, rate_hz: write(path, sound, rate_hz, "PCM_16"),
    "ogg": lambda path, sound, rate_hz: write(path, sound, rate_hz, "VORBIS"),
    "mp3": _with("mp3"),
    "m4a": _with("aac"),
    "mov": _with("pcm_s16le"),
    "mka": _with("flac", "matroska"),
    "webm": _with("libopus"),
    "opus": _with("libopus", "ogg"),
    "tta": _with("tta"),
    "wv": _with("wavpack"),
}
"""By suffix, how a file of each kind is written; these say how much their encoder added in front."""

DELAYED_FORMATS: dict[str, Writer] = {
    "aac": _with("aac", "adts"),
    "ts": _with("mp2"),
    "avi": _with("mp3"),
    "flv": _with("aac"),
    "ac3": _with("ac3"),
}
"""These do not: what an encoder adds in front, up to 25 ms, stays, as it does for every other program."""

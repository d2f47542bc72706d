"""From a file to a 16 kHz mono waveform with its quality.

Time 0 is the first decoded sample, and time is counted in decoded samples and in the silence that replaces gaps. Memory
grows neither with the length of a file nor with the claims of its header.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from av.error import FFmpegError
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.flac import to_pcm16
from soundseam.pipeline.audio.audio_quality import QualityMeter
from soundseam.pipeline.audio.channels import mean_channel
from soundseam.pipeline.audio.intervals import read_intervals
from soundseam.pipeline.audio.open_audio import Opener, openers
from soundseam.pipeline.audio.stream import AudioFormat, AudioReader, DecodeError, Filled, Layout
from soundseam.pipeline.audio.stretches import LargerLayoutError, Resampler
from soundseam.schemas.record import Record
from soundseam.schemas.recording import Downmix, Quality
from soundseam.schemas.timespan import TimeSpan

_BYTES_PER_SAMPLE = 2
_FULL_SCALE = 32768.0


class SpooledWaveform:
    """16 kHz mono audio as 16-bit PCM in an unnamed temporary file, which disappears with the process.

    16-bit sources at 16 kHz are stored exactly. Samples beyond full scale are clipped. `on_use` is called for each
    block that is written or read, as a sign of progress.
    """

    def __init__(self, on_use: Callable[[], None] = lambda: None) -> None:
        self._on_use = on_use
        # Only the descriptor is used: reads at an offset need no position, so several threads can read at once.
        self._file = tempfile.TemporaryFile(prefix="soundseam-", buffering=0)  # noqa: SIM115
        self._num_samples = 0

    @property
    def num_samples(self) -> int:
        return self._num_samples

    def append(self, samples: Samples) -> None:
        """Adds `samples` (num_samples,) in [-1, 1]."""
        self._on_use()
        data = memoryview(to_pcm16(samples).astype("<i2", copy=False).tobytes())
        while data:
            data = data[self._file.write(data) :]
        self._num_samples += len(samples)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        for start in range(0, self._num_samples, block_samples):
            yield self.read(start, start + block_samples)

    def read(self, start: int, stop: int) -> Samples:
        """Samples `[start, stop)`, clipped to the end: (at most stop - start,)."""
        if start < 0:
            raise ValueError(f"a waveform begins at sample 0, not {start}")
        self._on_use()
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


__all__ = ["DecodeConfig", "DecodeError", "Decoded", "Shortfall", "decode_recording", "read_intervals"]

_DAY_MS = 24 * 3_600_000
_MAX_GAP_ROWS = 20


class DecodeConfig(Record):
    """Options for reading audio."""

    min_recording_ms: int = Field(default=100, ge=0, description="a shorter recording is rejected as too_short")
    max_recording_ms: int = Field(default=_DAY_MS, gt=0, description="audio beyond this is left out, as too_long")


@dataclass(frozen=True)
class Shortfall:
    """Audio that a file claims or contains, but that is not in its rows. `span` is None if its position is unknown."""

    span: TimeSpan | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Decoded:
    """A decoded recording; `waveform` is valid inside `decode_recording`'s block."""

    waveform: SpooledWaveform
    duration_ms: int
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    quality: Quality
    shortfalls: tuple[Shortfall, ...]


@contextmanager
def decode_recording(path: Path, config: DecodeConfig, on_use: Callable[[], None] = lambda: None) -> Iterator[Decoded]:
    """Decodes all of `path`, by content, whatever its name. Raises DecodeError if no part of it can be used.

    `on_use` is called for each block that is decoded or read.
    """
    decoding = _decode_whole(path, config, on_use)
    with decoding.waveform as waveform:
        duration_ms = _duration_ms(waveform.num_samples, DETECTION_RATE_HZ)
        if duration_ms < config.min_recording_ms:
            raise DecodeError("too_short", f"{decoding.frames} samples, {duration_ms} ms")
        audio = decoding.format
        yield Decoded(
            waveform=waveform,
            duration_ms=duration_ms,
            container=audio.container,
            codec=audio.codec,
            sample_rate_hz=audio.sample_rate_hz,
            channels=audio.channels,
            quality=decoding.meter.quality(),
            shortfalls=decoding.shortfalls(config),
        )


@dataclass(frozen=True)
class _Decoding:
    """One pass over a file."""

    format: AudioFormat
    waveform: SpooledWaveform
    meter: QualityMeter
    frames: int
    claimed_frames: int | None
    tolerance_frames: int
    damage: str | None
    filled: Sequence[Filled]
    too_long: bool

    @property
    def missing_frames(self) -> int:
        missing = (self.claimed_frames or 0) - self.frames
        return missing if missing > self.tolerance_frames and not self.too_long else 0

    @property
    def is_whole(self) -> bool:
        return self.frames > 0 and self.missing_frames == 0 and self.damage is None

    def shortfalls(self, config: DecodeConfig) -> tuple[Shortfall, ...]:
        rate = self.format.sample_rate_hz
        end_ms = _duration_ms(self.frames, rate)
        if self.too_long:
            hours = config.max_recording_ms / 3_600_000
            detail = f"longer than decode.max_recording_ms, {hours:.2f} h; the rest is left out"
            claimed_ms = _duration_ms(self.claimed_frames or 0, rate)
            return (Shortfall(TimeSpan(end_ms, claimed_ms) if claimed_ms > end_ms else None, "too_long", detail),)
        filled = _filled_rows(self.filled, rate)
        if self.missing_frames:
            claimed_ms = _duration_ms(self.frames + self.missing_frames, rate)
            detail = f"the header claims {claimed_ms / 1000:.3f} s, {end_ms / 1000:.3f} s could be decoded"
            if self.damage:
                detail += f"; {self.damage}"
            return (*filled, Shortfall(TimeSpan(end_ms, max(claimed_ms, end_ms + 1)), "truncated", detail))
        return (*filled, Shortfall(None, "damaged", self.damage)) if self.damage else filled


def _filled_rows(filled: Sequence[Filled], rate_hz: int) -> tuple[Shortfall, ...]:
    """One row per gap, or one for all if there are many."""
    if len(filled) > _MAX_GAP_ROWS:
        seconds = sum(gap.frames for gap in filled) / rate_hz
        longest = max(gap.frames for gap in filled) / rate_hz
        first = filled[0].start_frame / rate_hz
        detail = (
            f"{len(filled)} gaps between timestamps were filled with silence: {seconds:.3f} s in all, the longest "
            f"{longest:.3f} s, the first at {first:.3f} s"
        )
        return (Shortfall(None, "gap", detail),)
    spans = [
        TimeSpan(_duration_ms(gap.start_frame, rate_hz), _duration_ms(gap.start_frame + gap.frames, rate_hz))
        for gap in filled
    ]
    return tuple(
        Shortfall(
            span, "gap", f"the timestamps leave {span.duration_ms / 1000:.3f} s without audio, filled with silence"
        )
        for span in spans
    )


def _decode_whole(path: Path, config: DecodeConfig, on_use: Callable[[], None]) -> _Decoding:
    """The best result for `path`: of the first opener that reads all that is claimed, else of the one that reads
    most.
    """
    best: _Decoding | None = None
    failure: DecodeError | None = None
    for opener in openers(path):
        try:
            decoding = _decode_pass(path, opener, config, on_use)
        except DecodeError as error:
            failure = error
            continue
        best = decoding if best is None else _better(best, decoding)
        if best.is_whole:
            break
    if best is None:
        raise failure or DecodeError("not_audio", "no reader for it")
    if best.frames == 0:
        best.waveform.close()
        raise DecodeError("no_samples", f"{best.format.container} with {best.format.codec}, but without samples")
    return best


def _better(first: _Decoding, second: _Decoding) -> _Decoding:
    """The one with more samples; with the damage found by the first, even if the second could read over it."""
    more, less = (second, first) if second.frames > first.frames else (first, second)
    less.waveform.close()
    return replace(more, damage=more.damage or less.damage)


def _decode_pass(path: Path, opener: Opener, config: DecodeConfig, on_use: Callable[[], None]) -> _Decoding:
    try:
        try:
            return _decode_in(path, opener, config, on_use)
        except LargerLayoutError as larger:
            return _decode_in(path, opener, config, on_use, larger.layout)
    except FFmpegError as error:
        # Some of them are also OSErrors, but do not mean a failure of the filesystem.
        raise DecodeError("undecodable", f"FFmpeg failed: {error.strerror}") from error


def _decode_in(
    path: Path, opener: Opener, config: DecodeConfig, on_use: Callable[[], None], layout: Layout | None = None
) -> _Decoding:
    with opener(path, layout) as reader:
        decoding = _spool(reader, config, SpooledWaveform(on_use))
    channels = decoding.meter.channels
    if decoding.meter.non_finite:
        decoding.waveform.close()
        count = decoding.meter.non_finite
        raise DecodeError("non_finite_samples", f"{count} samples are NaN or infinite")
    if decoding.meter.is_out_of_range:
        decoding.waveform.close()
        raise DecodeError("out_of_range", f"a sample of {decoding.meter.peak:.3g}; full scale is 1")
    if decoding.frames == 0 or channels.downmix() is not Downmix.STRONGEST:
        return decoding
    decoding.waveform.close()
    with opener(path, decoding.format.layout) as reader:
        spooled = _spool(reader, config, SpooledWaveform(on_use), channel=channels.strongest)
        return replace(decoding, waveform=spooled.waveform)


def _spool(
    reader: AudioReader, config: DecodeConfig, waveform: SpooledWaveform, channel: int | None = None
) -> _Decoding:
    """Reads all of `reader`, measures it, and writes its mean or one `channel` at 16 kHz to `waveform`."""
    audio = reader.format
    limit = config.max_recording_ms * audio.sample_rate_hz // 1000
    resampler = Resampler(audio.sample_rate_hz, DETECTION_RATE_HZ)
    meter = QualityMeter(audio)
    frames, too_long = 0, False
    try:
        for block in reader.blocks():
            too_long = block.shape[1] > limit - frames
            if too_long and frames == limit:
                break
            within_limit = block[:, : limit - frames] if too_long else block
            mean = mean_channel(within_limit)
            meter.add(within_limit, mean)
            frames += within_limit.shape[1]
            if meter.is_usable:
                waveform.append(resampler.add(mean if channel is None else within_limit[channel]))
            if too_long:
                break
        if meter.is_usable:
            waveform.append(resampler.finish())
    except BaseException:
        waveform.close()
        raise
    return _Decoding(
        format=audio,
        waveform=waveform,
        meter=meter,
        frames=frames,
        claimed_frames=reader.claimed_frames,
        tolerance_frames=reader.tolerance_frames,
        damage=reader.damage,
        filled=tuple(reader.filled),
        too_long=too_long,
    )


def _duration_ms(frames: int, rate_hz: int) -> int:
    return (2000 * frames + rate_hz) // (2 * rate_hz)

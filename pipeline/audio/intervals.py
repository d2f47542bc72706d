"""Exact intervals of a recording at any rate: a segment's audio for a backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.channels import ChannelMeter, mean_channel
from soundseam.pipeline.audio.open_audio import Opener, openers
from soundseam.pipeline.audio.stream import AudioReader, DecodeError, Layout
from soundseam.pipeline.audio.stretches import LargerLayoutError, Resampler
from soundseam.schemas.recording import Downmix
from soundseam.schemas.timespan import TimeSpan


def read_intervals(
    path: Path, spans: Sequence[TimeSpan], sample_rate_hz: int, mono: bool, downmix: Downmix
) -> Iterator[Samples]:
    """The samples of each of `spans` (ordered, disjoint), (num_samples,) if `mono`, else (channels, num_samples).

    A span begins at sample round(start_ms * sample_rate_hz / 1000) and ends before that of its end_ms; what lies past
    the recording's end is missing. One pass with one span in memory, resampled as a whole, so that a span's samples
    are those of the whole recording at that place. `downmix` is the recording's own, as `decode_recording` measured it.
    Raises DecodeError as that does, ValueError for spans out of order.
    """
    _check_order(spans)
    left = list(spans)
    mix = _Mix(sample_rate_hz, mono, downmix)
    for way in (ways := openers(path)):
        is_last = way is ways[-1]
        layout: Layout | None = None
        while left:
            try:
                for samples in _read(_Source(path, way, layout), left, mix):
                    if not is_last and samples.shape[-1] < _wanted(left[0], sample_rate_hz):
                        break
                    yield samples
                    del left[0]
                break
            except LargerLayoutError as larger:
                layout = larger.layout
            except DecodeError:
                if is_last:
                    raise
                break
        if not left:
            return


@dataclass(frozen=True)
class _Mix:
    """The requested downmix and rate."""

    sample_rate_hz: int
    mono: bool
    downmix: Downmix


@dataclass(frozen=True)
class _Source:
    """A file and its reader."""

    path: Path
    opener: Opener
    layout: Layout | None

    def open(self) -> AbstractContextManager[AudioReader]:
        return self.opener(self.path, self.layout)


def _wanted(span: TimeSpan, rate_hz: int) -> int:
    """Minimum number of samples of a complete span: up to a millisecond may be missing at the recording's end.

    With fewer samples, the file is damaged, and another way to open it may read over the damage.
    """
    return _sample_at(span.end_ms, rate_hz) - _sample_at(span.start_ms, rate_hz) - _sample_at(1, rate_hz) - 1


def _read(source: _Source, spans: Sequence[TimeSpan], mix: _Mix) -> Iterator[Samples]:
    pick = _strongest_channel(source) if mix.mono and mix.downmix is Downmix.STRONGEST else None
    with source.open() as reader:
        yield from _cut(_resampled(reader, mix.sample_rate_hz, mix.mono, pick), tuple(spans), mix.sample_rate_hz)


def _cut(blocks: Iterator[Samples], spans: Sequence[TimeSpan], rate_hz: int) -> Iterator[Samples]:
    """The samples of each span in the stream `blocks`, (..., num_samples) each; shorter at the end of the stream."""
    block: Samples = np.empty(0, np.float32)
    begin = 0
    for start, stop in [(_sample_at(span.start_ms, rate_hz), _sample_at(span.end_ms, rate_hz)) for span in spans]:
        parts = []
        while True:
            end = begin + block.shape[-1]
            if end > start:
                parts.append(block[..., max(0, start - begin) : stop - begin])
            if end >= stop:
                break
            following = next(blocks, None)
            if following is None:
                break
            begin, block = end, following
        # A copy: a view would keep whole blocks alive.
        yield np.concatenate(parts, axis=-1) if parts else block[..., :0].copy()


def _resampled(reader: AudioReader, rate_hz: int, mono: bool, pick: int | None) -> Iterator[Samples]:
    audio = reader.format
    single = mono or audio.channels == 1
    resampler = Resampler(audio.sample_rate_hz, rate_hz, 1 if single else audio.channels)
    for block in reader.blocks():
        chosen = block if not single else mean_channel(block) if pick is None else block[pick]
        resampled = resampler.add(chosen)
        yield resampled if mono or not single else resampled[np.newaxis]
    rest = resampler.finish()
    yield rest if mono or not single else rest[np.newaxis]


def _strongest_channel(source: _Source) -> int:
    with source.open() as reader:
        meter = ChannelMeter(reader.format.channels)
        for block in reader.blocks():
            meter.add(block, mean_channel(block), reader.format.hop_frames)
    return meter.strongest


def _sample_at(time_ms: int, rate_hz: int) -> int:
    return (2 * time_ms * rate_hz + 1000) // 2000


def _check_order(spans: Sequence[TimeSpan]) -> None:
    previous_ms = 0
    for span in spans:
        if span.start_ms < previous_ms or span.end_ms < span.start_ms:
            raise ValueError(f"spans must be ordered and disjoint, and {span} is not")
        previous_ms = span.end_ms

"""From decoded frames to blocks with one rate and number of channels, even if the stream changes both midway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import soxr
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.stream import AudioFormat, Filled, Layout
from soundseam.pipeline.audio.timeline import Gap

_SCALES: Mapping[str, float] = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31, "s64": 2.0**-63}

Piece = AudioFrame | Gap


class LargerLayoutError(Exception):
    """The stream continues with more channels or a higher rate than at its beginning: read it again in `layout`.

    So no part of it loses quality.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(f"the stream goes up to {layout.sample_rate_hz} Hz and {layout.channels} channels")
        self.layout = layout


def layout_of(frame: AudioFrame) -> Layout:
    return Layout(frame.sample_rate, frame.layout.nb_channels)


class Resampler:
    """One or more channels to another rate, block by block: the same samples, bit by bit, whatever the blocks.

    soxr's HQ recipe, without delay: output sample i is at the time i / target_hz.
    """

    def __init__(self, source_hz: int, target_hz: int, channels: int = 1) -> None:
        self._channels = channels
        self._stream = (
            None
            if source_hz == target_hz
            else soxr.ResampleStream(source_hz, target_hz, channels, dtype="float32", quality="HQ")
        )

    def add(self, samples: Samples) -> Samples:
        """The output completed by `samples`: (num_samples,) for one channel, else (channels, num_samples)."""
        return self._run(samples, last=False)

    def finish(self) -> Samples:
        """The remaining output after all samples were added."""
        nothing = np.empty(0 if self._channels == 1 else (self._channels, 0), np.float32)
        return self._run(nothing, last=True)

    def _run(self, samples: Samples, last: bool) -> Samples:
        if self._stream is None:
            return samples
        frames = np.ascontiguousarray(samples.T)
        resampled: Samples = self._stream.resample_chunk(frames, last=last)
        return resampled.T


class _Stretch(NamedTuple):
    """Consecutive frames with equal format, to be converted to `layout`."""

    fifo: AudioFifo
    format_name: str
    own: Layout
    resampler: Resampler
    layout: Layout

    def takes(self, frame: AudioFrame) -> bool:
        """Whether `frame` has the same format: FFmpeg's buffer reads past the end of one with fewer channels."""
        return layout_of(frame) == self.own and frame.format.name == self.format_name

    def converted(self, frame: AudioFrame) -> Samples:
        return self._mixed(_samples_of(frame))

    def rest(self) -> Iterator[Samples]:
        left = self.fifo.read()
        if left is not None:
            yield self.converted(left)
        last = np.atleast_2d(self.resampler.finish())
        if last.size:
            yield _to_channels(last, self.layout.channels)

    def _mixed(self, samples: Samples) -> Samples:
        resampled = self.resampler.add(samples if len(samples) > 1 else samples[0])
        return _to_channels(np.atleast_2d(resampled), self.layout.channels)


class BlockMaker:
    """Turns one reader's pieces into blocks of the format `audio`."""

    def __init__(self, audio: AudioFormat, may_grow: bool) -> None:
        self._audio = audio
        self._may_grow = may_grow
        self._frames = 0
        self.filled: list[Filled] = []

    def blocks(self, pieces: Iterable[Piece]) -> Iterator[Samples]:
        """All of `pieces` as (channels, frames), `block_frames` at a time, the last block shorter.

        Raises LargerLayoutError, if it `may_grow`, for a piece with a larger layout than `audio`.
        """
        size = self._audio.block_frames
        block = np.empty((self._audio.channels, size), np.float32)
        filled = 0
        for samples in self._converted(iter(pieces)):
            self._frames += samples.shape[1]
            if filled == 0 and samples.shape[1] == size:
                yield samples
                continue
            taken = 0
            while taken < samples.shape[1]:
                count = min(size - filled, samples.shape[1] - taken)
                block[:, filled : filled + count] = samples[:, taken : taken + count]
                filled += count
                taken += count
                if filled == size:
                    yield block
                    block = np.empty_like(block)
                    filled = 0
        if filled:
            yield np.ascontiguousarray(block[:, :filled])

    def _converted(self, pieces: Iterator[Piece]) -> Iterator[Samples]:
        """Uses FFmpeg's own buffer: one call per block instead of several per frame."""
        stretch: _Stretch | None = None
        for piece in pieces:
            if isinstance(piece, Gap):
                yield from stretch.rest() if stretch else ()
                stretch = None
                yield from self._silence(piece)
                continue
            piece.pts = None
            if stretch is not None and not stretch.takes(piece):
                yield from stretch.rest()
                stretch = None
            if stretch is None:
                own, layout = layout_of(piece), self._audio.layout
                if self._may_grow and (own.sample_rate_hz > layout.sample_rate_hz or own.channels > layout.channels):
                    raise LargerLayoutError(_largest(pieces, own, layout))
                stretch = _begin(piece, layout)
            stretch.fifo.write(piece)
            while (full := stretch.fifo.read(self._audio.block_frames)) is not None:
                yield stretch.converted(full)
        if stretch is not None:
            yield from stretch.rest()

    def _silence(self, gap: Gap) -> Iterator[Samples]:
        left = round(gap.frames * self._audio.sample_rate_hz / gap.sample_rate_hz)
        if not gap.is_meant:
            self.filled.append(Filled(self._frames, left))
        while left:
            count = min(left, self._audio.block_frames)
            yield np.zeros((self._audio.channels, count), np.float32)
            left -= count


def _begin(frame: AudioFrame, layout: Layout) -> _Stretch:
    own = layout_of(frame)
    resampler = Resampler(own.sample_rate_hz, layout.sample_rate_hz, own.channels)
    return _Stretch(AudioFifo(), frame.format.name, own, resampler, layout)


def _largest(pieces: Iterator[Piece], *layouts: Layout) -> Layout:
    """The largest of `layouts` and those of the remaining pieces."""
    rate_hz = max(layout.sample_rate_hz for layout in layouts)
    channels = max(layout.channels for layout in layouts)
    for piece in pieces:
        if isinstance(piece, AudioFrame):
            rate_hz = max(rate_hz, piece.sample_rate)
            channels = max(channels, piece.layout.nb_channels)
    return Layout(rate_hz, channels)


def _to_channels(samples: Samples, channels: int) -> Samples:
    """(channels, frames), preserving the mean of all channels."""
    own = len(samples)
    if own == channels:
        return samples
    if own > channels:
        parts = np.array_split(samples, channels)
        return np.stack([part.mean(axis=0, dtype=np.float32) for part in parts])
    mean = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.concatenate([*[samples] * (channels // own), *[mean] * (channels % own)])


def _samples_of(frame: AudioFrame) -> Samples:
    """(channels, frames) in [-1, 1]; overshoot of a float codec is preserved."""
    data: NDArray[np.generic] = frame.to_ndarray()
    name = frame.format.packed.name
    if frame.format.is_packed:
        data = data.reshape(-1, frame.layout.nb_channels).T
    # 32-bit integers are rounded once, here: all the scales are powers of two.
    with np.errstate(over="ignore"):  # an invalid sample becomes infinite, and is noticed later
        samples: Samples = np.ascontiguousarray(data, np.float32)
    if name == "u8":
        samples = samples - np.float32(128)
    return samples if name in ("flt", "dbl") else samples * np.float32(_SCALES[name])

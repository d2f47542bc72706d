"""Chooses the reader for a file by its first bytes, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.demux import open_demuxed
from soundseam.pipeline.audio.file_view import id3_end
from soundseam.pipeline.audio.stream import AudioFormat, AudioReader, DecodeError, Filled, Layout
from soundseam.pipeline.audio.wav import open_wav
from soundseam.pipeline.audio.wav_header import is_wav

Opener = Callable[[Path, Layout | None], AbstractContextManager[AudioReader]]

_INTEGER_SHARE = 0.01
"""If a larger share of float samples is beyond full scale, they are unscaled integers."""
_OVERSHOOT = 8.0
"""A mix with peaks up to 18 dB over full scale is attenuated; larger peaks are faults, and clipped."""


def openers(path: Path) -> tuple[Opener, ...]:
    """The ways to open `path`, fastest first; a later one is used if an earlier one cannot read to the end.

    Raises DecodeError if there is no file with bytes to read.
    """
    try:
        if path.stat().st_size == 0:
            raise DecodeError("empty_file", "0 bytes")
        with path.open("rb") as file:
            start = id3_end(file)
            if not is_wav(file, start):
                return (_scaled(open_demuxed),)
            file.seek(start)
            # FFmpeg reads the samples of a RIFX as little-endian.
            return (_scaled(open_wav),) if file.read(4) == b"RIFX" else (_scaled(open_wav), _scaled(open_demuxed))
    except FileNotFoundError as error:
        raise DecodeError("missing_file", "the file is gone") from error
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or type(error).__name__) from error


class ScaledReader:
    """An AudioReader whose samples are those of another one, times `gain`."""

    def __init__(self, reader: AudioReader, gain: float) -> None:
        self._reader = reader
        self._gain = np.float32(gain)
        self.format: AudioFormat = reader.format
        self.claimed_frames = reader.claimed_frames
        self.tolerance_frames = reader.tolerance_frames

    @property
    def damage(self) -> str | None:
        return self._reader.damage

    @property
    def filled(self) -> Sequence[Filled]:
        return self._reader.filled

    def blocks(self) -> Iterator[Samples]:
        for block in self._reader.blocks():
            yield block * self._gain


def _scaled(opener: Opener) -> Opener:
    """`opener` with float PCM scaled to full scale if it exceeds it."""

    @contextmanager
    def opened(path: Path, layout: Layout | None = None) -> Iterator[AudioReader]:
        with opener(path, layout) as reader:
            if not reader.format.codec.startswith("pcm_f"):
                yield reader
                return
            gain = float_gain(reader.blocks())
        with opener(path, layout) as reader:
            yield ScaledReader(reader, gain) if gain != 1.0 else reader

    return opened


def float_gain(blocks: Iterator[Samples]) -> float:
    """The factor that brings float samples within full scale: 1 for most files.

    Samples in the range of 16-, 24- or 32-bit integers are divided by that range; a mix with peaks a little over full
    scale is attenuated as a whole. Single samples far beyond do not affect the rest.
    """
    peak, beyond, count = 0.0, 0, 0
    for block in blocks:
        largest = max(float(block.max()), -float(block.min()))
        if not np.isfinite(largest):
            return 1.0
        peak = max(peak, largest)
        count += block.size
        if largest > 1.0:
            beyond += int(np.count_nonzero(np.abs(block) > 1.0))
    if beyond > _INTEGER_SHARE * count and peak > _OVERSHOOT:
        scale = next((2.0**bits for bits in (15, 23, 31) if peak <= 1.5 * 2.0**bits), None)
        return 1.0 if scale is None else min(1.0 / scale, 1.0 / peak)
    return 1.0 / peak if 1.0 < peak <= _OVERSHOOT else 1.0

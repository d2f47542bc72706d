"""The fast path: plain samples of a WAV, read directly.

Twice as fast as PyAV, and the only reader here of RIFX, which FFmpeg reads in the wrong byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.file_view import Extent
from soundseam.pipeline.audio.stream import AudioFormat, DecodeError, Filled, Layout
from soundseam.pipeline.audio.wav_header import WavHeader, read_wav_header

_INTEGERS, _FLOATS, _ALAW, _ULAW = 1, 3, 6, 7
_BYTES = {_INTEGERS: (1, 2, 3, 4), _FLOATS: (4, 8), _ALAW: (1,), _ULAW: (1,)}
_MAX_HEAD_BYTES = 2**32 - 1


class WavReader:
    """An AudioReader over the samples of an open WAV."""

    filled: Sequence[Filled] = ()
    tolerance_frames = 0

    def __init__(self, file: BinaryIO, header: WavHeader) -> None:
        form = header.format
        width = form.frame_bytes // form.channels if form.channels else 0
        if width not in _BYTES.get(form.tag, ()):
            raise DecodeError(
                "not_audio", f"WAV format {form.tag} with {form.bits} bits is not supported by the fast path"
            )
        self.format = AudioFormat(
            container="wav",
            codec=_codec(form.tag, width, header.order),
            sample_rate_hz=form.sample_rate_hz,
            channels=form.channels,
            bits=8 if form.tag == _INTEGERS and width == 1 else 16,
        )
        self.format.check()
        claimed = header.claimed_bytes or header.present_bytes
        self.claimed_frames = claimed // form.frame_bytes or None
        self.damage = header.damage
        self._file, self._header, self._width = file, header, width

    def blocks(self) -> Iterator[Samples]:
        form = self._header.format
        size = self.format.block_frames * form.frame_bytes
        data = b""
        for extent in self._header.extents:
            at = extent.start
            while at < extent.end:
                self._file.seek(at)
                read = self._file.read(min(size - len(data), extent.end - at))
                if not read:
                    break
                at += len(read)
                data += read
                if len(data) == size:
                    yield self._samples(data)
                    data = b""
            data = data[: len(data) // form.frame_bytes * form.frame_bytes]
        if data:
            yield self._samples(data)

    def _samples(self, data: bytes) -> Samples:
        """(channels, frames) in [-1, 1]; floats are unchanged."""
        values = _values(data, self._header.format.tag, self._width, self._header.order)
        return np.ascontiguousarray(values.reshape(-1, self.format.channels).T)


@contextmanager
def open_wav(path: Path, layout: Layout | None = None) -> Iterator[WavReader]:  # noqa: ARG001 - a WAV never changes
    """Opens a WAV. Raises DecodeError for an unsupported one."""
    with path.open("rb") as file:
        yield WavReader(file, read_wav_header(file))


def without_wav_tags(file: BinaryIO) -> tuple[bytes, Extent, float | None]:
    """A WAV for FFmpeg: a new header with only the format, the position of the samples, and the ratio of claimed to
    present bytes.

    FFmpeg would trust the sizes of the tags, up to 2 GiB.
    """
    header = read_wav_header(file)
    extent = header.extents[0]
    size = extent.end - extent.start
    form = header.format.chunk
    claimed = min(size, _MAX_HEAD_BYTES)
    head = b"RIFF" + struct.pack("<I", _MAX_HEAD_BYTES) + b"WAVE"
    head += b"fmt " + struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2)
    head += b"data" + struct.pack("<I", claimed)
    return head, extent, header.claimed_bytes / size if header.claimed_bytes and size else None


def _codec(tag: int, width: int, order: str) -> str:
    """FFmpeg's name of the codec."""
    if tag in (_ALAW, _ULAW):
        return "pcm_alaw" if tag == _ALAW else "pcm_mulaw"
    if width == 1:
        return "pcm_u8"
    return f"pcm_{'s' if tag == _INTEGERS else 'f'}{8 * width}{'le' if order == '<' else 'be'}"


def _values(data: bytes, tag: int, width: int, order: str) -> Samples:
    if tag == _FLOATS:
        floats = np.frombuffer(data, f"{order}f{width}")
        with np.errstate(over="ignore"):  # an invalid sample becomes infinite, and is noticed later
            return floats.astype(np.float32)
    if tag in (_ALAW, _ULAW):
        table = _ALAW_VALUES if tag == _ALAW else _ULAW_VALUES
        return table[np.frombuffer(data, np.uint8)]
    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) * np.float32(2.0**-7)
    if width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        # The lowest byte stays zero: the value is left-justified in 32 bits.
        wide[:, slice(1, 4) if order == "<" else slice(0, 3)] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view(f"{order}i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)
    integers = np.frombuffer(data, f"{order}i{width}")
    return integers.astype(np.float32) * np.float32(2.0 ** (1 - 8 * width))


def _alaw_values() -> NDArray[np.float32]:
    """ITU-T G.711: sign, exponent of three bits and mantissa of four, every second bit inverted."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    linear = np.where(exponent == 0, 16 * mantissa + 8, (16 * mantissa + 264) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, linear, -linear) / 32768).astype(np.float32)


def _ulaw_values() -> NDArray[np.float32]:
    """ITU-T G.711: the same fields, all bits inverted, with an offset of 33 in steps of 4."""
    code = ~np.arange(256) & 0xFF
    linear = ((8 * (code & 15) + 132) << (code >> 4 & 7)) - 132
    return (np.where(code & 0x80, -linear, linear) / 32768).astype(np.float32)


_ALAW_VALUES = _alaw_values()
_ULAW_VALUES = _ulaw_values()

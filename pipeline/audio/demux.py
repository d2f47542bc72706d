"""Everything else that holds audio, through PyAV: containers and codecs by content, nothing beyond the file's bytes.

Demuxers are allow-listed by name and read from a file object. Those that open other files (hls, dash, concat, sdp,
image sequences, playlists) are not on the list; what a listed one asks for besides is refused, whatever the protocol.

Of several audio streams the one flagged as default is read, else the first. Sample 0 is the first sample that the
decoder gives, with encoder delay removed as FFmpeg does it by default; a stream's start time and gaps between its
timestamps are not audio and are ignored.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Never

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.stream import AudioFormat, DecodeError

# WAV, RF64, FLAC, Ogg, MP3 with tags, AIFF, Matroska, ASF, AU, CAF.
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef", b".snd", b"caff")
_MAX_CHUNKS = 1000
# Writers to a pipe cannot know the size: they leave 0 or something near the largest number.
_UNKNOWN_FROM = 0x7FFFF000


def is_known_container(path: Path) -> bool:
    """Whether the first bytes are those of a common audio or video container, whole or not."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


def wav_missing_ratio(path: Path) -> float | None:
    """Claimed bytes of a WAV's data chunk over those that are there; None unless more is claimed than is there."""
    with path.open("rb") as file:
        head = file.read(12)
        if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            return None
        found = _data_chunk(file)
    if found is None:
        return None
    claimed, offset = found
    available = path.stat().st_size - offset
    return claimed / available if 0 < available < claimed else None


def _data_chunk(file: BinaryIO) -> tuple[int, int] | None:
    """Claimed size and offset of the data chunk; None where there is none or it claims nothing."""
    long_size = 0
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            if size == 0xFFFFFFFF and long_size:
                return long_size, file.tell()
            return (size, file.tell()) if 0 < size < _UNKNOWN_FROM else None
        if name == b"ds64" and size >= 16:
            # EBU Tech 3306: sizes of RIFF and data as 64-bit numbers, where the 32-bit ones say 0xFFFFFFFF.
            body = file.read(16)
            long_size = struct.unpack("<Q", body[8:16])[0] if len(body) == 16 else 0
            size -= 16
        file.seek(size + size % 2, os.SEEK_CUR)
    return None


def mp3_states_length(path: Path) -> bool:
    """Whether the first frame of an MP3 holds a Xing, Info or VBRI header; without one, lengths are guesses."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            size = 0
            for byte in head[6:]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        frame = file.read(2048)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,"
    "ogg,qcp,rm,tak,truehd,tta,voc,w64,wav,wv"
)
"""Names as FFmpeg has them; matroska is WebM too, mov is MP4, M4A and 3GP too."""

# How far decoded audio may fall short of what these containers state, in ms. Others state nothing, or FFmpeg guesses.
_TOLERANCE_MS: Mapping[str, int] = {
    "wav": 0,
    "w64": 0,
    "flac": 0,
    "aiff": 0,
    "tta": 0,
    "wv": 0,
    "ape": 0,
    "mp3": 100,
    "mov,mp4,m4a,3gp,3g2,mj2": 250,
    "matroska,webm": 500,
    "avi": 500,
    "asf": 500,
}
_SCALES: Mapping[str, float] = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31, "s64": 2.0**-63}
_BUFFER_BYTES = 2**17
_MAX_BAD_PACKETS = 10_000
"""In a row without a sample between them: beyond that, a stream is held to be no audio any more."""


class DemuxReader:
    """An AudioReader over an open container."""

    def __init__(self, container: InputContainer, path: Path) -> None:
        self._container = container
        self._stream = _audio_stream(container)
        self._stream.codec_context.thread_count = 1
        for other in container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        self._bad_packets = 0
        self._stopped: str | None = None
        self._frames = self._decoded_frames()
        # Only a decoded frame tells the true rate and channels: the header of HE-AAC gives half the rate.
        self._first = next(self._frames, None)
        if self._first is None:
            raise DecodeError("undecodable" if self._bad_packets else "no_samples", self.damage or "not one sample")
        codec = self._stream.codec_context
        self.format = AudioFormat(
            container=container.format.name.partition(",")[0],
            codec=codec.codec.canonical_name,
            sample_rate_hz=self._first.sample_rate,
            channels=self._first.layout.nb_channels,
            bits=8 if self._first.format.name.startswith("u8") else 16,
        )
        self.format.check()
        tolerance_ms = _TOLERANCE_MS.get(container.format.name, 0)
        self.tolerance_frames = tolerance_ms * self.format.sample_rate_hz // 1000
        self.claimed_frames = self._claim(path)

    @property
    def damage(self) -> str | None:
        if self._stopped:
            return self._stopped
        return f"{self._bad_packets} packets could not be decoded" if self._bad_packets else None

    def blocks(self) -> Iterator[Samples]:
        size = self.format.block_frames
        block = np.empty((self.format.channels, size), np.float32)
        filled = 0
        for samples in self._converted():
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

    def _converted(self) -> Iterator[Samples]:
        """Frame by frame, (channels, frames)."""
        frame = self._first
        while frame is not None:
            if (frame.sample_rate, frame.layout.nb_channels) != (self.format.sample_rate_hz, self.format.channels):
                self._stopped = (
                    f"the stream changes to {frame.sample_rate} Hz and {frame.layout.nb_channels} channels; "
                    "what follows is left out"
                )
                return
            yield _samples_of(frame)
            frame = next(self._frames, None)

    def _decoded_frames(self) -> Iterator[AudioFrame]:
        bad_in_a_row = 0
        packets = self._container.demux(self._stream)
        while bad_in_a_row < _MAX_BAD_PACKETS:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._stopped = f"the container ends in damage: {error.strerror}"
                return
            except IndexError:
                # PyAV has no object for a stream that the container announces only now; a new pass goes on behind it.
                packets = self._container.demux(self._stream)
                bad_in_a_row += 1
                continue
            if packet is None:
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                self._bad_packets += 1
                bad_in_a_row += 1
                continue
            for frame in frames:
                bad_in_a_row = 0
                yield frame

    def _claim(self, path: Path) -> int | None:
        name = self._container.format.name
        if name not in _TOLERANCE_MS or (name == "mp3" and not mp3_states_length(path)):
            return None
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif self._container.duration is not None and len(self._container.streams) == 1:
            seconds = self._container.duration / av.time_base
        else:
            return None
        missing_ratio = wav_missing_ratio(path) if name == "wav" else None
        return round(seconds * (missing_ratio or 1.0) * self.format.sample_rate_hz) or None


class _Bytes:
    """A file's bytes without its name, so that its suffix plays no part in probing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # Damaged sizes lead before the beginning: FFmpeg is told so, and deals with it.
            return -errno.EINVAL

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def open_demuxed(path: Path) -> Iterator[DemuxReader]:
    """Opens whatever an allow-listed demuxer recognises. Raises DecodeError for anything else."""
    with path.open("rb", buffering=0) as file:
        try:
            container = av.open(
                _Bytes(file),
                mode="r",
                options={"format_whitelist": DEMUXERS, "protocol_whitelist": "none"},
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse,
            )
        except FFmpegError as error:
            if is_known_container(path):
                raise DecodeError("undecodable", f"an audio container, but damaged: {error.strerror}") from error
            raise DecodeError("not_audio", f"no audio container that is read here: {error.strerror}") from error
        with container:
            yield DemuxReader(container, path)


def _refuse(url: str, flags: int, options: object) -> Never:  # noqa: ARG001
    raise PermissionError("a recording may not open other files")


def _audio_stream(container: InputContainer) -> AudioStream:
    streams = container.streams.audio
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise DecodeError("no_audio_stream", f"{container.format.name} with these streams: {kinds}")
    stream = next((stream for stream in streams if stream.disposition & stream.disposition.default), streams[0])
    if stream.codec_context is None:
        raise DecodeError("unsupported_codec", f"{container.format.name} with a codec that FFmpeg does not know here")
    return stream


def _samples_of(frame: AudioFrame) -> Samples:
    """(channels, frames) in [-1, 1]; a float codec's overshoot stays."""
    data: NDArray[np.generic] = frame.to_ndarray()
    name = frame.format.packed.name
    if frame.format.is_packed:
        data = data.reshape(-1, frame.layout.nb_channels).T
    # 32-bit integers are rounded once, here: all the scales are powers of two.
    samples: Samples = data.astype(np.float32, copy=False)
    if name == "u8":
        samples = samples - np.float32(128)
    return samples if name in ("flt", "dbl") else samples * np.float32(_SCALES[name])

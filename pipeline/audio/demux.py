"""Reads everything except plain PCM in a WAV, through PyAV: by content, and only from the file's own bytes.

Demuxers are allow-listed by name and read from a file object. Those that open other files (hls, dash, concat, sdp,
image sequences, playlists) are not on the list; if a listed one tries to open another file, it is refused.

Of several audio streams the one flagged as default is read, else the first. Sample 0 is the first sample from the
decoder, with encoder delay removed as FFmpeg does by default; a stream's start time is ignored. After that, gaps
between timestamps become silence, so that times stay correct. A stream that changes its rate or its channels is read to
its end, in its largest layout, and so are all links of a chained Ogg file.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Never

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.file_view import Extent, FileView, flac_streams, id3_end, ogg_links
from soundseam.pipeline.audio.stream import AudioFormat, DecodeError, Filled, Layout
from soundseam.pipeline.audio.stretches import BlockMaker, Piece, layout_of
from soundseam.pipeline.audio.timeline import Gap, Timeline
from soundseam.pipeline.audio.wav import without_wav_tags

# WAV, RF64, FLAC, Ogg, MP3 with tags, AIFF, Matroska, ASF, AU, CAF.
_MAGIC = (
    *(b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM"),
    *(b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef", b".snd", b"caff"),
)


def is_known_container(path: Path) -> bool:
    """Whether the first bytes are those of a common audio or video container, complete or not."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


def mp3_states_length(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 has a Xing, Info or VBRI header; without one, lengths are estimates."""
    at = file.tell()
    file.seek(id3_end(file))
    frame = file.read(2048)
    file.seek(at)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,"
    "ogg,qcp,rm,tak,truehd,tta,voc,w64,wav,wv"
)
"""FFmpeg's names; matroska includes WebM, mov includes MP4, M4A and 3GP."""

# How much shorter decoded audio may be than these containers state, in ms. Others state nothing, or FFmpeg estimates.
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
_BUFFER_BYTES = 2**17
_MAX_BAD_PACKETS = 10_000
"""Consecutive packets without a sample: after more, a stream no longer counts as audio."""
_MAX_FFMPEG_BYTES = 2**28
"""Maximum of one allocation by FFmpeg, which trusts sizes of tags up to 2 GiB; an index of 24 hours needs 100 MB."""
_SPEECH_MODES: Mapping[str, int] = {"amr_nb": 8, "amr_wb": 9}
"""Frame types from this number up contain no speech: comfort noise or nothing. 3GPP TS 26.101 and 26.201, table 1a."""


class DemuxReader:
    """An AudioReader over the open parts of a file."""

    def __init__(self, source: _Source, layout: Layout | None) -> None:
        self._source = source
        self._pieces = source.pieces()
        # Only a decoded frame has the true rate and channels: the header of HE-AAC gives half the rate.
        first, before = self._first_frame()
        self._before = before
        largest = layout_of(first)
        if layout is not None:
            largest = Layout(*map(max, zip(largest, layout, strict=True)))
        codec = source.stream.codec_context
        assert codec is not None
        self.format = AudioFormat(
            container=source.container.format.name.partition(",")[0],
            codec=codec.codec.canonical_name,
            sample_rate_hz=largest.sample_rate_hz,
            channels=largest.channels,
            bits=8 if first.format.name.startswith("u8") else 16,
        )
        self.format.check()
        tolerance_ms = _TOLERANCE_MS.get(source.container.format.name, 0)
        self.tolerance_frames = tolerance_ms * self.format.sample_rate_hz // 1000
        seconds = source.claimed_seconds()
        self.claimed_frames = None if seconds is None else round(seconds * self.format.sample_rate_hz) or None
        self._maker = BlockMaker(self.format, may_grow=layout is None)

    @property
    def damage(self) -> str | None:
        return self._source.damage

    @property
    def filled(self) -> Sequence[Filled]:
        return self._maker.filled

    def blocks(self) -> Iterator[Samples]:
        return self._maker.blocks(self._all_pieces())

    def _all_pieces(self) -> Iterator[Piece]:
        yield from self._before
        yield from self._pieces

    def _first_frame(self) -> tuple[AudioFrame, Sequence[Piece]]:
        """The first frame, and all pieces up to it."""
        before: list[Piece] = []
        for piece in self._pieces:
            before.append(piece)
            if isinstance(piece, AudioFrame):
                return piece, before
        raise DecodeError(
            "undecodable" if self._source.bad_packets else "no_samples", self._source.damage or "not one sample"
        )


class _Source:
    """The frames of a file's parts, opened one after another; `container` and `stream` are those of the first."""

    def __init__(self, path: Path, file: BinaryIO, parts: Sequence[FileView], missing_ratio: float | None) -> None:
        self._path = path
        self._file = file
        self._parts = parts
        self._missing_ratio = missing_ratio
        self.container = _open_container(path, parts[0])
        try:
            self.stream = _audio_stream(self.container)
        except BaseException:
            self.container.close()
            raise
        self.bad_packets = 0
        self._stopped: str | None = None
        self._timelines: list[Timeline] = []

    @property
    def damage(self) -> str | None:
        jumps = sum(timeline.jumps for timeline in self._timelines)
        said = (
            self._stopped,
            f"{self.bad_packets} packets could not be decoded" if self.bad_packets else None,
            f"the timestamps jump {jumps} times" if jumps else None,
        )
        return "; ".join(text for text in said if text) or None

    def pieces(self) -> Iterator[Piece]:
        yield from self._pieces_of(self.container, self.stream)
        for part in self._parts[1:]:
            try:
                with _open_container(self._path, part) as container:
                    yield from self._pieces_of(container, _audio_stream(container))
            except DecodeError as error:
                self._stopped = f"a later part of the file is left out: {error.detail}"

    def _pieces_of(self, container: InputContainer, stream: AudioStream) -> Iterator[Piece]:
        timeline = Timeline(container.format.name)
        self._timelines.append(timeline)
        for piece in self._decoded(container, stream):
            if isinstance(piece, AudioFrame) and (gap := timeline.gap_before(piece)):
                yield gap
            yield piece

    def _decoded(self, container: InputContainer, stream: AudioStream) -> Iterator[Piece]:
        bad_in_a_row = 0
        packets = container.demux(stream)
        while bad_in_a_row < _MAX_BAD_PACKETS:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._stopped = f"the container ends in damage: {error.strerror}"
                return
            except IndexError:
                # PyAV has no object for a stream that the container announces only now; a new pass continues after it.
                packets = container.demux(stream)
                bad_in_a_row += 1
                continue
            if packet is None:
                return
            if (pause := _pause(packet, stream)) is not None:
                yield pause
                continue
            try:
                frames = packet.decode()
            except FFmpegError:
                self.bad_packets += 1
                bad_in_a_row += 1
                continue
            for frame in frames:
                bad_in_a_row = 0
                assert isinstance(frame, AudioFrame)
                yield frame

    def claimed_seconds(self) -> float | None:
        name = self.container.format.name
        if name not in _TOLERANCE_MS or (name == "mp3" and not mp3_states_length(self._file)):
            return None
        if self.stream.duration is not None and self.stream.time_base is not None:
            seconds = float(self.stream.duration * self.stream.time_base)
        elif self.container.duration is not None and len(self.container.streams) == 1:
            seconds = self.container.duration / av.time_base
        else:
            return None
        return seconds * (self._missing_ratio or 1.0)


@contextmanager
def open_demuxed(path: Path, layout: Layout | None = None) -> Iterator[DemuxReader]:
    """Opens whatever an allow-listed demuxer recognises. Raises DecodeError for anything else.

    `layout` is the layout that the whole stream needs, if an earlier pass found a larger one than at its beginning.
    """
    with path.open("rb", buffering=0) as file:
        parts, missing_ratio = _parts_of(path, file)
        source = _Source(path, file, parts, missing_ratio)
        with source.container:
            yield DemuxReader(source, layout)


def _parts_of(path: Path, file: BinaryIO) -> tuple[Sequence[FileView], float | None]:
    """The parts of a file that FFmpeg gets; and for a WAV the ratio of claimed to present bytes."""
    end = path.stat().st_size
    start = id3_end(file)
    file.seek(start)
    magic = file.read(12)
    if magic[:4] == b"OggS":
        return [FileView(file, extent) for extent in ogg_links(file, start, end)], None
    if magic[:4] == b"fLaC":
        return flac_streams(file, start, end), None
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:] == b"WAVE":
        head, extent, missing_ratio = without_wav_tags(file)
        return [FileView(file, extent, head)], missing_ratio
    return [FileView(file, Extent(min(start, end), end))], None


def _open_container(path: Path, part: FileView) -> InputContainer:
    _bound_memory()
    try:
        container = av.open(
            part,
            mode="r",
            options={"format_whitelist": DEMUXERS, "protocol_whitelist": "none"},
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
            io_open=_refuse,
        )
    except FFmpegError as error:
        if is_known_container(path):
            raise DecodeError("undecodable", f"an audio container, but damaged: {error.strerror}") from error
        raise DecodeError("not_audio", f"not a supported audio container: {error.strerror}") from error
    assert isinstance(container, InputContainer)
    return container


@cache
def _bound_memory() -> None:
    """Makes FFmpeg refuse allocations above the limit in this process; PyAV has no interface for it."""
    try:
        limit = ctypes.CDLL(av._core.__file__).av_max_alloc
    except (AttributeError, OSError):
        return  # a build of PyAV that hides FFmpeg's symbols, as on Windows
    limit.argtypes, limit.restype = [ctypes.c_size_t], None
    limit(_MAX_FFMPEG_BYTES)


def _refuse(url: str, flags: int, options: object) -> Never:  # noqa: ARG001
    raise PermissionError("a recording may not open other files")


def _audio_stream(container: InputContainer) -> AudioStream:
    streams = container.streams.audio
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise DecodeError("no_audio_stream", f"{container.format.name} with these streams: {kinds}")
    chosen = next((stream for stream in streams if stream.disposition & stream.disposition.default), streams[0])
    if chosen.codec_context is None:
        raise DecodeError(
            "unsupported_codec", f"{container.format.name} with a codec that FFmpeg does not support here"
        )
    chosen.codec_context.thread_count = 1
    if chosen.codec_context.name == "flac":
        # Otherwise a damaged frame would become noise, although each has a checksum.
        chosen.codec_context.options = {"err_detect": "crccheck+explode"}
    for other in container.streams:
        if other is not chosen:
            other.discard = Discard.all
    return chosen


def _pause(packet: Packet[AudioStream], stream: AudioStream) -> Gap | None:
    """The 20 ms of a frame in which a speech codec sends no speech; FFmpeg's decoders treat it as damage."""
    codec = stream.codec_context
    assert codec is not None
    speech_modes = _SPEECH_MODES.get(codec.codec.canonical_name)
    if speech_modes is None or packet.size == 0:
        return None
    mode = bytes(packet)[0] >> 3 & 0x0F
    return Gap(codec.sample_rate // 50, codec.sample_rate, is_meant=True) if mode >= speech_modes else None

"""Which reader opens a file: decided by its first bytes, never by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.demux import open_demuxed, wav_missing_ratio
from soundseam.pipeline.audio.stream import AudioFormat, AudioReader, DecodeError

# libsndfile's name of a sample format to FFmpeg's; whatever else a WAV may hold is left to PyAV.
_CODECS = {
    "PCM_U8": "pcm_u8",
    "PCM_16": "pcm_s16le",
    "PCM_24": "pcm_s24le",
    "PCM_32": "pcm_s32le",
    "FLOAT": "pcm_f32le",
    "DOUBLE": "pcm_f64le",
    "ULAW": "pcm_mulaw",
    "ALAW": "pcm_alaw",
}
_FORMATS = {"WAV": "wav", "WAVEX": "wav", "RF64": "wav", "FLAC": "flac"}
# A FLAC stream may leave its length open; libsndfile then says 2^63 - 1.
_MAX_CLAIM = 2**62


def is_pcm_file(path: Path) -> bool:
    """Whether the first bytes are a WAV's or a FLAC's."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"fLaC" or (head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE")


class PcmReader:
    """An AudioReader over an open libsndfile file."""

    tolerance_frames = 0

    def __init__(self, file: soundfile.SoundFile, missing_ratio: float | None) -> None:
        if file.format not in _FORMATS or not (file.format == "FLAC" or file.subtype in _CODECS):
            raise DecodeError("not_audio", f"{file.format} with {file.subtype} is not for the fast path")
        self.format = AudioFormat(
            container=_FORMATS[file.format],
            codec="flac" if file.format == "FLAC" else _CODECS[file.subtype],
            sample_rate_hz=file.samplerate,
            channels=file.channels,
            bits=8 if file.subtype in ("PCM_U8", "PCM_S8") else 16,
        )
        self.format.check()
        frames = file.frames if 0 < file.frames < _MAX_CLAIM else None
        self.claimed_frames = round(frames * missing_ratio) if frames and missing_ratio else frames
        self.damage: str | None = None
        self._file = file

    def blocks(self) -> Iterator[Samples]:
        frames = 0
        while True:
            try:
                block = self._file.read(self.format.block_frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                self.damage = f"damaged after {frames / self.format.sample_rate_hz:.1f} s: {error.error_string}"
                return
            if len(block) == 0:
                return
            frames += len(block)
            yield np.ascontiguousarray(block.T)


@contextmanager
def open_pcm(path: Path) -> Iterator[PcmReader]:
    """Opens a WAV or FLAC. Raises DecodeError for what this path does not read."""
    missing_ratio = wav_missing_ratio(path)
    # By descriptor: with a name, libsndfile would judge some files by their suffix.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            file = soundfile.SoundFile(descriptor, closefd=False)
        except soundfile.LibsndfileError as error:
            raise DecodeError("not_audio", error.error_string) from error
        with file:
            yield PcmReader(file, missing_ratio)
    finally:
        os.close(descriptor)


Opener = Callable[[Path], AbstractContextManager[AudioReader]]


def openers(path: Path) -> tuple[Opener, ...]:
    """The ways to open `path`, fastest first; a later one is for what an earlier one cannot read to the end.

    Raises DecodeError where there is no file with bytes to read.
    """
    try:
        if path.stat().st_size == 0:
            raise DecodeError("empty_file", "0 bytes")
        return (open_pcm, open_demuxed) if is_pcm_file(path) else (open_demuxed,)
    except FileNotFoundError as error:
        raise DecodeError("missing_file", "the file is gone") from error
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or type(error).__name__) from error

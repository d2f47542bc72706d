"""The audio of samples as files: the segment's own FLAC, or the same samples as WAV."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Literal

import soundfile

from annotators.wav import wav_of
from pipeline.export.base import SAMPLE_RATE_HZ, Clip, Place

Container = Literal["wav", "flac"]


def audio_bytes(clip: Clip, container: Container) -> bytes:
    """A clip as a file of `container`, equal sample for sample."""
    if container == "flac":
        return clip.flac
    told = soundfile.info(io.BytesIO(clip.flac))
    if (told.samplerate, told.channels) != (SAMPLE_RATE_HZ, 1):
        raise ValueError(f"{clip.segment_id} is not {SAMPLE_RATE_HZ} Hz mono")
    return wav_of(clip.flac)


def num_samples(clip: Clip) -> int:
    """How many samples a clip holds: its length to the sample, where its times are rounded to milliseconds."""
    return int(soundfile.info(io.BytesIO(clip.flac)).frames)


class AudioFolder:
    """Writes each clip of a part once, to `audio/<part>/<segment_id>.<container>`."""

    def __init__(self, place: Place, container: Container) -> None:
        self._place, self._container = place, container
        self._written: set[str] = set()

    def names(self, clips: Iterable[Clip]) -> list[str]:
        """How lines name the clips, which are written where they are not yet."""
        return [self._name(clip) for clip in clips]

    def _name(self, clip: Clip) -> str:
        parts = ("audio", self._place.part, f"{clip.segment_id}.{self._container}")
        if clip.segment_id not in self._written:
            self._place.path(*parts).write_bytes(audio_bytes(clip, self._container))
            self._written.add(clip.segment_id)
        return self._place.audio_uri(*parts)

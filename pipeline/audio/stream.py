"""What reading audio is about, whichever library does it: the format, the blocks, the limits, the error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from soundseam.annotators.base import Samples

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000
MAX_CHANNELS = 64

HOPS_PER_S = 10
BLOCK_HOPS = 40
"""Blocks are of whole hops, about 4 s of them, so that what is measured by the hop never straddles two blocks."""
BLOCK_VALUES = 2**21
"""Where many channels at a high rate would make a block larger than this, it has fewer hops."""


class DecodeError(Exception):
    """Nothing of a recording can be used: it becomes a row in `rejected`, and the run goes on.

    `reason` is one of a few words that can be counted; `detail` is for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class Layout(NamedTuple):
    """How densely and on how many channels a stretch of audio is sampled."""

    sample_rate_hz: int
    channels: int


@dataclass(frozen=True)
class Filled:
    """Silence among a recording's samples, where the file's timestamps have time and no audio."""

    start_frame: int
    frames: int


@dataclass(frozen=True)
class AudioFormat:
    """How a recording is stored; container and codec bear FFmpeg's names."""

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bits: int
    """Of one stored sample where that is less than 16, else 16: what counts as full scale depends on it."""

    @property
    def layout(self) -> Layout:
        return Layout(self.sample_rate_hz, self.channels)

    @property
    def hop_frames(self) -> int:
        """Frames of one hop, about 100 ms."""
        return self.sample_rate_hz // HOPS_PER_S

    @property
    def block_frames(self) -> int:
        hops = BLOCK_VALUES // (self.hop_frames * self.channels)
        return self.hop_frames * max(1, min(BLOCK_HOPS, hops))

    def check(self) -> None:
        """Raises DecodeError for a rate or a number of channels that no recording of sound has."""
        if not MIN_RATE_HZ <= self.sample_rate_hz <= MAX_RATE_HZ:
            raise DecodeError("unsupported_rate", f"{self.sample_rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} are read")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DecodeError("unsupported_channels", f"{self.channels} channels; 1 to {MAX_CHANNELS} are read")


class AudioReader(Protocol):
    """One open recording, read once from its first sample on."""

    @property
    def format(self) -> AudioFormat: ...

    @property
    def claimed_frames(self) -> int | None:
        """How long the header says the recording is; None if it does not say, or only guesses."""
        ...

    @property
    def tolerance_frames(self) -> int:
        """How far a sound file may fall short of the claim: padding and rounding of its container."""
        ...

    @property
    def damage(self) -> str | None:
        """Once all blocks are read: what was met on the way that could not be decoded."""
        ...

    @property
    def filled(self) -> Sequence[Filled]:
        """Once all blocks are read: where silence stands for what is not there, in order."""
        ...

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, (channels, frames), `format.block_frames` at a time, the last block shorter.

        Stops quietly at damage that it cannot get over.
        """
        ...

"""The interface of audio readers, whatever the library: format, blocks, limits and error."""

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
"""Hops per block, about 4 s: blocks consist of whole hops, so that no hop spans two blocks."""
BLOCK_VALUES = 2**21
"""Maximum number of values in a block: with many channels at a high rate it has fewer hops."""


class DecodeError(Exception):
    """No part of a recording can be used: it becomes a row in `rejected`, and the run goes on.

    `reason` is one of a fixed set of codes; `detail` is for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class Layout(NamedTuple):
    """Sample rate and number of channels of a stretch of audio."""

    sample_rate_hz: int
    channels: int


@dataclass(frozen=True)
class Filled:
    """Silence inserted where the file's timestamps leave a gap."""

    start_frame: int
    frames: int


@dataclass(frozen=True)
class AudioFormat:
    """The format of a recording; container and codec have FFmpeg's names."""

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bits: int
    """Bits per stored sample, at most 16: full scale depends on it."""

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
        """Raises DecodeError for an unsupported sample rate or number of channels."""
        if not MIN_RATE_HZ <= self.sample_rate_hz <= MAX_RATE_HZ:
            raise DecodeError(
                "unsupported_rate", f"{self.sample_rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} are supported"
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise DecodeError("unsupported_channels", f"{self.channels} channels; 1 to {MAX_CHANNELS} are supported")


class AudioReader(Protocol):
    """One open recording, read once from its first sample on."""

    @property
    def format(self) -> AudioFormat: ...

    @property
    def claimed_frames(self) -> int | None:
        """The length in the header; None if there is none, or only an estimate."""
        ...

    @property
    def tolerance_frames(self) -> int:
        """How much shorter than claimed an intact file may be: padding and rounding of its container."""
        ...

    @property
    def damage(self) -> str | None:
        """After all blocks are read: the parts that could not be decoded."""
        ...

    @property
    def filled(self) -> Sequence[Filled]:
        """After all blocks are read: the inserted silence, in order."""
        ...

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, (channels, frames), `format.block_frames` at a time, the last block shorter.

        Stops without an error at damage that it cannot skip.
        """
        ...

"""Quality of a recording, measured at its own rate and on all its channels while it is decoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.spectra import power_spectra
from soundseam.pipeline.audio.channels import ChannelMeter
from soundseam.pipeline.audio.stream import AudioFormat
from soundseam.schemas.recording import Quality

_CLIPPING_RUN = 3
_MAX_SPECTRA = 512
_LOWEST_HZ = 200
"""The noise floor is measured above this: many recordings are high-passed below."""
_OVER_FLOOR_DB = 10.0
_RANGE_DB = (50.0, 75.0)
"""Whatever the floor, levels within 50 dB of the spectrum's peak are sound, and levels 75 dB below it are not."""

_MAX_PEAK = 2.0**31
"""A larger sample cannot be sound in any unit, and would dominate all sums."""


class QualityMeter:
    """Takes a recording block by block, in whole hops except for the last block, so that results do not depend on
    blocks.
    """

    def __init__(self, audio: AudioFormat) -> None:
        self._format = audio
        self._frames = 0
        self._energy = 0.0
        self.peak = 0.0
        self.non_finite = 0
        self.channels = ChannelMeter(audio.channels)
        self._clipping = _ClippingCounter(audio)
        self._spectrum = _LongTermSpectrum(audio)

    def add(self, block: Samples, mean: Samples) -> None:
        """Adds `block` (channels, frames) and its `mean` (frames,).

        After a sample that is not finite, only such samples are counted, and after one out of range nothing: the
        recording is rejected anyway.
        """
        peak = max(float(block.max()), -float(block.min()))
        if self.non_finite or not np.isfinite(peak):
            self.non_finite += int(np.count_nonzero(~np.isfinite(block)))
            return
        self.peak = max(self.peak, peak)
        if self.is_out_of_range:
            return
        hop = self._format.hop_frames
        hops = block.shape[1] // hop
        whole = block[:, : hops * hop].reshape(len(block), hops, hop)
        rest = block[:, hops * hop :]
        hop_energies = np.einsum("chf,chf->ch", whole, whole).astype(np.float64)
        self._frames += block.shape[1]
        self._energy += float(hop_energies.sum()) + float(np.einsum("cf,cf->", rest, rest))
        self.channels.add(block, mean, hop)
        self._clipping.add(block, peak)
        self._spectrum.add(whole)

    @property
    def is_out_of_range(self) -> bool:
        return self.peak > _MAX_PEAK

    @property
    def is_usable(self) -> bool:
        """Whether all samples so far are valid."""
        return self.non_finite == 0 and not self.is_out_of_range

    def quality(self) -> Quality:
        samples = self._frames * self._format.channels
        return Quality(
            level_dbfs=_decibels(self._energy / samples) if self._energy > 0.0 else None,
            peak_dbfs=_decibels(self.peak**2) if self.peak > 0.0 else None,
            clipping_share=round(self._clipping.count / samples, 6),
            bandwidth_hz=self._spectrum.bandwidth_hz(),
            channel_relation=self.channels.relation(),
            downmix=self.channels.downmix(),
        )


def _decibels(power: float) -> float:
    return round(10.0 * float(np.log10(power)), 2)


class _ClippingCounter:
    """Samples in runs of three or more at full scale, channel by channel, across blocks."""

    def __init__(self, audio: AudioFormat) -> None:
        # The largest 8-bit sample is 127/128. Above 16 bits, and after a lossy codec, clipping is a little lower.
        self._full_scale = 1 - 2.0**-7 if audio.bits <= 8 else 1 - 2.0**-11
        self._tail = np.zeros((audio.channels, 2), bool)
        self._tail_counted = np.zeros((audio.channels, 2), bool)
        self.count = 0

    def add(self, block: Samples, peak: float) -> None:
        if peak < self._full_scale:
            self._tail[:] = False
            return
        full = np.concatenate([self._tail, np.abs(block) >= self._full_scale], axis=1)
        thirds = full[:, 2:] & full[:, 1:-1] & full[:, :-2]
        in_run = np.zeros_like(full)
        in_run[:, :2] = self._tail_counted & self._tail
        for shift in range(_CLIPPING_RUN):
            in_run[:, shift : shift + thirds.shape[1]] |= thirds
        self.count += int(in_run.sum()) - int((self._tail_counted & self._tail).sum())
        self._tail, self._tail_counted = full[:, -2:], in_run[:, -2:]


class _LongTermSpectrum:
    """Mean power spectrum over at most 1,024 frames spread evenly over the recording, whatever its length."""

    def __init__(self, audio: AudioFormat) -> None:
        self._rate = audio.sample_rate_hz
        # The largest power of two within 50 ms: bins of about 20 to 30 Hz.
        self._size = 1 << ((audio.sample_rate_hz // 20).bit_length() - 1)
        self._window = np.hanning(self._size)
        self._spectra: list[NDArray[np.float32]] = []
        self._stride = 1
        self._hops = 0

    def add(self, hops: NDArray[np.float32]) -> None:
        """Adds (channels, hops, frames), using the beginning of every `stride`-th hop of the recording."""
        first = -self._hops % self._stride
        self._hops += hops.shape[1]
        taken = hops[:, first :: self._stride, : self._size]
        if taken.shape[1] == 0:
            return
        power = power_spectra(taken, self._window).mean(axis=0)
        # Copies: a row kept as a view would keep the whole block of spectra.
        self._spectra.extend(row.copy() for row in power)
        while len(self._spectra) > 2 * _MAX_SPECTRA:
            self._spectra = self._spectra[::2]
            self._stride *= 2

    def bandwidth_hz(self) -> int | None:
        """The highest frequency with energy over the recording's own floor; null for silence.

        The floor is the quietest twentieth of the spectrum above 200 Hz; energy must be at least 10 dB over it.
        """
        if not self._spectra:
            return None
        power: NDArray[np.float64] = np.mean(np.stack(self._spectra), axis=0, dtype=np.float64)
        power[0] = 0.0
        smooth = np.convolve(power, np.full(5, 0.2), mode="same")
        peak = smooth.max()
        if peak <= 0.0:
            return None
        levels = 10.0 * np.log10(np.maximum(smooth / peak, 1e-12))
        bin_hz = self._rate / self._size
        above = levels[int(_LOWEST_HZ / bin_hz) :]
        threshold = np.clip(np.percentile(above, 5) + _OVER_FLOOR_DB, -_RANGE_DB[1], -_RANGE_DB[0])
        highest = int(np.flatnonzero(levels >= threshold)[-1])
        return round(highest * bin_hz)

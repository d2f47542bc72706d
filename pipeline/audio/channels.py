"""The relation of a recording's channels, and the downmix to one channel.

The rule, for the whole recording:
- a single channel is unchanged;
- channels more than 40 dB below the strongest are unused; if only one carries sound, it alone is taken (the mean would
  only make it quieter), and the relation is `mono`;
- if the mean cancels (anti-phase), the strongest channel is taken: `antiphase`;
- a constant offset is not sound: it counts neither as energy nor as correlation;
- everything else is averaged: equal channels (`identical`), an ordinary stereo picture (`related`), and channels that
  hold different sources, as two speakers on a telephone line do (`independent`): their mean keeps both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.schemas.recording import ChannelRelation, Downmix

_DEAD_SHARE = 1e-4
"""Channels with less than this share of the strongest one's energy, -40 dB, only contain crosstalk or noise."""
_CANCELLED_SHARE = 0.25
"""A hop cancels if its mean has less than a quarter (-6 dB) of the energy expected of unrelated channels: for two
equally loud channels, at a correlation below -0.75.
"""
_ANTIPHASE_SHARE = 0.25
"""A recording is in anti-phase if a quarter of its energy is in hops that cancel; a short effect has less."""
_EQUAL_SHARE = 1e-4
"""Channels are equal if their difference has less than this share of the energy, -40 dB: lossy joint stereo of two
equal channels differs less.
"""
_MIXED_CORRELATION = 0.3
_MIXED_LEVELS = 0.6
"""Channels are independent if the correlations of their samples and of their levels over time are below these. Two
distant microphones have unrelated samples, but similar levels.
"""
_STEADY = 0.1
"""Levels that vary by less than this, 1 dB, are not used for correlation."""
_FLOOR = 1e-8
"""Mean square, -80 dBFS: lower levels count as equally silent."""


def mean_channel(block: Samples) -> Samples:
    """The mean (frames,) of `block` (channels, frames), summed channel by channel: equal on every machine."""
    mean: Samples = block[0].copy()
    for channel in block[1:]:
        mean += channel
    mean *= np.float32(1 / len(block))
    return mean


class ChannelMeter:
    """Sums over a recording, from which relation and downmix are derived at its end."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._energies: NDArray[np.float64] = np.zeros(channels)
        self._products: NDArray[np.float64] = np.zeros((channels, channels))
        self._cancelled_energy = 0.0
        self._energy = 0.0
        self._hops = 0
        self._level_sums: NDArray[np.float64] = np.zeros(channels)
        self._level_products: NDArray[np.float64] = np.zeros((channels, channels))

    def add(self, block: Samples, mean: Samples, hop_frames: int) -> None:
        """Adds `block` (channels, frames) with its `mean` (frames,)."""
        if self._channels == 1:
            return
        block = _without_offset(block, hop_frames)
        self._energies += np.einsum("cf,cf->c", block, block)
        self._products += block @ block.T
        hops = block.shape[1] // hop_frames
        if hops == 0:
            return
        whole = block[:, : hops * hop_frames].reshape(self._channels, hops, hop_frames)
        hop_energies = np.einsum("chf,chf->ch", whole, whole).astype(np.float64)
        mean_hops = _without_offset(mean[np.newaxis, : hops * hop_frames], hop_frames).reshape(hops, hop_frames)
        mean_energies = np.einsum("hf,hf->h", mean_hops, mean_hops).astype(np.float64)
        totals = hop_energies.sum(axis=0)
        cancelled = mean_energies < _CANCELLED_SHARE * totals / self._channels**2
        self._cancelled_energy += float(totals[cancelled].sum())
        self._energy += float(totals.sum())
        levels = np.log10(np.maximum(hop_energies / hop_frames, _FLOOR))
        loud = levels[:, levels.max(axis=0) > np.log10(_FLOOR)]
        self._hops += loud.shape[1]
        self._level_sums += loud.sum(axis=1)
        self._level_products += loud @ loud.T

    @property
    def strongest(self) -> int:
        """Index of the channel with the most energy, the first of equals."""
        return int(np.argmax(self._energies))

    def relation(self) -> ChannelRelation:
        if self._channels == 1:
            return ChannelRelation.MONO
        if self._energies.max() == 0.0:
            return ChannelRelation.IDENTICAL
        live = np.flatnonzero(self._energies > _DEAD_SHARE * self._energies.max())
        if len(live) == 1:
            return ChannelRelation.MONO
        if self._cancelled_energy > _ANTIPHASE_SHARE * self._energy:
            return ChannelRelation.ANTIPHASE
        return self._live_relation(live)

    def _live_relation(self, live: NDArray[np.intp]) -> ChannelRelation:
        """The relation of two or more channels with sound whose mean does not cancel."""
        products = self._products[np.ix_(live, live)]
        if len(live) == self._channels and _are_equal(products):
            return ChannelRelation.IDENTICAL
        if _largest_off_diagonal(_correlation(products)) < _MIXED_CORRELATION and (
            _largest_off_diagonal(self._level_correlation(live)) < _MIXED_LEVELS
        ):
            return ChannelRelation.INDEPENDENT
        return ChannelRelation.RELATED

    def downmix(self) -> Downmix:
        if self._channels == 1:
            return Downmix.NONE
        single = self.relation() in (ChannelRelation.ANTIPHASE, ChannelRelation.MONO)
        return Downmix.STRONGEST if single else Downmix.MEAN

    def _level_correlation(self, live: NDArray[np.intp]) -> NDArray[np.float64]:
        if self._hops == 0:
            return np.zeros((len(live), len(live)))
        means = self._level_sums[live] / self._hops
        covariance = self._level_products[np.ix_(live, live)] / self._hops - np.outer(means, means)
        return _correlation(covariance + np.eye(len(live)) * _STEADY**2)


def _without_offset(block: Samples, hop_frames: int) -> Samples:
    """`block` (channels, frames) without the mean of each hop, and of the frames after the last whole one."""
    channels, frames = block.shape
    whole = frames // hop_frames * hop_frames
    centred = np.empty_like(block)
    hops = block[:, :whole].reshape(channels, -1, hop_frames)
    np.subtract(hops, hops.mean(axis=2, keepdims=True), out=centred[:, :whole].reshape(hops.shape))
    if whole < frames:
        centred[:, whole:] = block[:, whole:] - block[:, whole:].mean(axis=1, keepdims=True)
    return centred


def _are_equal(products: NDArray[np.float64]) -> bool:
    energies = np.diag(products)
    differences = energies + energies[0] - 2.0 * products[0]
    return bool(np.all(differences <= _EQUAL_SHARE * energies[0]))


def _correlation(products: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = np.sqrt(np.maximum(np.diag(products), 1e-30))
    correlation: NDArray[np.float64] = products / np.outer(scale, scale)
    return correlation


def _largest_off_diagonal(matrix: NDArray[np.float64]) -> float:
    """The largest value off the diagonal; negative correlations count as unrelated."""
    return float(np.max(matrix[~np.eye(len(matrix), dtype=bool)]))

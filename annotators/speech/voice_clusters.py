"""Clusters the speakers of short windows, with at most three each, into the speakers of a recording.

Each window gives, for each of its own speakers, its activity and one voice embedding. Embeddings are clustered by
average linkage on the cosine distance, which only needs each cluster's sum and size; so a long recording is clustered
piece by piece in bounded memory. Two voices that the segmentation model separates within one window are further apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.onnx import Floats
from soundseam.annotators.speech.turns import SpeakerSpan
from soundseam.schemas.timespan import TimeSpan

HOP_MS = 20
"""Length of the frames of activity."""
MAX_AT_ONCE = 2
"""Maximum number of speakers per frame: the limit of the segmentation model."""
_POOL = 512
"""Maximum number of clusters compared at once."""

_SEPARATED_MS = 1_000
"""Minimum time alone of two speakers of one window to count as separated by the segmentation model."""
_SEPARATED_DISTANCE = 0.3
"""Added to the distance of such a pair: one person is separated at times, so they may still join."""

_MUCH = 19
"""From this many times `fragment_ms` on, there are enough windows to tell a fragment from somebody who says little."""


class LocalVoice(NamedTuple):
    """A speaker of one window. `embedding` has length 1; `alone_ms` is the time in which nobody else speaks.

    `source` is the segmentation model's speaker, of which there may be several parts with different voices.
    """

    column: int
    embedding: Floats
    alone_ms: int
    source: int


@dataclass(frozen=True)
class WindowVoices:
    """The active speakers of one window: (frames, speakers), frames of HOP_MS from `first_frame` of the recording."""

    first_frame: int
    active: NDArray[np.bool_]
    voices: tuple[LocalVoice, ...]
    doubt: NDArray[np.float16]
    """1 minus the probability of the model's most likely answer, per frame, NaN where that is silence: (frames,)."""


class Clustering(NamedTuple):
    """Options of the backend for clustering. Times alone are summed over windows, which overlap."""

    max_distance: float
    """Maximum cosine distance of clusters to join."""
    min_voice_ms: int
    """Voices with less time alone are not used for clustering."""
    min_speaker_ms: int
    """Clusters with less time alone do not count as speakers."""
    fragment_ms: int
    """In recordings with much speech, clusters with less time alone are fragments of other speakers."""


class Clusters(NamedTuple):
    """Sums of embeddings (clusters, size), their number of members, and their time alone in ms.

    `separated` is the number of pairs of members that are different speakers of one window: (clusters, clusters).
    """

    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]
    alone_ms: NDArray[np.float64]
    separated: NDArray[np.float64]

    @property
    def centres(self) -> NDArray[np.float64]:
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        centres: NDArray[np.float64] = self.sums / np.maximum(lengths, 1e-9)
        return centres


def speaker_centres(windows: Sequence[WindowVoices], clustering: Clustering) -> NDArray[np.float64]:
    """A voice of unit length per speaker, (speakers, size), in order of first appearance; (0, 0) without voices."""
    found = [(number, voice) for number, window in enumerate(windows) for voice in window.voices]
    if not found:
        return np.zeros((0, 0))
    sure = [each for each in found if each[1].alone_ms >= clustering.min_voice_ms]
    clusters = _joined_piecewise(sure or [max(found, key=lambda each: each[1].alone_ms)], clustering.max_distance)
    has_fragments = clusters.alone_ms.sum() >= _MUCH * clustering.fragment_ms
    lasting = clusters.alone_ms >= max(clustering.min_speaker_ms, clustering.fragment_ms if has_fragments else 0)
    if not lasting.any():
        lasting[int(clusters.alone_ms.argmax())] = True
    return clusters.centres[lasting]


def _joined_piecewise(voices: Sequence[tuple[int, LocalVoice]], max_distance: float) -> Clusters:
    """Clusters of `voices`, each with the number of its window. When the pool is full, its nearest clusters are joined
    until half of it is free."""
    pool = clusters_of([])
    for start in range(0, len(voices), _POOL // 2):
        part = clusters_of(voices[start : start + _POOL // 2])
        pool = _side_by_side(pool, part) if len(pool.sizes) else part
        pool = joined(pool, max_distance, _POOL // 2)
    return joined(pool, max_distance, 1)


def clusters_of(voices: Sequence[tuple[int, LocalVoice]]) -> Clusters:
    """A cluster per voice; each comes with the number of its window."""
    windows = np.array([number for number, _ in voices])
    sources = np.array([voice.source for _, voice in voices])
    alone_ms = np.array([voice.alone_ms for _, voice in voices], dtype=np.float64)
    differ = (windows[:, None] == windows) & (sources[:, None] != sources)
    enough = alone_ms >= _SEPARATED_MS
    return Clusters(
        np.array([voice.embedding for _, voice in voices], dtype=np.float64),
        np.ones(len(voices)),
        alone_ms,
        (differ & enough & enough[:, None]).astype(np.float64),
    )


def _side_by_side(one: Clusters, other: Clusters) -> Clusters:
    """The clusters of both, of different windows."""
    between = np.zeros((len(one.sizes), len(other.sizes)))
    return Clusters(
        np.concatenate((one.sums, other.sums)),
        np.concatenate((one.sizes, other.sizes)),
        np.concatenate((one.alone_ms, other.alone_ms)),
        np.block([[one.separated, between], [between.T, other.separated]]),
    )


def joined(clusters: Clusters, max_distance: float, enough: int) -> Clusters:
    """`clusters` joined pair by pair, the nearest first, until `enough` are left or all are further apart.

    The mean cosine of two clusters' members is the product of their sums over that of their sizes.
    """
    sums, sizes, alone_ms, separated = (part.copy() for part in clusters)
    remaining = np.ones(len(sums), dtype=np.bool_)
    distances = 1.0 - (sums @ sums.T - _SEPARATED_DISTANCE * separated) / np.outer(sizes, sizes)
    np.fill_diagonal(distances, np.inf)
    while remaining.sum() > max(1, enough):
        into, other = divmod(int(distances.argmin()), len(sums))
        if distances[into, other] > max_distance:
            break
        sums[into] += sums[other]
        sizes[into] += sizes[other]
        alone_ms[into] += alone_ms[other]
        separated[into] += separated[other]
        separated[:, into] += separated[:, other]
        remaining[other] = False
        row = 1.0 - (sums @ sums[into] - _SEPARATED_DISTANCE * separated[into]) / (sizes * sizes[into])
        row[~remaining] = np.inf
        row[into] = np.inf
        distances[into], distances[:, into] = row, row
        distances[other], distances[:, other] = np.inf, np.inf
    return Clusters(sums[remaining], sizes[remaining], alone_ms[remaining], separated[np.ix_(remaining, remaining)])


def reunited(window: WindowVoices, centres: NDArray[np.float64]) -> WindowVoices:
    """`window` with the parts of one of the segmentation model's speakers as one, if nearest to the same centre."""
    if not len(centres):
        return window
    groups: dict[tuple[int, int], list[LocalVoice]] = {}
    for voice in window.voices:
        groups.setdefault((voice.source, int((centres @ voice.embedding).argmax())), []).append(voice)
    if len(groups) == len(window.voices):
        return window
    active = window.active.copy()
    for first, *others in groups.values():
        for other in others:
            active[:, first.column] |= active[:, other.column]
            active[:, other.column] = False
    return replace(window, active=active, voices=tuple(_as_one(group) for group in groups.values()))


def _as_one(voices: Sequence[LocalVoice]) -> LocalVoice:
    """`voices` as one, under the first one's column."""
    if len(voices) == 1:
        return voices[0]
    mean = np.sum([max(1, voice.alone_ms) * voice.embedding for voice in voices], axis=0)
    embedding = (mean / max(1e-9, float(np.linalg.norm(mean)))).astype(np.float32)
    return voices[0]._replace(embedding=embedding, alone_ms=sum(voice.alone_ms for voice in voices))


def turns_of(windows: Sequence[WindowVoices], centres: NDArray[np.float64]) -> list[SpeakerSpan]:
    """The turns in neighbouring windows, in the recording's time, with labels S1, S2, ... of the centres."""
    found = active_frames(windows, centres)
    first = min((window.first_frame for window in windows), default=0)
    turns = []
    for speaker in range(found.shape[1]):
        edges = np.flatnonzero(np.diff(found[:, speaker].astype(np.int8), prepend=0, append=0)) + first
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            turns.append(SpeakerSpan(f"S{speaker + 1}", TimeSpan(start * HOP_MS, end * HOP_MS)))
    return turns


def doubt_in(windows: Sequence[WindowVoices], first: int, last: int) -> float:
    """Mean doubt of the frames from `first` to before `last` in which somebody speaks; 1 if nobody does."""
    parts = [window.doubt[_rows(window, first, last)] for window in windows]
    doubts = np.concatenate(parts) if parts else np.zeros(0)
    doubts = doubts[~np.isnan(doubts)]
    return float(doubts.mean(dtype=np.float64)) if doubts.size else 1.0


def voices_at_once(windows: Sequence[WindowVoices], first: int, last: int, min_ms: int) -> int:
    """The maximum number of speakers in one window, each with at least `min_ms` from `first` to before `last`."""
    counts = [
        int((window.active[_rows(window, first, last)].sum(axis=0) * HOP_MS >= min_ms).sum()) for window in windows
    ]
    return max(counts, default=0)


def voice_margin(
    windows: Sequence[WindowVoices], centres: NDArray[np.float64], first: int, last: int, min_ms: int
) -> float:
    """How much more similar the least clear voice is to its own speaker than to any other, by cosine: -1 to 1.

    Of voices with at least `min_ms` alone, and as much from frame `first` to before `last`; 1 if there is no other
    speaker, -1 if a voice has no speaker of its own.
    """
    margins = [1.0]
    for window in windows:
        speaker_of = dict(assigned(window.voices, centres))
        for voice in window.voices:
            active_ms = int(window.active[_rows(window, first, last), voice.column].sum()) * HOP_MS
            if min(voice.alone_ms, active_ms) < min_ms:
                continue
            likeness = centres @ voice.embedding
            own = speaker_of.get(voice.column)
            others = np.delete(likeness, [] if own is None else own)
            if own is None:
                margins.append(-1.0)
            elif others.size:
                margins.append(float(likeness[own] - others.max()))
    return min(margins)


def _rows(window: WindowVoices, first: int, last: int) -> slice:
    start = max(0, first - window.first_frame)
    return slice(start, max(start, min(len(window.active), last - window.first_frame)))


def active_frames(windows: Sequence[WindowVoices], centres: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Who speaks in each frame, (frames, speakers), from the first window's first frame on.

    Each window assigns its speakers to the nearest centres, no two to the same. The number of speakers in a frame is
    the windows' average, at most MAX_AT_ONCE; those with the most votes are active.
    """
    first = min((window.first_frame for window in windows), default=0)
    last = max((window.first_frame + len(window.active) for window in windows), default=0)
    votes = np.zeros((last - first, len(centres)), dtype=np.uint8)
    counted = np.zeros(last - first, dtype=np.uint8)
    num_windows = np.zeros(last - first, dtype=np.uint8)
    for window in windows:
        frames = slice(window.first_frame - first, window.first_frame - first + len(window.active))
        num_windows[frames] += 1
        counted[frames] += window.active.sum(axis=1, dtype=np.uint8)
        for column, speaker in assigned(window.voices, centres):
            votes[frames, speaker] += window.active[:, column]
    speaking = np.minimum(
        (2 * counted.astype(np.int64) + num_windows) // np.maximum(2 * num_windows.astype(np.int64), 1), MAX_AT_ONCE
    )
    found = np.zeros(votes.shape, dtype=np.bool_)
    ranked = np.argsort(-votes.astype(np.int16), axis=1, kind="stable")
    for rank in range(min(MAX_AT_ONCE, len(centres))):
        frames_so = np.flatnonzero(speaking > rank)
        speakers = ranked[frames_so, rank]
        found[frames_so, speakers] = votes[frames_so, speakers] > 0
    return found


def assigned(voices: Sequence[LocalVoice], centres: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(column, speaker) of each voice with a speaker: the most similar first, no two voices with one speaker."""
    if not voices or not len(centres):
        return []
    likeness = np.array([voice.embedding for voice in voices]) @ centres.T
    pairs = []
    for _ in range(min(likeness.shape)):
        index, speaker = divmod(int(likeness.argmax()), likeness.shape[1])
        pairs.append((voices[index].column, speaker))
        likeness[index], likeness[:, speaker] = -np.inf, -np.inf
    return pairs

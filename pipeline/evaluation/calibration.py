"""Quality of probabilities: accuracy, sharpness and calibration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record, draw
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

BINS = 10


class Bin(Record):
    """Similar probabilities, and the share of true claims among them."""

    low: float
    high: float
    count: int
    mean_probability: float
    share_true: float


class Calibration(Record):
    """Scores of probabilities compared with the truth; lower Brier and ECE are better."""

    count: int
    accuracy: float
    """Share on the right side of 0.5."""
    brier: float
    """Mean squared distance from the truth."""
    ece: float
    """Expected calibration error: mean difference of probability and true share over ten bins, weighted by size."""
    auc: float | None
    """Probability that a true claim scores higher than a false one, ties count half; None if there is only one kind."""
    bins: tuple[Bin, ...]
    """The non-empty bins, from 0 to 1."""


def calibrate(probabilities: Sequence[float], truths: Sequence[bool]) -> Calibration | None:
    """None for nothing. Raises ValueError for lists of different length."""
    pairs = list(zip(probabilities, truths, strict=True))
    if not pairs:
        return None
    bins = tuple(_bins(pairs))
    return Calibration(
        count=len(pairs),
        accuracy=sum((p >= 0.5) == truth for p, truth in pairs) / len(pairs),
        brier=sum((p - truth) ** 2 for p, truth in pairs) / len(pairs),
        ece=sum(one.count * abs(one.mean_probability - one.share_true) for one in bins) / len(pairs),
        auc=_auc(pairs),
        bins=bins,
    )


def _bins(pairs: Sequence[tuple[float, bool]]) -> list[Bin]:
    found = []
    for number in range(BINS):
        members = [(p, truth) for p, truth in pairs if min(BINS - 1, int(p * BINS)) == number]
        if members:
            found.append(
                Bin(
                    low=number / BINS,
                    high=(number + 1) / BINS,
                    count=len(members),
                    mean_probability=sum(p for p, _ in members) / len(members),
                    share_true=sum(truth for _, truth in members) / len(members),
                )
            )
    return found


def _auc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """By ranks, those of ties averaged (Mann-Whitney)."""
    true, false = sum(truth for _, truth in pairs), sum(not truth for _, truth in pairs)
    if not true or not false:
        return None
    ordered = sorted(pairs)
    ranks = 0.0
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            end += 1
        ranks += (start + 1 + end) / 2 * sum(truth for _, truth in ordered[start:end])
        start = end
    return (ranks - true * (true + 1) / 2) / (true * false)


SCENE = "scene"
"""The branch of a claim that only rests on the segment's own row."""
_TRIES = 20


@dataclass(frozen=True)
class Trial:
    """A claim to check against a segment's audio, and whether it is the segment's own."""

    segment_id: str
    recording_id: str
    text: str
    language: str
    is_own: bool
    branch: str
    """The branch whose rows the claim rests on, or scene."""
    event_class: EventClass | None
    """The segment's strongest class."""


def trials_of(captions: Sequence[Caption], segments: Mapping[str, Segment], seed: int) -> list[Trial]:
    """For each claim of each caption, the claim itself and a substitute, in the captions' order.

    The substitute is drawn from another recording: of the same branch and language, and worded differently from every
    claim of this caption. A caption without possible substitutes has no trials. The same captions and seed give the
    same trials. A substitute may happen to be true: figures are a lower bound.
    """
    pool: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for caption in captions:
        for claim in caption.claims:
            pool[branch_of(claim), caption.language].append((caption.recording_id, claim.text))
    return [trial for caption in captions for trial in _trials(caption, segments[caption.segment_id], pool, seed)]


def branch_of(claim: Claim) -> str:
    """The branch whose rows a claim rests on: the first that it cites."""
    branches = (one.table.partition("/")[2] for one in claim.evidence if one.table != Table.SEGMENTS)
    return next(branches, SCENE)


def _trials(
    caption: Caption, segment: Segment, pool: Mapping[tuple[str, str], Sequence[tuple[str, str]]], seed: int
) -> Iterator[Trial]:
    own = {claim.text for claim in caption.claims}
    leading = segment.profile[0].event_class if segment.profile else None
    used: set[str] = set()
    for index, claim in enumerate(caption.claims):
        branch = branch_of(claim)
        candidates = pool[branch, caption.language]
        other = _swap(candidates, caption.recording_id, own | used, (seed, caption.segment_id, index))
        if other is not None:
            used.add(other)
            for text, is_own in ((claim.text, True), (other, False)):
                yield Trial(caption.segment_id, caption.recording_id, text, caption.language, is_own, branch, leading)


def _swap(
    candidates: Sequence[tuple[str, str]], recording_id: str, taken: set[str], lot: tuple[int, str, int]
) -> str | None:
    seed, segment_id, index = lot
    for attempt in range(_TRIES):
        place = int(draw(seed, segment_id, str(index), str(attempt)) * len(candidates))
        origin, text = candidates[place]
        if origin != recording_id and text not in taken:
            return text
    others = (text for origin, text in candidates if origin != recording_id and text not in taken)
    return next(others, None)

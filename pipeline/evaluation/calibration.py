"""How good probabilities are: right or wrong, sharp or not, and whether they mean what they say."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.record import Record

BINS = 10


class Bin(Record):
    """Probabilities that are nearly alike, and how often what they speak of was true."""

    low: float
    high: float
    count: int
    mean_probability: float
    share_true: float


class Calibration(Record):
    """Figures of probabilities against the truth; the lower Brier and ECE, the better."""

    count: int
    accuracy: float
    """Share on the right side of 0.5."""
    brier: float
    """Mean squared distance to the truth."""
    ece: float
    """Expected calibration error: mean distance of probability and share of truth over ten bins, by their sizes."""
    auc: float | None
    """How often a true claim is more probable than a false one, halves for ties; None where there is only one kind."""
    bins: tuple[Bin, ...]
    """Those that hold anything, from 0 to 1."""


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

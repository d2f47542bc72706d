"""True claims and false ones about the same audio: a segment's own, and those of other recordings in their place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.drawing import draw
from schemas.caption import Caption
from schemas.claim import Claim
from schemas.event import EventClass
from schemas.segment import Segment
from schemas.tables import Table

SCENE = "scene"
"""What a claim is about that rests on the segment's own row alone."""
_TRIES = 20


@dataclass(frozen=True)
class Trial:
    """A claim held against a segment's audio, and whether it is the segment's own."""

    segment_id: str
    recording_id: str
    text: str
    language: str
    is_own: bool
    branch: str
    """Whose rows the claim rests on, speech, music or general, or scene."""
    event_class: EventClass | None
    """The segment's strongest class."""


def trials_of(captions: Sequence[Caption], segments: Mapping[str, Segment], seed: int) -> list[Trial]:
    """For each claim of each caption itself and one in its place, in the captions' order.

    The other claim is drawn from another recording: of the same branch and language, and in other words than any claim
    of this caption. A caption whose claims no other recording can replace has no trials. The same captions and seed
    give the same trials. What was swapped in may happen to be true here as well: figures are a lower bound.
    """
    pool: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for caption in captions:
        for claim in caption.claims:
            pool[branch_of(claim), caption.language].append((caption.recording_id, claim.text))
    return [trial for caption in captions for trial in _trials(caption, segments[caption.segment_id], pool, seed)]


def branch_of(claim: Claim) -> str:
    """The branch whose rows a claim rests on, the first it cites."""
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

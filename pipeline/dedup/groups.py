"""From pairs to rows: clusters of segments, groups of recordings, the best match of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.dedup.fingerprint import FRAME_MS
from pipeline.dedup.match import Pair
from schemas.duplicate import Duplicate, Match, Relation
from schemas.record import Record


class Item(Record):
    """What is compared, by its number in the index: a segment, or an item of an evaluation set."""

    name: str
    recording_id: str | None
    source: str | None
    """The evaluation set; null for the corpus."""


class Sets:
    """Names joined into sets; the least name of a set stands for it."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        root = name
        while (above := self._parent.get(root, root)) != root:
            root = above
        while (above := self._parent.get(name, name)) != root:
            self._parent[name], name = root, above
        return root

    def join(self, one: str, other: str) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low


class Linked:
    """Collects who is linked to whom, and how well."""

    def __init__(self) -> None:
        self._clusters, self._groups = Sets(), Sets()
        self._recordings: dict[str, str] = {}
        self._corpus: dict[str, Match] = {}
        self._evaluation: dict[str, Match] = {}
        self._originals: dict[str, str] = {}

    def link(self, one: Item, other: Item, match: Match) -> None:
        """`match` is `other` as `one` has it."""
        if one.source is None:
            self._note(one, other, match)
        if other.source is None:
            back = match.model_copy(update={"name": one.name, "source": one.source, "offset_ms": -match.offset_ms})
            self._note(other, one, back)
        if one.recording_id and other.recording_id and one.source is None and other.source is None:
            self._clusters.join(one.name, other.name)
            self._groups.join(one.recording_id, other.recording_id)

    def link_copy(self, copy: Item, original: Item, duration_ms: int) -> None:
        """Two segments with equal samples; the copy is compared with nothing else, its original is."""
        self._originals[copy.name] = original.name
        self.link(copy, original, exact_match(original, duration_ms))

    def _note(self, item: Item, other: Item, match: Match) -> None:
        self._recordings[item.name] = str(item.recording_id)
        best = self._corpus if other.source is None else self._evaluation
        known = best.get(item.name)
        if known is None or _rank(match) < _rank(known):
            best[item.name] = match

    def rows(self) -> Iterator[Duplicate]:
        """In order of segment."""
        for segment_id, recording_id in sorted(self._recordings.items()):
            in_corpus = segment_id in self._corpus
            cluster = self._clusters.find(segment_id) if in_corpus else None
            yield Duplicate(
                segment_id=segment_id,
                recording_id=recording_id,
                cluster=cluster,
                group=self._groups.find(recording_id) if in_corpus else None,
                first=cluster in (None, segment_id),
                corpus=self._corpus.get(segment_id),
                evaluation=self._evaluation.get(self._originals.get(segment_id, segment_id)),
            )


def _rank(match: Match) -> tuple[bool, float, str]:
    return match.relation is not Relation.EXACT, -match.similarity, match.name


def link_pairs(linked: Linked, items: Sequence[Item], pairs: Iterable[Pair]) -> None:
    for pair in pairs:
        one, other = items[pair.one], items[pair.other]
        match = Match(
            name=other.name,
            source=other.source,
            relation=Relation.NEAR,
            offset_ms=pair.offset_frames * FRAME_MS,
            overlap_ms=pair.overlap_ms,
            similarity=pair.similarity,
        )
        linked.link(one, other, match)


def exact_match(other: Item, duration_ms: int) -> Match:
    return Match(
        name=other.name,
        source=other.source,
        relation=Relation.EXACT,
        offset_ms=0,
        overlap_ms=duration_ms,
        similarity=1.0,
    )

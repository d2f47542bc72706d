"""Facts in doubt: what a verifier did not confirm, and what another source contradicts, is no answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.caption import Caption
from schemas.claim import Claim, Evidence, Verdict
from schemas.plan import Conflict


class Place(NamedTuple):
    """Where a value stands: a field of a row, or an item of a list with all that is in it."""

    table: str
    backend: str | None
    field: str


def doubted_places(caption: Caption | None) -> frozenset[Place]:
    """What the merge and the verifier of a segment left in doubt; nothing where neither has looked."""
    if caption is None:
        return frozenset()
    return _unconfirmed(caption.claims) | _contradicted(caption.plan.conflicts)


def is_doubted(evidence: Iterable[Evidence], doubted: frozenset[Place]) -> bool:
    """Whether any of the evidence stands at a doubted place, or in a doubted list."""
    return bool(doubted) and any(doubted & _around(place_of(one)) for one in evidence)


def place_of(evidence: Evidence) -> Place:
    parts = evidence.field.split(".")
    of_item = len(parts) > 1 and (parts[1].isdigit() or parts[1] == "*")
    return Place(evidence.table, evidence.backend, ".".join(parts[:2] if of_item else parts))


def _unconfirmed(claims: Iterable[Claim]) -> frozenset[Place]:
    """What unsure and dropped claims rest on, but for what a confirmed claim rests on too.

    A claim that does not hold has something wrong in its evidence, and nobody knows what.
    """
    doubted: set[Place] = set()
    confirmed: set[Place] = set()
    for claim in claims:
        places = confirmed if claim.verdict is Verdict.CONFIRMED else doubted
        if claim.verdict is not None:
            places.update(map(place_of, claim.evidence))
    return frozenset(doubted - confirmed)


def _contradicted(conflicts: Iterable[Conflict]) -> frozenset[Place]:
    """The losing sources; all of them where a conflict is open."""
    sources = (source for conflict in conflicts for source in conflict.against)
    return frozenset(map(_place_of_source, sources))


def _place_of_source(source: str) -> Place:
    """Of TABLE/BACKEND/FIELD, where a table's name may hold a stroke itself."""
    table, backend, field = source.rsplit("/", 2)
    return Place(table, backend or None, field)


def _around(place: Place) -> frozenset[Place]:
    """The place, and where all items of its list stand."""
    head, dot, index = place.field.partition(".")
    if not (dot and index.isdigit()):
        return frozenset({place})
    return frozenset({place, place._replace(field=f"{head}.*"), place._replace(field=head)})

"""Packs documents of known length into sequences of a fixed context length, as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

DocumentT = TypeVar("DocumentT")


@dataclass(frozen=True)
class Entry(Generic[DocumentT]):
    """A document with its length and the segments or texts it reveals."""

    document: DocumentT
    tokens: int
    about: frozenset[str]


@dataclass
class Pack(Generic[DocumentT]):
    """Documents that share one context, no two of them about the same segment: one might tell the other's answer."""

    entries: list[Entry[DocumentT]] = field(default_factory=list)
    tokens: int = 0
    about: set[str] = field(default_factory=set)

    def has_room(self, entry: Entry[DocumentT], context: int) -> bool:
        return self.tokens + entry.tokens <= context and self.about.isdisjoint(entry.about)

    def add(self, entry: Entry[DocumentT]) -> None:
        self.entries.append(entry)
        self.tokens += entry.tokens
        self.about |= entry.about


class Packer(Generic[DocumentT]):
    """First fit over at most `max_open` packs: a document goes into the first one with room, in order of their age.

    If none has room and all are open, the fullest is finished. Memory is bounded by the open packs; equal documents in
    equal order give equal packs.
    """

    def __init__(self, context: int, max_open: int) -> None:
        self._context, self._max_open = context, max_open
        self._open: list[Pack[DocumentT]] = []

    def add(self, entry: Entry[DocumentT]) -> Iterator[Pack[DocumentT]]:
        """Adds a document of at most `context` tokens; yields the pack that had to be finished for it, if any."""
        if entry.tokens > self._context:
            raise ValueError(f"a document of {entry.tokens} tokens is longer than a context of {self._context}")
        chosen = _first_fit(self._open, entry, self._context)
        if chosen is None:
            if len(self._open) == self._max_open:
                fullest = max(self._open, key=lambda pack: pack.tokens)
                self._open.remove(fullest)
                yield fullest
            chosen = Pack()
            self._open.append(chosen)
        chosen.add(entry)

    def close(self) -> Iterator[Pack[DocumentT]]:
        """The packs still open, their documents packed again, the longest first, if that takes fewer packs."""
        entries = [entry for pack in self._open for entry in pack.entries]
        again = _first_fit_decreasing(entries, self._context)
        yield from again if len(again) < len(self._open) else self._open
        self._open = []


def _first_fit(packs: Sequence[Pack[DocumentT]], entry: Entry[DocumentT], context: int) -> Pack[DocumentT] | None:
    return next((pack for pack in packs if pack.has_room(entry, context)), None)


def _first_fit_decreasing(entries: Sequence[Entry[DocumentT]], context: int) -> list[Pack[DocumentT]]:
    packs: list[Pack[DocumentT]] = []
    for entry in sorted(entries, key=lambda entry: -entry.tokens):
        chosen = _first_fit(packs, entry, context)
        if chosen is None:
            chosen = Pack()
            packs.append(chosen)
        chosen.add(entry)
    return packs

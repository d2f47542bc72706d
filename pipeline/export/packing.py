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

    If none has room and all are open, it waits; when half as many tokens wait as the open packs can hold, the fullest
    pack is finished. Without waiting, documents about the same segment, which come together, would finish packs that
    are nearly empty. Memory is bounded by open packs and waiting documents; equal documents in equal order give equal
    packs.
    """

    def __init__(self, context: int, max_open: int) -> None:
        self._context, self._max_open = context, max_open
        self._open: list[Pack[DocumentT]] = []
        self._waiting: list[Entry[DocumentT]] = []

    def add(self, entry: Entry[DocumentT]) -> Iterator[Pack[DocumentT]]:
        """Adds a document of at most `context` tokens; yields the packs that had to be finished for it."""
        if entry.tokens > self._context:
            raise ValueError(f"a document of {entry.tokens} tokens is longer than a context of {self._context}")
        if not self._place(entry):
            self._waiting.append(entry)
        while 2 * sum(one.tokens for one in self._waiting) > self._max_open * self._context:
            fullest = max(self._open, key=lambda pack: pack.tokens)
            self._open.remove(fullest)
            yield fullest
            self._waiting = [one for one in self._waiting if not self._place(one)]

    def close(self) -> Iterator[Pack[DocumentT]]:
        """The packs still open, their documents packed again, the longest first, if that takes fewer packs."""
        entries = [entry for pack in self._open for entry in pack.entries]
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            if not self._place(entry):
                self._open.append(_pack_of(entry))
        again = _first_fit_decreasing([*entries, *waiting], self._context)
        yield from again if len(again) < len(self._open) else self._open
        self._open = []

    def _place(self, entry: Entry[DocumentT]) -> bool:
        chosen = _first_fit(self._open, entry, self._context)
        if chosen is not None:
            chosen.add(entry)
        elif len(self._open) < self._max_open:
            self._open.append(_pack_of(entry))
        else:
            return False
        return True


def _pack_of(entry: Entry[DocumentT]) -> Pack[DocumentT]:
    pack: Pack[DocumentT] = Pack()
    pack.add(entry)
    return pack


def _first_fit(packs: Sequence[Pack[DocumentT]], entry: Entry[DocumentT], context: int) -> Pack[DocumentT] | None:
    return next((pack for pack in packs if pack.has_room(entry, context)), None)


def _first_fit_decreasing(entries: Sequence[Entry[DocumentT]], context: int) -> list[Pack[DocumentT]]:
    packs: list[Pack[DocumentT]] = []
    for entry in sorted(entries, key=lambda entry: -entry.tokens):
        chosen = _first_fit(packs, entry, context)
        if chosen is None:
            packs.append(_pack_of(entry))
        else:
            chosen.add(entry)
    return packs

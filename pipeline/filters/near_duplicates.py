"""Finds captions with nearly the same words in a stream: MinHash with locality-sensitive hashing.

The similarity of two captions is the share of their word sequences that they have in common (Jaccard). MinHash
estimates it from signatures; captions that agree in one of a few bands of their signatures are compared. The bands are
those of datasketch for the requested similarity: of pairs exactly at it about half are found, of clearly more similar
ones nearly all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseam.pipeline.filters.config import NearDuplicates

_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+(?:['\u2019][^\W_]+)*")
_CHUNK = 65_536
"""Signatures per block of memory."""

_MAX_FOR_BANDS = 0.9
"""Maximum similarity for choosing bands: above it there would be too few; extra candidates are compared and dropped."""

Signature = NDArray[np.uint32]
Bucket = dict[int, list[int] | int]
"""Key of a band → the captions in the index with it; a list only if there are several, to save memory."""


class Sketch(NamedTuple):
    """A caption's signature, and a key for each of its bands."""

    signature: Signature
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Alike:
    """A caption in the index, and its similarity to another one."""

    name: str
    similarity: float


class NearDuplicateIndex:
    """The unfiltered captions so far. Memory only grows with them: about 1.4 kB each with 128 permutations."""

    def __init__(self, config: NearDuplicates) -> None:
        from datasketch import MinHash, MinHashLSH

        self._config = config
        shape = MinHashLSH(threshold=min(config.similarity, _MAX_FOR_BANDS), num_perm=config.permutations)
        self._rows = shape.r
        self._starts = range(0, shape.b * shape.r, shape.r)
        self._empty = MinHash(num_perm=config.permutations, seed=1)
        self._buckets: list[Bucket] = [{} for _ in self._starts]
        self._signatures: list[Signature] = []
        self._names: list[str] = []

    def look_up(self, text: str) -> tuple[Sketch, list[Alike]]:
        """The sketch of `text`, and the similar captions in the index, the most similar first."""
        sketch = self._sketch(text)
        found = {index for bucket, key in zip(self._buckets, sketch.keys, strict=True) for index in _of(bucket, key)}
        alike = [Alike(self._names[index], self._similarity(sketch.signature, index)) for index in found]
        near = [one for one in alike if one.similarity >= self._config.similarity]
        return sketch, sorted(near, key=lambda one: (-one.similarity, one.name))

    def keep(self, name: str, sketch: Sketch) -> None:
        """Adds an unfiltered caption."""
        index = len(self._names)
        self._names.append(name)
        if index % _CHUNK == 0:
            self._signatures.append(np.zeros((_CHUNK, self._config.permutations), np.uint32))
        self._signatures[-1][index % _CHUNK] = sketch.signature
        for bucket, key in zip(self._buckets, sketch.keys, strict=True):
            held = bucket.get(key)
            bucket[key] = index if held is None else [*_of(bucket, key), index]

    def _sketch(self, text: str) -> Sketch:
        minhash = self._empty.copy()
        minhash.update_batch(runs_of(text, self._config.words))
        signature = np.asarray(minhash.hashvalues, np.uint32)
        # Hashes of bytes differ between processes, but are only compared within one.
        keys = tuple(hash(signature[start : start + self._rows].tobytes()) for start in self._starts)
        return Sketch(signature, keys)

    def _similarity(self, signature: Signature, index: int) -> float:
        other = self._signatures[index // _CHUNK][index % _CHUNK]
        return float(np.count_nonzero(signature == other)) / self._config.permutations


def runs_of(text: str, words: int) -> list[bytes]:
    """Every sequence of this many words of `text`, or Chinese characters; a shorter text is a single sequence."""
    units = _WORD.findall(text.lower())
    runs = {" ".join(units[start : start + words]) for start in range(max(1, len(units) - words + 1))}
    return [run.encode() for run in sorted(runs)]


def _of(bucket: Bucket, key: int) -> Sequence[int]:
    held = bucket.get(key, ())
    return (held,) if isinstance(held, int) else held

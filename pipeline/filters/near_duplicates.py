"""Captions that say nearly the same words, found as they stream by: MinHash with locality-sensitive hashing.

Two captions are alike by the share of their runs of words that they have in common (Jaccard). MinHash estimates it from
signatures; captions that agree in one of a few bands of their signatures are compared. The bands are those of
datasketch for the similarity asked for: of pairs right at it about half are found, of clearly nearer ones nearly all.
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
"""Signatures in one piece of memory."""

_MAX_FOR_BANDS = 0.9
"""For more there would be too few bands to find anything by; what they find beyond is compared and let go."""

Signature = NDArray[np.uint32]
Bucket = dict[int, list[int] | int]
"""Key of a band → the kept captions that have it; a list only where there are several, which saves memory."""


class Sketch(NamedTuple):
    """A caption's signature, and a key for each of its bands."""

    signature: Signature
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Alike:
    """A caption that was kept before, and how like it another one is."""

    name: str
    similarity: float


class NearDuplicateIndex:
    """The captions that were kept so far. Memory grows with them alone: about 1.4 kB each with 128 permutations."""

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
        """What `text` is found by, and the kept captions that are alike, the most similar first."""
        sketch = self._sketch(text)
        found = {index for bucket, key in zip(self._buckets, sketch.keys, strict=True) for index in _of(bucket, key)}
        alike = [Alike(self._names[index], self._similarity(sketch.signature, index)) for index in found]
        near = [one for one in alike if one.similarity >= self._config.similarity]
        return sketch, sorted(near, key=lambda one: (-one.similarity, one.name))

    def keep(self, name: str, sketch: Sketch) -> None:
        """Takes in a caption that is kept."""
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
        # Hashes of bytes differ between processes; here they are only compared within one.
        keys = tuple(hash(signature[start : start + self._rows].tobytes()) for start in self._starts)
        return Sketch(signature, keys)

    def _similarity(self, signature: Signature, index: int) -> float:
        other = self._signatures[index // _CHUNK][index % _CHUNK]
        return float(np.count_nonzero(signature == other)) / self._config.permutations


def runs_of(text: str, words: int) -> list[bytes]:
    """Every run of so many words of `text`, or of characters of Chinese; a shorter text is a run of its own."""
    units = _WORD.findall(text.lower())
    runs = {" ".join(units[start : start + words]) for start in range(max(1, len(units) - words + 1))}
    return [run.encode() for run in sorted(runs)]


def _of(bucket: Bucket, key: int) -> Sequence[int]:
    held = bucket.get(key, ())
    return (held,) if isinstance(held, int) else held

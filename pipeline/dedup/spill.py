"""Rows of numbers that do not fit in memory: spread over files by a key, read back a file at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BUFFER_BYTES = 32 * 2**20
"""Of all partitions together, before they are written."""

Rows = NDArray[np.void]


class Partitions:
    """`count` files of rows of one structured type under `folder`."""

    def __init__(self, folder: Path, kind: np.dtype[np.void], count: int) -> None:
        folder.mkdir(parents=True)
        self._paths = [folder / f"{number:05d}" for number in range(count)]
        self._kind = kind
        self._pending: list[list[Rows]] = [[] for _ in range(count)]
        self._pending_bytes = 0

    def add(self, rows: Rows, partition: NDArray[np.intp]) -> None:
        """Adds each row to the partition that `partition` has for it."""
        order = np.argsort(partition, kind="stable")
        edges = np.searchsorted(partition[order], np.arange(len(self._paths) + 1))
        ordered = rows[order]
        for number in np.unique(partition):
            self._pending[number].append(ordered[edges[number] : edges[number + 1]].copy())
        self._pending_bytes += rows.nbytes
        if self._pending_bytes >= BUFFER_BYTES:
            self._flush()

    def __iter__(self) -> Iterator[Rows]:
        """Every partition that has rows; its file is removed once it is read."""
        self._flush()
        for path in self._paths:
            if path.exists():
                rows: Rows = np.fromfile(path, dtype=self._kind)
                path.unlink()
                yield rows

    def _flush(self) -> None:
        for path, pending in zip(self._paths, self._pending, strict=True):
            if pending:
                with path.open("ab") as file:
                    np.concatenate(pending).tofile(file)
                pending.clear()
        self._pending_bytes = 0

"""What does not fit in memory: rows of numbers, spread over files by a key and read back file by file; and texts."""

from __future__ import annotations

from array import array
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

    def add(self, rows: Rows, keys: NDArray[np.uint64]) -> None:
        """Adds each row to the partition that its key falls into; rows of a partition keep their order."""
        partition = (keys % np.uint64(len(self._paths))).astype(np.uint16)
        order = np.argsort(partition, kind="stable")
        edges = np.searchsorted(partition[order], np.arange(len(self._paths) + 1))
        ordered = rows[order]
        for number in np.flatnonzero(np.diff(edges)):
            self._pending[number].append(ordered[edges[number] : edges[number + 1]].copy())
        self._pending_bytes += rows.nbytes
        if self._pending_bytes >= BUFFER_BYTES:
            self._flush()

    def __iter__(self) -> Iterator[Rows]:
        """Every partition with rows; its file is removed after it was read."""
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


class Texts:
    """Texts by number, in a file; eight bytes of memory per text."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._file.seek(self._ends[-1])
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def close(self) -> None:
        self._file.close()

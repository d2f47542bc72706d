"""Copies on this machine of remote files that cannot change: markers by their version, tables' files by their SHA-256.

A worker reads what it has just written from here, and the next run reads markers from here. The folder,
`~/.cache/soundseam/objects` (XDG_CACHE_HOME), may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 4 * 2**30
MAX_FILE_BYTES = 256 * 2**20
_SLACK_BYTES = 2**29
"""How much is added before the oldest copies are removed again."""
_added_bytes = _SLACK_BYTES


def recall(key: str) -> BinaryIO | None:
    """The copy under `key`, opened; None if there is none."""
    path = _folder() / _name(key)
    try:
        file = path.open("rb")
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return file


def remember(key: str, source: bytes | Path) -> None:
    """Stores a copy if there is room; a copy is never needed, so no failure is an error."""
    global _added_bytes  # noqa: PLW0603 - one count per process
    with contextlib.suppress(OSError):
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_FILE_BYTES:
            return
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (_added_bytes := _added_bytes + size) > _SLACK_BYTES:
            _added_bytes = 0
            _remove_oldest(folder)
        copy = folder / f".{uuid.uuid4().hex}"
        try:
            if isinstance(source, Path):
                shutil.copyfile(source, copy)
            else:
                copy.write_bytes(source)
            copy.replace(folder / _name(key))
        finally:
            copy.unlink(missing_ok=True)


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "soundseam" / "objects"


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _remove_oldest(folder: Path) -> None:
    """Removes the copies that were not used for the longest time, until the rest has half the permitted size."""
    found = sorted(((status := path.stat()).st_mtime, status.st_size, path) for path in folder.iterdir())
    total = sum(size for _, size, _ in found)
    if total <= MAX_BYTES:
        return
    for _, size, path in found:
        path.unlink(missing_ok=True)
        if (total := total - size) <= MAX_BYTES // 2:
            return

"""Files and manifests to list, and what a listing found."""

from __future__ import annotations

import json
import os
from pathlib import Path

from soundseam.pipeline.input.sources import Listing


def put(path: Path, data: bytes | None = None) -> Path:
    """A file with these bytes, or with its own name as its bytes: listing does not look at more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode(path.name) if data is None else data)
    return path


def manifest(folder: Path, *rows: dict[str, str | int]) -> str:
    path = folder / "m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def names(listing: Listing) -> list[str]:
    return [source.source_uri.rpartition("/")[2] for source in listing.sources]


def reasons(listing: Listing) -> dict[str, str]:
    """Reason by the last part of the name."""
    return {row.source_uri.rpartition("/")[2]: row.reason for row in listing.rejected}

"""Samples as plain values, and small files of an export."""

from __future__ import annotations

from pipeline.export.base import Item, Json
from pipeline.storage import files


def sample_fields(item: Item) -> dict[str, Json]:
    """All of a sample but its audio, with the prior of its answer."""
    fields: dict[str, Json] = item.sample.model_dump(mode="json")
    return {**fields, "sample_id": item.key, "answer_prior": item.answer_prior}


def read_target(target: str, name: str) -> str:
    """A small text file of an export."""
    return files.read_bytes(files.join(target, name)).decode("utf-8")

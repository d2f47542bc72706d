"""The base of everything that crosses a file or a worker."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value: hashable where its fields are, equal by content, closed to unknown fields.

    A docstring under a field is its description, as the references of tables and of the configuration show it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, use_attribute_docstrings=True
    )


def content_key(value: object) -> str:
    """16 hex digits of the SHA-256 of `value` as canonical JSON: equal content, equal key.

    `value` is whatever `json.dumps` takes; a `Record` goes in as `record.model_dump(mode="json")`.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""The base of everything that crosses a file or a worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value: hashable where its fields are, equal by content, closed to unknown fields.

    A docstring under a field is its description, as the references of tables and of the configuration show it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, use_attribute_docstrings=True
    )

    not_in_key: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how something is done, never what comes of it."""


def key_content(record: Record) -> dict[str, object]:
    """`record` as it goes into `content_key`: without the fields, its own and nested ones, that are `not_in_key`."""
    return record.model_dump(mode="json", exclude=_left_out(record))


_LeftOut: TypeAlias = "Mapping[str, bool | _LeftOut] | Mapping[int, bool | _LeftOut]"


def _left_out(value: object) -> _LeftOut:
    """What of `value` stays out of its key, as pydantic takes it; empty for nothing."""
    if isinstance(value, Record):
        inner = {name: _left_out(getattr(value, name)) for name in type(value).model_fields}
        return {name: fields for name, fields in inner.items() if fields} | dict.fromkeys(value.not_in_key, True)
    if isinstance(value, tuple):
        return {index: fields for index, item in enumerate(value) if (fields := _left_out(item))}
    return {}


def content_key(value: object) -> str:
    """16 hex digits of the SHA-256 of `value` as canonical JSON: equal content, equal key.

    `value` is whatever `json.dumps` takes; a `Record` goes in as `key_content(record)`.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def draw(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64

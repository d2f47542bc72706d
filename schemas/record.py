"""The base class of all records that are stored in files or sent to workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value: hashable if its fields are, compared by content, without unknown fields.

    The docstring under a field is its description in the generated references of tables and of the configuration.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, use_attribute_docstrings=True
    )

    not_in_key: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how something is computed, but not the result."""


def key_content(record: Record) -> dict[str, object]:
    """`record` as used in `content_key`: without the fields, its own and nested ones, that are `not_in_key`."""
    return record.model_dump(mode="json", exclude=_left_out(record))


_LeftOut: TypeAlias = "Mapping[str, bool | _LeftOut] | Mapping[int, bool | _LeftOut]"


def _left_out(value: object) -> _LeftOut:
    """The parts of `value` that are left out of its key, in pydantic's `exclude` format; empty for none."""
    if isinstance(value, Record):
        inner = {name: _left_out(getattr(value, name)) for name in type(value).model_fields}
        return {name: fields for name, fields in inner.items() if fields} | dict.fromkeys(value.not_in_key, True)
    if isinstance(value, tuple):
        return {index: fields for index, item in enumerate(value) if (fields := _left_out(item))}
    return {}


def content_key(value: object) -> str:
    """16 hex digits of the SHA-256 of `value` as canonical JSON: equal content gives equal keys.

    `value` is anything that `json.dumps` accepts; pass a `Record` as `key_content(record)`.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def draw(seed: int, *names: str) -> float:
    """A pseudo-random number in [0, 1) that depends only on the arguments."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64

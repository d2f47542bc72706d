"""The base class of all records that are stored in files or sent to workers."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Record(BaseModel):
    """A frozen value: hashable if its fields are, compared by content, without unknown fields.

    The docstring under a field is its description in the generated references of tables and of the configuration, and
    in JSON schemas.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    not_in_key: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how something is computed, but not the result."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in field_docs(cls).items():
            field = cls.model_fields[name]
            properties.get(field.alias or name, {}).setdefault("description", text)
        return schema


@functools.cache
def field_docs(record: type[Record]) -> Mapping[str, str]:
    """Field → the docstring under it, for fields that have one.

    Pydantic's `use_attribute_docstrings` gives the same, but reads the source of every record when its class is made:
    two thirds of the time that a process needed to start.
    """
    found: dict[str, str] = {}
    for base in reversed(record.__mro__):
        if issubclass(base, Record):
            own = _docs_under_fields(base)
            found = {name: text for name, text in found.items() if name not in inspect.get_annotations(base)} | own
    return {name: found[name] for name in record.model_fields if name in found}


def _docs_under_fields(record: type[Record]) -> dict[str, str]:
    """The docstrings in the body of this class alone; none if there is no source."""
    try:
        source = textwrap.dedent(inspect.getsource(record))
    except (OSError, TypeError):
        return {}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


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
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()[:16]


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def draw(seed: int, *names: str) -> float:
    """A pseudo-random number in [0, 1) that depends only on the arguments."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64

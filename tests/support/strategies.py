"""Hypothesis strategies for the project's records, derived from their fields."""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Le
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from soundseam.schemas.timespan import TimeSpan

RecordT = TypeVar("RecordT", bound=BaseModel)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def records(record: type[RecordT]) -> st.SearchStrategy[RecordT]:
    """Valid records of a type: every field drawn from its annotation and its bounds."""
    return st.builds(record, **{name: _of_field(field) for name, field in record.model_fields.items()})


def spans(max_ms: int = 1000) -> st.SearchStrategy[TimeSpan]:
    """Spans that are not empty, within `[0, max_ms]`."""
    return st.tuples(st.integers(0, max_ms - 1), st.integers(1, max_ms)).map(
        lambda pair: TimeSpan(min(pair), max(pair) + (pair[0] == pair[1]))
    )


def _of_field(field: FieldInfo) -> st.SearchStrategy[Any]:
    low = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    return _of_type(field.annotation, low, high)


def _of_type(annotation: Any, low: Any = None, high: Any = None) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of([_of_type(member, low, high) for member in arguments])
    if origin is Annotated:
        return _of_type(arguments[0], low, high)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_of_type(arguments[0]), max_size=3).map(tuple)
    return _of_class(annotation, low, high)


def _of_class(annotation: type, low: Any, high: Any) -> st.SearchStrategy[Any]:
    if issubclass(annotation, BaseModel):
        return records(annotation)
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    scalars = {
        type(None): st.none(),
        bool: st.booleans(),
        str: TEXT,
        bytes: st.binary(max_size=8),
        int: st.integers(-(2**63) if low is None else low, 2**63 - 1 if high is None else high),
        float: st.floats(low, high, allow_nan=False, allow_infinity=False),
    }
    return scalars[annotation]

"""Records are values: frozen, closed, and keyed by what they hold."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from soundseam.schemas.event import Event
from soundseam.schemas.record import Record, content_key, field_docs, key_content
from soundseam.schemas.recording import Source
from soundseam.schemas.timespan import TimeSpan
from tests.support.strategies import records

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values))
def test_a_content_key_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert content_key(dict(reversed(value.items()))) == content_key(value)


@given(st.lists(st.integers(), min_size=2, unique=True))
def test_a_content_key_depends_on_the_order_of_a_list(value: list[int]) -> None:
    assert content_key(value[::-1]) != content_key(value)


def test_a_content_key_is_the_sha256_of_canonical_json() -> None:
    # printf '{"a":"é","b":[1,2.5,null,true]}' | sha256sum
    assert content_key({"b": [1, 2.5, None, True], "a": "é"}) == "0c187fb652afca80"


def test_a_content_key_is_refused_to_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        content_key([float("nan")])


@given(records(Event))
def test_a_record_comes_back_from_json_unchanged(event: Event) -> None:
    assert Event.model_validate_json(event.model_dump_json()) == event


def test_a_record_cannot_be_changed_or_given_unknown_fields() -> None:
    fields = {"class": "speech", "label": "speech", "onset_ms": 0, "offset_ms": 10, "score": 1.0}
    event = Event.model_validate(fields)
    with pytest.raises(ValidationError, match="frozen"):
        event.label = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Event.model_validate({**fields, "loudness": 3})


class Sound(Record):
    level_dbfs: float = 0.0
    """Relative to full scale."""
    sharp_as: str = ""
    """What it is like."""
    plain: int = 0


class Chirp(Sound):
    level_dbfs: float = -3.0
    plain: int = 1
    """A number."""


class Tweet(Chirp): ...


def test_a_field_is_described_by_the_docstring_under_it_in_the_last_class_that_names_it() -> None:
    assert field_docs(Sound) == {"level_dbfs": "Relative to full scale.", "sharp_as": "What it is like."}
    assert field_docs(Tweet) == field_docs(Chirp) == {"sharp_as": "What it is like.", "plain": "A number."}


def test_a_json_schema_describes_its_fields() -> None:
    properties = Chirp.model_json_schema()["properties"]
    assert {name: shown.get("description") for name, shown in properties.items()} == {
        "level_dbfs": None,
        "sharp_as": "What it is like.",
        "plain": "A number.",
    }


def a_source(**changes: object) -> Source:
    fields = {"uri": "a.wav", "source_uri": "a.wav", "recording_id": "ab" * 16, "size_bytes": 5}
    return Source.model_validate({**fields, **changes})


def test_what_is_heard_does_not_depend_on_where_it_lies_or_what_is_said_of_it() -> None:
    moved = a_source(uri="b.wav?token=x", source_uri="b.wav", license="CC0-1.0", language="en", metadata="{}")
    assert moved.content_key == a_source().content_key
    assert moved.row_key != a_source().row_key


def test_what_is_heard_depends_on_the_intervals() -> None:
    assert a_source(intervals=(TimeSpan(0, 5),)).content_key != a_source().content_key


def test_a_secret_in_the_uri_changes_no_key() -> None:
    assert a_source(uri="a.wav?signature=other").row_key == a_source().row_key


class Place(Record):
    not_in_key: ClassVar[frozenset[str]] = frozenset({"url"})
    url: str
    model: str


class Asking(Record):
    not_in_key: ClassVar[frozenset[str]] = frozenset({"in_flight"})
    in_flight: int
    place: Place
    places: tuple[Place, ...] = ()


def test_how_something_is_done_stays_out_of_the_key_however_deep_it_stands() -> None:
    here, there = Place(url="here", model="m"), Place(url="there", model="m")
    asking = Asking(in_flight=1, place=here, places=(here, there))
    otherwise = Asking(in_flight=2, place=there, places=(there, here))
    assert key_content(asking) == key_content(otherwise) == {"place": {"model": "m"}, "places": [{"model": "m"}] * 2}


def test_what_is_asked_for_stays_in_the_key() -> None:
    asking = Asking(in_flight=1, place=Place(url="", model="m"))
    other = Asking(in_flight=1, place=Place(url="", model="n"))
    assert key_content(asking) != key_content(other)

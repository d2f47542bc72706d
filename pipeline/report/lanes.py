"""Any row of an annotation table as lanes on the time axis and as facts, by the shape and names of its fields.

Whatever has a start and an end becomes a lane (words, chords, sections, speaker turns), a list of instants becomes
ticks, everything else a fact. A new field of a branch needs no change here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from soundseam.pipeline.report.page_data import Fact, FactSheet, Lane, LaneItem
from soundseam.schemas.annotation import AnnotationKey
from soundseam.schemas.claim import BranchFacts

Row = Mapping[str, object]

HIDDEN = frozenset(AnnotationKey.model_fields) | frozenset(BranchFacts.model_fields)
"""Fields shown once for the whole row, or as a caption."""
SPANS = (("start_ms", "end_ms"), ("onset_ms", "offset_ms"))
LABELS = ("label", "text", "speaker", "name", "class")
UNITS = {
    "_hz": " Hz",
    "_dbfs": " dBFS",
    "_db": " dB",
    "_lufs": " LUFS",
    "_bpm": " BPM",
    "_cents": " cents",
    "_bytes": " bytes",
}
LONG_TEXT = 60
"""Minimum length of a value that is shown as a separate text."""


class Leaf(NamedTuple):
    """A field of a row with its path."""

    path: tuple[str, ...]
    value: object


def fact(name: str, value: object) -> Fact:
    """A field in words: `pitch_low_hz`, 130.9 → "pitch low", "130.9 Hz"; times in seconds, shares in percent."""
    if name.endswith("_ms") and isinstance(value, int):
        return Fact(name=_words(name.removesuffix("_ms")), value=f"{value / 1000:.2f} s")
    if name.endswith("_share") and isinstance(value, int | float):
        return Fact(name=_words(name), value=f"{100 * value:.0f} %")
    for suffix, unit in UNITS.items():
        if name.endswith(suffix):
            return Fact(name=_words(name.removesuffix(suffix)), value=f"{_plain(value)}{unit}")
    return Fact(name=_words(name), value=_plain(value))


def lanes_of(row: Row, offset_ms: int) -> Iterator[Lane]:
    """Lanes of an annotation, named after field and backend; times are moved back by `offset_ms`."""
    backend = str(row["backend"])
    for leaf in _leaves(row):
        items = tuple(_items(leaf, offset_ms))
        if items:
            yield Lane(name=f"{_words(leaf.path[-1].removesuffix('_ms'))} · {backend}", kind=_kind(leaf), items=items)


def event_lane(events: object, offset_ms: int) -> Lane:
    """The lane of a segment's own events."""
    return Lane(name="events", kind="events", items=tuple(_items(Leaf(("events",), events), offset_ms)))


def sheet_of(row: Row) -> FactSheet:
    facts: list[Fact] = []
    texts: list[Fact] = []
    for leaf in _leaves(row):
        if leaf.value is None or leaf.value in ([], "") or _has_times(leaf):
            continue
        named = fact(leaf.path[-1], leaf.value)
        wide = isinstance(leaf.value, str) and (leaf.path[-1] == "text" or len(leaf.value) > LONG_TEXT)
        (texts if wide else facts).append(named)
    return FactSheet(
        branch=str(row["branch"]),
        backend=str(row["backend"]),
        model=str(row["model"]),
        texts=tuple(texts),
        facts=tuple(facts),
    )


def _leaves(row: Row, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    for name, value in row.items():
        if not path and name in HIDDEN:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield Leaf((*path, name), value)


def _has_times(leaf: Leaf) -> bool:
    return bool(_span_names(leaf.value)) or _is_instants(leaf)


def _span_names(value: object) -> tuple[str, str] | None:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return None
    return next((names for names in SPANS if all(name in value[0] for name in names)), None)


def _is_instants(leaf: Leaf) -> bool:
    value = leaf.value
    return leaf.path[-1].endswith("_ms") and isinstance(value, list) and bool(value) and isinstance(value[0], int)


def _kind(leaf: Leaf) -> str:
    if _is_instants(leaf):
        return "ticks"
    name = leaf.path[-1]
    return name if name in {"events", "words"} else "spans"


def _items(leaf: Leaf, offset_ms: int) -> Iterator[LaneItem]:
    names = _span_names(leaf.value)
    if names and isinstance(leaf.value, list):
        for item in leaf.value:
            yield _span_item(item, names, offset_ms, plain=leaf.path[-1] == "words")
    elif _is_instants(leaf) and isinstance(leaf.value, list):
        for instant in leaf.value:
            yield LaneItem(start_ms=instant - offset_ms, end_ms=instant - offset_ms, label="", group="")


def _span_item(item: Row, names: tuple[str, str], offset_ms: int, plain: bool) -> LaneItem:
    start, end = (item[name] for name in names)
    label = next((str(item[name]) for name in LABELS if item.get(name) is not None), "")
    group = "" if plain else str(item.get("class") or item.get("speaker") or label)
    shown = {*names, *(name for name in LABELS if item.get(name) == label)}
    return LaneItem(
        start_ms=_integer(start) - offset_ms,
        end_ms=_integer(end) - offset_ms,
        label=label,
        group=group,
        notes=tuple(fact(name, value) for name, value in item.items() if value is not None and name not in shown),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0

"""AudioSet's labels and the nine classes they fall into."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from soundseam.annotators.base import BackendUnavailableError
from soundseam.schemas.event import EventClass

TABLES = ("audioset_strong.csv", "audioset_more.csv")
"""The 447 labels of AudioSet-Strong's training set, and labels of AudioSet's 527 which that set lacks (both CC BY 4.0,
Google); which class each falls into is this project's judgement."""

SCENERY = frozenset(
    {
        "Background noise",
        "Channel, environment and background",
        "Distortion",
        "Echo",
        "Environmental noise",
        "Field recording",
        "Inside, large room or hall",
        "Inside, public space",
        "Inside, small room",
        "Mains hum",
        "Microphone",
        "Noise",
        "Outside, rural or natural",
        "Outside, urban or manmade",
        "Reverberation",
        "Silence",
        "Sound reproduction",
        "Static",
        "Tape hiss",
        "White noise, pink noise",
    }
)
"""Labels that say where or how something was recorded, not what happens in it: steady noise is no event."""


def read_table(text: str) -> dict[str, EventClass]:
    """Label to class from CSV with the columns label and class. Raises ValueError for an unknown class or a repeat."""
    table: dict[str, EventClass] = {}
    for row in csv.DictReader(text.splitlines()):
        if row["label"] in table:
            raise ValueError(f"label {row['label']!r} is listed twice")
        table[row["label"]] = EventClass(row["class"])
    return table


def carried_table() -> dict[str, EventClass]:
    """Every label of the tables in this package."""
    table: dict[str, EventClass] = {}
    for name in TABLES:
        table |= read_table(files("soundseam.annotators.detection").joinpath(name).read_text(encoding="utf-8"))
    return table


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of a tagger in the order of its outputs: one per line, or a CSV with a column display_name or label.

    Raises BackendUnavailableError if the file is missing or has neither form.
    """
    if not path.is_file():
        raise BackendUnavailableError(f"{path} is missing: give the path of the tagger's label file")
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() != ".csv":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    rows = list(csv.DictReader(text.splitlines()))
    for column in ("display_name", "label"):
        if rows and column in rows[0]:
            return tuple(row[column] for row in rows)
    raise BackendUnavailableError(f"{path} has no column display_name or label")


def classes_of(labels: tuple[str, ...], table: Mapping[str, EventClass]) -> tuple[EventClass | None, ...]:
    """The class of each label: None for scenery, source_ambiguous for a label no table lists."""
    return tuple(None if label in SCENERY else table.get(label, EventClass.SOURCE_AMBIGUOUS) for label in labels)

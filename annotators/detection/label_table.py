"""AudioSet's labels and their mapping to the nine classes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from soundseam.annotators.base import BackendUnavailableError
from soundseam.schemas.event import EventClass

TABLES = ("audioset_strong.csv", "audioset_more.csv")
"""The 447 labels of AudioSet-Strong's training set, and those of AudioSet's 527 labels that it lacks (both CC BY 4.0,
Google); the classes were assigned by this project."""

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
"""Labels that describe the place or the recording, not what happens: steady noise is not an event."""


def read_table(text: str) -> dict[str, EventClass]:
    """Label → class from CSV with the columns label and class. Raises ValueError for an unknown class or a repeated
    label.
    """
    table: dict[str, EventClass] = {}
    for row in csv.DictReader(text.splitlines()):
        if row["label"] in table:
            raise ValueError(f"label {row['label']!r} is listed twice")
        table[row["label"]] = EventClass(row["class"])
    return table


def carried_table() -> dict[str, EventClass]:
    """All labels of the tables in this package."""
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
    """The class of each label: None for scenery, source_ambiguous for a label that is in no table."""
    return tuple(None if label in SCENERY else table.get(label, EventClass.SOURCE_AMBIGUOUS) for label in labels)

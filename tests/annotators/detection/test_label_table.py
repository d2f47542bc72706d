"""Every label of the carried tables, row by row."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.detection.label_table import (
    SCENERY,
    TABLES,
    carried_table,
    classes_of,
    read_labels,
    read_table,
)
from soundseam.schemas.event import EventClass

ROWS = [
    (name, row)
    for name in TABLES
    for row in csv.reader(files("soundseam.annotators.detection").joinpath(name).read_text().splitlines()[1:])
]
VOICED = ("speech", "speaking", "singing", "Whispering", "Narration", "Conversation")


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[row[0] for _, row in ROWS])
def test_a_row_is_one_label_in_one_of_the_nine_classes(name: str, row: list[str]) -> None:
    label, event_class = row
    assert label == label.strip() != ""
    assert event_class in set(EventClass)
    assert [other[0] for _, other in ROWS].count(label) == 1


def test_the_strong_table_has_the_447_labels_of_the_training_set() -> None:
    assert sum(name == "audioset_strong.csv" for name, _ in ROWS) == 447


@pytest.mark.parametrize("event_class", EventClass)
def test_every_class_has_a_label(event_class: EventClass) -> None:
    assert event_class in carried_table().values()


@pytest.mark.parametrize(
    ("label", "event_class"),
    [
        ("Male speech, man speaking", EventClass.SPEECH),
        ("Laughter", EventClass.HUMAN_VOICE),
        ("Choir", EventClass.SINGING),
        ("Violin, fiddle", EventClass.MUSIC),
        ("Thunder", EventClass.NATURE),
        ("Thump, thud", EventClass.SOURCE_AMBIGUOUS),
        ("Typing", EventClass.OBJECT),
        ("Traffic noise, roadway noise", EventClass.ENVIRONMENT),
        ("Bark", EventClass.ANIMAL),
    ],
)
def test_labels_fall_where_a_listener_would_put_them(label: str, event_class: EventClass) -> None:
    assert carried_table()[label] is event_class


def test_no_label_that_names_a_voice_is_an_object() -> None:
    for label, event_class in carried_table().items():
        if any(word in label for word in VOICED):
            assert event_class in {
                EventClass.SPEECH,
                EventClass.SINGING,
                EventClass.ENVIRONMENT,
                EventClass.HUMAN_VOICE,
            }


def test_scenery_is_no_event_and_an_unknown_label_is_ambiguous() -> None:
    assert classes_of(("Mains hum", "Bark", "Zyzzyva"), carried_table()) == (
        None,
        EventClass.ANIMAL,
        EventClass.SOURCE_AMBIGUOUS,
    )
    assert set(carried_table()) | {"Silence"} >= SCENERY


def test_a_label_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        read_table("label,class\nBark,animal\nBark,object\n")


def test_labels_are_read_from_lines_and_from_a_csv(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Bark\nMusic\n\n")
    (tmp_path / "b.csv").write_text('index,mid,display_name\n0,/m/1,"Bee, wasp, etc."\n')
    assert read_labels(tmp_path / "a.txt") == ("Bark", "Music")
    assert read_labels(tmp_path / "b.csv") == ("Bee, wasp, etc.",)


def test_a_label_file_that_is_missing_or_has_no_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    for name in ("none.txt", "c.csv"):
        with pytest.raises(BackendUnavailableError):
            read_labels(tmp_path / name)

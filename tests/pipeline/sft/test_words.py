"""Every question can be put in many ways, in every language."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.ask import Task
from soundseam.pipeline.sft.words import LANGUAGES, slots_of, sound_names, wordings_of
from soundseam.schemas.event import EventClass
from tests.pipeline.sft.builders import CONFIG

every_task = pytest.mark.parametrize("task", CONFIG.tasks, ids=lambda task: str(task.task))


@every_task
def test_a_question_has_at_least_five_wordings_in_every_language(task: Task) -> None:
    for kind, parts in wordings_of(task.task).items():
        for language in LANGUAGES:
            for part in parts:
                if part.startswith("question"):
                    assert len(set(parts[part][language])) >= 5, (kind, part, language)


@every_task
def test_wordings_of_a_part_fill_the_same_slots(task: Task) -> None:
    for kind, parts in wordings_of(task.task).items():
        for part, languages in parts.items():
            slots = {frozenset(slots_of(wording)) for wordings in languages.values() for wording in wordings}
            assert len(slots) == 1, (kind, part)


@every_task
def test_chinese_is_written_in_chinese(task: Task) -> None:
    for parts in wordings_of(task.task).values():
        for wording in parts["question"]["zh"]:
            assert any("\u4e00" <= character <= "\u9fff" for character in wording), wording


def test_every_class_has_a_name_in_every_language() -> None:
    names = sound_names()["classes"]
    assert {name for name in names if set(names[name]) == set(LANGUAGES)} == {str(one) for one in EventClass}


def test_every_label_has_a_name_in_every_language() -> None:
    assert not [label for label, names in sound_names()["labels"].items() if set(names) != set(LANGUAGES)]
    assert not [label for label in sound_names()["labels"] if label != label.lower()]

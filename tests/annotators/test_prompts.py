"""One way to load prompts and to fill them."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.annotators import prompts
from soundseam.annotators.prompts import AUDIO_CAPTION, CAPTIONS, PARALINGUISTICS, SERVED, TRAINING, Prompts

FOLDERS = (AUDIO_CAPTION, CAPTIONS, PARALINGUISTICS, SERVED, TRAINING)
FILES = [path for folder in FOLDERS for path in (Path(prompts.__file__).parent / folder.folder).iterdir()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_can_be_loaded_by_its_name(path: Path) -> None:
    name, language = (*path.stem.split("."), "")[:2]
    assert Prompts(path.parent.name).text(name, language) == path.read_text(encoding="utf-8").strip()


def test_a_slot_is_filled_once_and_other_braces_stay() -> None:
    filled = CAPTIONS.filled("repair", "en", input="{answer}", answer='{"a": 1}', problems="- none")
    assert "{answer}" in filled
    assert '{"a": 1}' in filled
    assert CAPTIONS.filled("repair", "en") == CAPTIONS.text("repair", "en")


def test_other_words_make_another_key() -> None:
    keys = [CAPTIONS.key(name, language=language) for name in ("affirm", "deny") for language in ("en", "zh")]
    assert len({*keys, CAPTIONS.key("affirm", "deny", language="en")}) == 5

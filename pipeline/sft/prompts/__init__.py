"""Prompts for making samples: one text file per prompt, hashed into keys."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files as package_files

from soundseam.schemas.record import content_key

WRITER_PROMPTS = ("write", "solve", "guess")
ANSWERER_PROMPTS = ("guess", "guess_open")
_LANGUAGES = ("en", "zh")


def filled(name: str, language: str, **slots: str) -> str:
    """The prompt with its `{slots}` filled in one pass: inserted texts are not filled again."""
    if not slots:
        return _text(name, language)
    pattern = re.compile("|".join(f"\\{{{re.escape(slot)}\\}}" for slot in slots))
    return pattern.sub(lambda match: slots[match.group()[1:-1]], _text(name, language))


def prompts_key(names: tuple[str, ...]) -> str:
    """Changes with the text of any of the prompts."""
    return content_key([[name, language, _text(name, language)] for name in names for language in _LANGUAGES])


@cache
def _text(name: str, language: str) -> str:
    path = package_files("soundseam.pipeline.sft.prompts").joinpath(f"{name}.{language}.txt")
    return path.read_text(encoding="utf-8").strip()

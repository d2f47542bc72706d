"""Prompts about speech: one text file per prompt, hashed into keys."""

from __future__ import annotations

from functools import cache
from importlib.resources import files as package_files

from soundseam.schemas.record import content_key


@cache
def prompt(name: str) -> str:
    """The text of NAME.txt."""
    return (
        package_files("soundseam.annotators.speech.prompts").joinpath(f"{name}.txt").read_text(encoding="utf-8").strip()
    )


def prompts_key(*names: str) -> str:
    """Changes with the text of any of the prompts."""
    return content_key([[name, prompt(name)] for name in names])

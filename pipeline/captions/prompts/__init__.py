"""Prompts for writing and verifying captions: one text file per prompt, hashed into keys."""

from __future__ import annotations

from functools import cache
from importlib.resources import files as package_files
from typing import Literal

from soundseam.schemas.record import content_key

CaptionLanguage = Literal["en", "zh"]
WRITER_PROMPTS = ("write", "repair")
VERIFIER_PROMPTS = ("affirm", "deny")


@cache
def prompt(name: str, language: CaptionLanguage) -> str:
    """The text of NAME.LANGUAGE.txt. Its placeholders are `{name}`, filled by `str.replace`: braces of JSON stay."""
    text = (
        package_files("soundseam.pipeline.captions.prompts")
        .joinpath(f"{name}.{language}.txt")
        .read_text(encoding="utf-8")
    )
    return text.strip()


def prompts_key(names: tuple[str, ...], language: CaptionLanguage) -> str:
    """Changes with the text of any of the prompts."""
    return content_key([[name, prompt(name, language)] for name in names])

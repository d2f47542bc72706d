"""Prompts for captions by an audio-language model: one file per prompt and language, with its version.

A file begins with a line `version: N` and a blank line; the rest is the text. Version and text are part of the revision
of the backends that use it, so that rows show which prompt made them; raise the version when you change the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import Literal

from soundseam.schemas.record import content_key

PromptName = Literal["speech", "music", "general", "unified"]
PromptLanguage = Literal["en", "zh"]
_FILE = re.compile(r"version: (\d+)\n\n(.+)", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """One prompt."""

    name: PromptName
    language: PromptLanguage
    version: int
    text: str

    @property
    def label(self) -> str:
        """Its name in rows: speech.en.v1-0a1b2c3d."""
        return f"{self.name}.{self.language}.v{self.version}-{content_key(self.text)[:8]}"


@cache
def caption_prompt(name: PromptName, language: PromptLanguage) -> Prompt:
    """The prompt in NAME.LANGUAGE.md."""
    text = package_files(__package__).joinpath(f"{name}.{language}.md").read_text(encoding="utf-8")
    found = _FILE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{name}.{language}.md does not begin with its version")
    return Prompt(name, language, int(found[1]), found[2])

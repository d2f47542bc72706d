"""All prompts that models are sent, as text files: NAME.LANGUAGE.txt, or NAME.txt, in a folder per use.

Their words are part of the keys of what is made with them, so that changed words ask again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files

from soundseam.schemas.record import content_key


@dataclass(frozen=True)
class Prompts:
    """The prompts of one folder."""

    folder: str

    def text(self, name: str, language: str = "") -> str:
        return _read(self.folder, f"{name}.{language}.txt" if language else f"{name}.txt")

    def filled(self, name: str, language: str = "", **slots: str) -> str:
        """The prompt with its `{slots}` filled at once: the content of a slot is never filled again, and other braces,
        as those of JSON, stay."""
        text = self.text(name, language)
        if not slots:
            return text
        pattern = re.compile("|".join(f"\\{{{re.escape(slot)}\\}}" for slot in slots))
        return pattern.sub(lambda match: slots[match.group()[1:-1]], text)

    def key(self, *names: str, language: str = "") -> str:
        """Changes with any word of these prompts."""
        return content_key([[name, self.text(name, language)] for name in names])


@cache
def _read(folder: str, file: str) -> str:
    return package_files(__package__).joinpath(folder, file).read_text(encoding="utf-8").strip()


AUDIO_CAPTION = Prompts("audio_caption")
CAPTIONS = Prompts("captions")
PARALINGUISTICS = Prompts("paralinguistics")
SERVED = Prompts("served")
TRAINING = Prompts("training")

"""What languages are called."""

from __future__ import annotations

from annotators.wording.language_names import LANGUAGE_NAMES


def primary_tag(language: str) -> str:
    """The language alone of a BCP 47 tag: en of en-GB."""
    return language.replace("_", "-").partition("-")[0].lower()


def language_name(language: str) -> str:
    """As an English speaker calls it; the tag where no name is known."""
    return LANGUAGE_NAMES.get(primary_tag(language), language)

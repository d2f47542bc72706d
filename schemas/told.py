"""What a model that hears the audio says of it, word for word."""

from __future__ import annotations

from pydantic import Field

from schemas.record import Record


class ToldCandidate(Record):
    """One answer of the model."""

    text: str = Field(description="as the model wrote it")
    thinking: str | None = Field(description="what it wrote before its answer; null where it does not think")
    problem: str | None = Field(
        description="why it cannot be the caption, as in wrong_language; null where nothing speaks against it"
    )


class Told(Record):
    """A caption in a model's own words, and what it was chosen from."""

    prompt: str = Field(description="what it was asked with: name, language, version and hash of the words")
    language: str = Field(description="that it was asked for, BCP 47")
    chosen: int = Field(ge=0, description="position of the candidate that the row's caption was made of")
    candidates: tuple[ToldCandidate, ...] = Field(description="all that it answered, in the order of their seeds")

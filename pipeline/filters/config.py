"""What is filtered out of a corpus's captions, as one record from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationError

from soundseam.pipeline.config import SetupError, first_problem, read_text, tree_of
from soundseam.schemas.record import Record

FILTER_REVISION = "1"
"""Raised whenever equal captions and options may be filtered otherwise."""


class NearDuplicates(Record):
    """Captions that say nearly the same words: of each such group only some are kept."""

    enabled: bool = Field(default=True, description="whether captions are compared with each other")
    similarity: float = Field(
        default=0.8, gt=0.0, le=1.0, description="share of common runs of words from which two captions are alike"
    )
    keep: int = Field(default=10, ge=1, description="so many captions that are alike are kept")
    words: int = Field(
        default=3, ge=1, le=20, description="length of the runs that are compared; characters of Chinese"
    )
    permutations: int = Field(
        default=128, ge=32, le=1024, description="of MinHash: more are more exact, and take more time and memory"
    )


class Collapse(Record):
    """Openings that too many captions share: what a writer falls into that has nothing to say."""

    enabled: bool = Field(default=True, description="whether openings are counted")
    share: float = Field(default=0.05, gt=0.0, le=1.0, description="of all captions, the most that may begin alike")
    words: int = Field(default=3, ge=1, le=20, description="so many words are an opening; characters of Chinese")
    least: int = Field(default=20, ge=1, description="so many captions may begin alike in any case")
    seed: int = Field(default=0, description="another seed keeps others of those that begin alike")


class Lengths(Record):
    """Captions that are too short or too long."""

    min_words: int = Field(
        alias="least_words", default=2, ge=0, description="of a caption; Chinese counts two characters a word"
    )
    max_words: int = Field(
        alias="most_words", default=120, ge=1, description="of a caption; Chinese counts two characters a word"
    )


class FilterConfig(Record):
    """What is filtered."""

    near_duplicates: NearDuplicates = NearDuplicates()
    collapse: Collapse = Collapse()
    length: Lengths = Lengths()
    jargon: bool = Field(default=True, description="words of tools, as decibels or detector")
    banned: tuple[str, ...] = Field(
        default=(), description="further words that no caption may hold, whatever their case"
    )
    language: bool = Field(default=True, description="captions that are not in the language that their row names")
    languages: tuple[Literal["en", "zh"], ...] = Field(
        default=("en", "zh"), description="captions in other languages are filtered"
    )
    min_coverage: float = Field(
        alias="least_coverage",
        default=0.5,
        ge=0.0,
        le=1.0,
        description="share of the time with events that a caption must speak of, by the times in its evidence",
    )
    verified_only: bool = Field(default=False, description="filters what a verifier has not confirmed whole")


NOTHING = FilterConfig(
    near_duplicates=NearDuplicates(enabled=False),
    collapse=Collapse(enabled=False),
    length=Lengths(min_words=0, max_words=10**9),
    jargon=False,
    language=False,
    languages=("en", "zh"),
    min_coverage=0.0,
)
"""Filters nothing: brings everything back."""


def load_filter_config(path: str | None = None, overrides: Sequence[str] = ()) -> FilterConfig:
    """The defaults, with those of a YAML file, with `key.path=value` overrides. Raises SetupError with the remedy."""
    tree = tree_of(read_text(path) if path else "{}", path or "filter", overrides)
    try:
        return FilterConfig.model_validate(tree)
    except ValidationError as error:
        problem = first_problem(error, FilterConfig)
        raise SetupError(f"filter {path or 'options'}: {problem}; see docs/captions.md") from error

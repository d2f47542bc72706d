"""The options of the caption filters, as one record from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationError

from soundseam.pipeline.config import SetupError, first_problem, read_text, tree_of
from soundseam.schemas.record import Record

FILTER_REVISION = "1"
"""Raise it whenever equal captions and options may give another result."""


class NearDuplicates(Record):
    """Captions with nearly the same words: only some of each group are kept."""

    enabled: bool = Field(default=True, description="whether captions are compared with each other")
    similarity: float = Field(
        default=0.8,
        gt=0.0,
        le=1.0,
        description="minimum share of common word sequences for two captions to count as similar",
    )
    keep: int = Field(default=10, ge=1, description="number of similar captions that are kept")
    words: int = Field(
        default=3, ge=1, le=20, description="length of the word sequences that are compared; characters of Chinese"
    )
    permutations: int = Field(
        default=128, ge=32, le=1024, description="of MinHash: more are more precise, and need more time and memory"
    )


class Collapse(Record):
    """Openings shared by too many captions: a sign of a writer that repeats itself."""

    enabled: bool = Field(default=True, description="whether openings are counted")
    share: float = Field(
        default=0.05, gt=0.0, le=1.0, description="maximum share of all captions with the same opening"
    )
    words: int = Field(default=3, ge=1, le=20, description="length of an opening in words; characters of Chinese")
    least: int = Field(default=20, ge=1, description="this many captions may always have the same opening")
    seed: int = Field(default=0, description="another seed keeps others of those with the same opening")


class Lengths(Record):
    """Captions that are too short or too long."""

    min_words: int = Field(
        alias="least_words", default=2, ge=0, description="of a caption; two Chinese characters count as one word"
    )
    max_words: int = Field(
        alias="most_words", default=120, ge=1, description="of a caption; two Chinese characters count as one word"
    )


class FilterConfig(Record):
    """Options of the filters."""

    near_duplicates: NearDuplicates = NearDuplicates()
    collapse: Collapse = Collapse()
    length: Lengths = Lengths()
    jargon: bool = Field(default=True, description="technical terms, such as decibels or detector")
    banned: tuple[str, ...] = Field(
        default=(), description="further words that captions must not contain, ignoring case"
    )
    language: bool = Field(default=True, description="captions that are not in the language stated in their row")
    languages: tuple[Literal["en", "zh"], ...] = Field(
        default=("en", "zh"), description="captions in other languages are filtered"
    )
    min_coverage: float = Field(
        alias="least_coverage",
        default=0.5,
        ge=0.0,
        le=1.0,
        description="minimum share of the time with events that a caption covers, by the times in its evidence",
    )
    verified_only: bool = Field(default=False, description="filters captions that a verifier has not confirmed in full")


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

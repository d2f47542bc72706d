"""The recipe of a pretraining mix: kinds of documents, their shares of the tokens, and the packs they fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.resources import files as package_files
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from soundseam.pipeline.config import SetupError, did_you_mean, first_problem, read_text, tree_of
from soundseam.pipeline.storage import files
from soundseam.schemas.record import Record

PRETRAIN = "pretrain"


class Kind(StrEnum):
    """The kinds of documents."""

    ASR = "asr"
    INTERLEAVED = "interleaved"
    CAPTION = "caption"
    TEXT = "text"


REPLACES: Mapping[Kind, Kind] = {Kind.ASR: Kind.INTERLEAVED, Kind.INTERLEAVED: Kind.ASR}
"""Kind → the one that gets its share if a corpus has no document of it: both train on transcripts."""


class PretrainRecipe(Record):
    """A pretraining mix, packed. Token counts are those of `soundseam.pipeline.export.tokens`."""

    context: int = Field(
        default=8192, ge=64, description="maximum number of tokens of a pack; 8,192 is MOSS-Audio's script's"
    )
    shares: dict[str, float] = Field(
        default={"asr": 0.2, "interleaved": 0.1, "caption": 0.4, "text": 0.3},
        description="kind → its share of the tokens, in any unit; asr and interleaved together are the 30 % ASR of "
        "arXiv 2606.01802",
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="total number of tokens; null for as many as the shares allow with every document of the most "
        "plentiful kind once, or the scarcest max_repeats times",
    )
    max_repeats: float = Field(default=4.0, ge=1.0, description="how often a document may be used on average")
    tokenizer: str | None = Field(
        default=None, description="tokenizer.json of the model, to count text with; null for a rule"
    )
    tokenizer_sha256: str | None = Field(default=None, description="filled in when the recipe is read")
    text: tuple[str, ...] = Field(
        default=(),
        description="more text: .txt (one document each), .jsonl or .parquet (one per row, in a column text; a column "
        "license is optional)",
    )
    min_text_tokens: int = Field(default=16, ge=1, description="minimum length of a text alone")
    max_gap_ms: int = Field(
        default=2000, ge=0, description="maximum gap between consecutive segments that continue each other"
    )
    interleaved_ms: int = Field(default=120_000, ge=2000, description="maximum length of an interleaved document")
    separator: str = Field(default="<|endoftext|>", description="the text that ends a document; one token")
    max_open: int = Field(
        default=8,
        ge=1,
        description="packs that are filled at the same time; these, and half as many tokens that wait, are in memory",
    )

    @field_validator("shares")
    @classmethod
    def _are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(shares) - set(Kind)):
            raise ValueError(f"no kind {unknown[0]}{did_you_mean(unknown[0], Kind)} (one of {', '.join(Kind)})")
        if min(shares.values(), default=0.0) < 0 or not sum(shares.values()) > 0:
            raise ValueError("shares must be numbers of at least 0, some of them above 0")
        return shares

    def share_of(self, kind: str, kinds: Sequence[str]) -> float:
        """The share of a kind, from 0 to 1, if there are documents of `kinds` only."""
        wanted = {each: self.shares.get(each, 0.0) for each in Kind}
        for absent in (each for each in Kind if each not in kinds):
            replacing = REPLACES.get(absent)
            if replacing is not None and replacing in kinds:
                wanted[replacing] += wanted[absent]
            wanted[absent] = 0.0
        total = sum(wanted.values())
        return wanted[Kind(kind)] / total if total else 0.0


def load_recipe(name: str, overrides: Sequence[str] = ()) -> PretrainRecipe:
    """The recipe `pretrain`, or the one in a YAML file, with `key.path=value` overrides.

    Raises SetupError, one line with the remedy.
    """
    text = _built_in() if name == PRETRAIN else read_text(name)
    try:
        recipe = PretrainRecipe.model_validate(tree_of(text, name, overrides))
    except ValidationError as error:
        problem = first_problem(error, PretrainRecipe)
        raise SetupError(f"recipe {name}: {problem}; see docs/pretraining.md") from error
    if recipe.tokenizer is None:
        return recipe
    if not Path(recipe.tokenizer).is_file():
        raise SetupError(
            f"tokenizer: there is no file {recipe.tokenizer}; give the tokenizer.json of the model to train"
        )
    return recipe.model_copy(update={"tokenizer_sha256": files.sha256_of(recipe.tokenizer)})


def _built_in() -> str:
    return package_files("soundseam.pipeline.export").joinpath("pretrain.yaml").read_text(encoding="utf-8")
